package hosts

import "time"

// rateLimiter is a token bucket that holds a tenth of a second's worth. It
// begins full.
type rateLimiter struct {
	rate int // a second
	free float64
	at   time.Time // when free was worked out
}

// wait returns for how long nothing may be sent; 0: take may be called.
func (r *rateLimiter) wait(now time.Time) time.Duration {
	full := max(1, float64(r.rate)/10)
	if r.at.IsZero() {
		r.free = full
	} else {
		r.free = min(full, r.free+now.Sub(r.at).Seconds()*float64(r.rate))
	}
	r.at = now
	if r.free >= 1 {
		return 0
	}
	return max(time.Millisecond, time.Duration((1-r.free)/float64(r.rate)*float64(time.Second)))
}

// take records that one was sent.
func (r *rateLimiter) take() { r.free-- }
