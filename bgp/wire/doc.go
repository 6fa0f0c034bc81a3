// Package wire reads and writes BGP messages as they stand on a TCP
// connection: the part of RFC 4271 that a VTEP needs, with the EVPN routes of
// RFC 7432 and RFC 8365.
//
// A BGP connection is a stream of messages. Each begins with a header of 19
// bytes: 16 bytes of ones, the length of the whole message, and its type.
//
//	16 x 0xff | length (2) | type (1) | body
//
// [Split] finds the messages in the stream. [ParseOpen] and
// [ParseNotification] read those that open and end a session. [Reader] reads
// the UPDATEs, which carry the routes:
//
//	withdrawn (IPv4, unused) | attributes: ORIGIN, AS_PATH, ..., MP_REACH_NLRI, MP_UNREACH_NLRI
//	                                                            |
//	      AFI 25 SAFI 70 | next hop = VTEP | NLRI, NLRI, ... <--+
//	                                         |
//	           route type | length | RD, ESI, tag, MAC, IP, VNI
//
// Invariants:
//
//   - Every length is checked here, once, before what it covers is touched.
//     No input makes a function of this package panic or read past the end;
//     the fuzz targets hold it to that.
//   - A bad route costs that route. RFC 7606 decides: a route is left out, or
//     taken as withdrawn, or an attribute is ignored. Only where the end of a
//     route cannot be found is the session given up, with the [Notification]
//     that says why.
//   - Nothing that is returned points into the input, which the caller may
//     overwrite.
package wire
