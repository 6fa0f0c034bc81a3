// Package soak lets three VTEPs live through everything that can happen to
// them, over and over for a chosen time, and then wants them to be what they
// were.
//
//	     reflector (FRR)
//	    /      |      \
//	h1 ======= h2 ======= h3      evpnd on each, a full mesh besides
//	 |         |          |
//	hosts     hosts      hosts    containers, and guests behind them
//
// # The idea
//
// A leak is small, and shows only after days. Here days are squeezed into
// minutes. The churn is random: hosts move, addresses change hands, cables are
// pulled, devices are removed and made again, configurations are reloaded,
// sessions reset, one daemon is restarted or killed, and others meddle with the
// kernel entries of evpnd. The seed is printed; SOAK_SEED takes it, and then
// the same things are done in the same order, if not at the same moments.
//
// # What is compared
//
// Before and after the churn the site is brought home: every host is where it
// belongs and has said so, every configuration is the first one, and what
// others wrote into the kernel is gone. When nothing changes any more the
// figures are taken (figures), and must be the same at the end:
//
//   - the forwarding and neighbor tables of each node, entry by entry, and its
//     devices;
//   - of each daemon the goroutines and the open files, each kind of socket
//     for itself;
//   - where each daemon has every MAC and address: all three agree.
//
// Only the heap may be larger, by a fifth and heapSlack: histories and pools
// fill up to their bounds. To know it the daemons run with a small GOGC, so
// that a few calls of the API are enough for a collection, and what is read is
// what the collection found in use, garbage not counted.
//
// The first figures are taken after a warm-up in which everything has
// happened once. So what is made on first use is there already, and the daemon
// on h3, the one that is restarted, is one that was. Restarts give it a new
// process; h1 and h2 are the same processes from the beginning to the end.
package soak
