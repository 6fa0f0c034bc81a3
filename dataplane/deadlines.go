package dataplane

import "time"

// deadline names something that is due at a time. Probes of hosts have their
// own queue (hosts.Table.Next).
type deadline uint8

const (
	syncDue   deadline = iota // devices are to be read, and entries that need it
	retryDue                  // failed entries are to be looked at
	pauseEnds                 // nothing is written before
	unmuteDue                 // notices of our own writes may be let in again
	numDeadlines
)

// deadlines is the one list of all that is due. The zero time: nothing is.
type deadlines [numDeadlines]time.Time

// by has a deadline come at a time, or earlier when it does.
func (d *deadlines) by(x deadline, at time.Time) {
	if !at.IsZero() && (d[x].IsZero() || at.Before(d[x])) {
		d[x] = at
	}
}

// set moves a deadline.
func (d *deadlines) set(x deadline, at time.Time) { d[x] = at }

func (d *deadlines) pending(x deadline) bool { return !d[x].IsZero() }

// passed tells whether a deadline has come, and takes it off the list then.
func (d *deadlines) passed(x deadline, now time.Time) bool {
	if d[x].IsZero() || d[x].After(now) {
		return false
	}
	d[x] = time.Time{}
	return true
}

// next returns the first deadline, or a time that is not on the list when that
// comes before; zero: there is none.
func (d *deadlines) next(other time.Time) time.Time {
	first := other
	for _, t := range d {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}
