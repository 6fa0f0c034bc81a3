// Package hostile attacks an evpnd, and looks at whether anybody else notices.
//
// An EVPN fabric is one trust domain in name only: a VTEP takes routes from
// every other, through reflectors that pass on what they do not understand. So
// a peer that is broken, too new or taken over reaches every evpnd there is. What
// is to happen then is written in RFC 7606: an attribute that cannot be used
// costs itself or the routes it stands with, and the session ends only where it
// is unknown which routes were meant.
//
//	attacker (raw bytes) ---\
//	                         +--- evpnd on h1 --- its kernel: vxlan100, vxlan106
//	honest (raw, good)   ---/
//
// One evpnd stands all attacks, one after the other. Each is sent on a live
// session together with good routes; then it must hold that
//
//   - the session is up, or ended with the NOTIFICATION that the RFC says;
//   - the good routes next to the bad ones are in the kernel;
//   - what was left out is counted with its reason in evpnctl peer show;
//   - the process is the same, the session of the honest peer never ended, and
//     its entries in the kernel were never touched.
//
// # The corpus
//
// The attacks written by hand are in testdata/*.txtar, one section each; the
// others, which try all of something, are made in attacks_test.go. A section is
//
//	-- name --
//	# Which rule decides.
//	want withdrawn attribute-value
//	40 01: 03
//	...
//
// with one of these outcomes:
//
//	used                 {route} reaches the kernel
//	withdrawn REASON     {route}, which was there, is gone; one more of REASON
//	left-out REASON      {route} stays as it was; one more of REASON
//	ignored              {route} stays as it was, and nothing is counted
//	reset CODE/SUBCODE   the session ends with this NOTIFICATION
//	established          (an OPEN) the session comes up
//	refused CODE/SUBCODE (an OPEN) it does not
//
// and lines that make up an UPDATE, an OPEN or bare bytes:
//
//	FLAGS TYPE: HEX      an attribute; FLAGS TYPE=LEN: says another length than it has
//	common               ORIGIN, AS_PATH, LOCAL_PREF, target and encapsulation (common6: of VNI 106)
//	reach: HEX           MP_REACH_NLRI; unreach: HEX is MP_UNREACH_NLRI, without its family
//	raw: HEX             bytes among the attributes
//	withdrawn: HEX       the withdrawn routes of IPv4; nlri: HEX its announced ones
//	total: HEX           the length of the attributes, in place of the right one
//	open: HEX            the body of an OPEN
//	bytes: HEX           sent as they are, on the session
//	garbage: HEX         sent as they are, before an OPEN
//
// {nh4}, {nh16} and {nh32} are the head of MP_REACH_NLRI with next hops of so
// many bytes, {route}, {good} and {route6} are NLRI, {rd}, {esi0} and {mac}
// parts of {route}, and {ff16} is the marker of a header.
//
// The corpus feeds the fuzz targets of bgp/wire too: after a change of it run
//
//	go test ./test/hostile -run TestSeeds -update
package hostile
