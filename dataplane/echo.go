package dataplane

import "time"

// Our entries can be deleted, changed and flushed by others. Deletions are
// always told. Changes are told while the Plane is silent; while it writes
// they would drown in its own echo, and the audit finds them.

// unmuteAfter is how long after the last write the Plane hears of changes of
// its own entries again: to set the filter costs more than one write.
const unmuteAfter = 50 * time.Millisecond

// echo is whether the kernel's notices of our own additions are left out.
type echo struct {
	*env
	muted bool
}

// mute leaves out the notices of what is about to be written.
func (e *echo) mute() {
	if !e.muted {
		// When it fails our own additions come back, and are found to be as
		// they should be.
		e.muted = e.k.MuteEcho(true) == nil
	}
	e.due.set(unmuteDue, time.Now().Add(unmuteAfter))
}

// unmute lets them in again some time after the last write.
func (e *echo) unmute(now time.Time, writing bool) {
	if writing || !e.due.passed(unmuteDue, now) || !e.muted {
		return
	}
	if e.muted = e.k.MuteEcho(false) != nil; e.muted {
		e.due.set(unmuteDue, now.Add(unmuteAfter))
	}
}
