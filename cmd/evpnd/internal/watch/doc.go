// Package watch tells any number of readers what changed, without ever making
// the writer wait for one of them.
//
// The engine says which objects may look different; it does not say how. The
// Hub numbers these keys in the order they come, and keeps the latest of them
// in a ring:
//
//	engine --keys-->  [ 41 mac | 42 vtep | 43 mac | 44 peer | ... ]  newest
//	                      ^                   ^
//	                  slow reader         fast reader
//
// The number is the revision. Each reader remembers how far it has come, takes
// the keys behind that at its own pace, each once, and looks up what the
// objects are like now. So what a reader is told depends on what is so, and
// not on how often it changed in between.
//
// A reader that the ring has overtaken is told so, and begins anew with a
// snapshot. The same holds for a resume token that is older than the ring, or
// of another process: the token carries an identity drawn at start.
//
// Invariants: Publish takes time in proportion to its batch, whatever the readers
// do; the memory is the ring and one number a reader.
package watch
