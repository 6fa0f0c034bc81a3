package gobgp

import (
	"encoding/binary"

	"github.com/evpnd/evpnd/bgp/wire"
)

// hidden stands in for attrExtCommunities while GoBGP has a route. It was
// once the Connector attribute (RFC 6037 §5.2.1), which nobody sends any
// more and GoBGP does not know, so that it keeps the value as it is. It lies
// between the same neighbors by number, so the order of the attributes stays.
const (
	attrExtCommunities = 16 // RFC 4360 §2
	hidden             = 20
)

// hide renames the extended communities among attrs, each whole with its header.
func hide(attrs [][]byte) [][]byte {
	for _, a := range attrs {
		if a[1] == attrExtCommunities {
			a[1] = hidden
		}
	}
	return attrs
}

// reveal turns back in an UPDATE of GoBGP what hide has done.
func reveal(msg []byte) {
	const fixed = wire.HeaderLen + 4 // no IPv4 routes are withdrawn
	if len(msg) < fixed || binary.BigEndian.Uint16(msg[wire.HeaderLen:]) != 0 {
		return
	}
	for b := msg[fixed:]; len(b) >= 4; {
		n := 3 + int(b[2])
		if b[0]&0x10 != 0 { // extended length (RFC 4271 §4.3)
			n = 4 + int(binary.BigEndian.Uint16(b[2:]))
		}
		if b[1] == hidden {
			b[1] = attrExtCommunities
		}
		b = b[min(n, len(b)):]
	}
}
