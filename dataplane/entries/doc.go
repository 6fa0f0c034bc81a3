// Package entries compares what is desired of the kernel with what it holds,
// and says what to write next. It is pure: it knows no device, no message and
// no clock.
//
//	Want, Unwant  --> desired \                    / Next --> a Change --> the kernel
//	                           Set: what differs --
//	Seen, Gone,   --> actual  /                    \ Done, Fail, PutBack <-- its answer
//	Recheck, Dumped
//
// A Set is one kind of entry of one broadcast domain: destinations of flooding
// ([Flood]), remote MACs ([FDB]), neighbors ([Neigh]). Each kind is a file with
// a comparable key, a comparable value that has all that the kernel keeps of an
// entry, and an order of keys. An entry is right when desired and actual value
// are equal.
//
// What is desired is a set, not a list of commands: the last word on a key
// counts, whatever is being written. Each key stands in the queue of additions
// or of removals at most once. An entry that fails is tried again after a pause
// of its own, which doubles; no other entry waits for it.
//
// When it is not known what the kernel holds, an entry is taken to be there:
// it is written, or removed, once too often rather than once too seldom.
package entries
