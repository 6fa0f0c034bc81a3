// Package bench measures evpnd from outside: what goes in at a BGP session,
// and when the kernel has it, beside FRR and beside the limit.
//
// The limit is a bare writer: it puts the same entries into the same kernel,
// from messages that were made before, many a system call, and does nothing
// else. Nobody gets under it.
//
// A scenario runs for each contender in turn, and then all over again, so that
// what the machine does beside it hits all alike; each figure is the median of
// the rounds. [TestFigures] prints them as one table:
//
//	make bench            all scenarios at full size, five rounds
//	go test ./test/bench  the same in small, to see that they work
//
// Under the race detector there is nothing to measure, and no test.
//
// What counts is the ratios: they carry over to other machines, seconds do not.
package bench
