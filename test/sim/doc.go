// Command sim measures what one VTEP and one reflector must handle in a site
// that is larger than one machine can hold: by default 1,000 VTEPs behind two
// reflectors, with 1,000,000 MACs. It draws what it measures.
//
//	make sim
//
// One VTEP of the site is real, and runs in a process of its own:
//
//	this process                              process of the VTEP
//	fabric: what 999 VTEPs have to say
//	  |  as reflector 1 passes it on  --TCP-->  bgp (sessions, reader)
//	  |  as reflector 2 passes it on  --TCP-->    |
//	  |                                         evpn.Engine
//	  |                                           |
//	  +--- expected entries == held entries ---  dataplane.Plane on dataplane/fake
//
// Only the kernel is not real, and the loop between the three parts is that
// of the daemon written again (an internal package of cmd/evpnd). The two
// reflectors send every route once each, with ORIGINATOR_ID and CLUSTER_LIST
// (RFC 4456 §8), each in an order of its own. Each measurement ends with the
// check that the kernel holds what the routes say: every MAC behind the VTEP
// that had it last, and nothing else.
//
// The other measurement is of real reflectors, FRR's bgpd and GoBGP, with up
// to 1,000 sessions that only read and count (reflector.go).
//
//	fabric.go     who has which MAC, and the routes that say so
//	vtep.go       the real VTEP; kernel.go its kernel; child.go the process round it
//	converge.go   first convergence; the loss of a reflector and its return
//	moves.go      moves at a rate: CPU share and delay
//	reflector.go  real reflectors
//	chart.go      SVG
package main
