package linux

import (
	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// decodeEntry reads the body of an RTM_NEWNEIGH or RTM_DELNEIGH message
// (struct ndmsg and NDA_* attributes, linux/neighbour.h).
func decodeEntry(b []byte, e *kernel.Entry) bool {
	if len(b) < unix.SizeofNdMsg {
		return false
	}
	*e = kernel.Entry{
		Family:  kernel.Family(b[0]),
		Ifindex: int(int32(native.Uint32(b[4:]))),
		State:   kernel.State(native.Uint16(b[8:])),
		Flags:   kernel.Flags(b[10]),
	}
	for a := attrs(b[unix.SizeofNdMsg:]); a.next(); {
		switch a.kind() {
		case unix.NDA_DST:
			e.IP = a.addr()
		case unix.NDA_LLADDR:
			e.MAC = a.mac()
		case unix.NDA_VNI:
			e.VNI = evpn.VNI(a.u32())
		case unix.NDA_MASTER:
			e.Bridge = int(a.u32())
		case unix.NDA_VLAN:
			e.VLAN = a.u16()
		case ndaSrcVNI:
			e.SrcVNI = evpn.VNI(a.u32())
		case ndaNHID:
			e.Nexthop = a.u32()
		case ndaFlagsExt:
			e.Flags |= kernel.Flags(a.u32()) << 16
		}
	}
	return true
}

// putNdMsg appends a header and struct ndmsg for e.
func putNdMsg(b []byte, kind uint16, e *kernel.Entry) []byte {
	b = begin(b, kind)
	b = append(b, byte(e.Family), 0, 0, 0)
	b = native.AppendUint32(b, uint32(e.Ifindex))
	b = native.AppendUint16(b, uint16(e.State))
	return append(b, byte(e.Flags), 0)
}

// encodeOp appends the message of op with its sequence number and without
// NLM_F_ACK. Attributes that are zero in op are left out; the others come in
// the order in which iproute2 sends them.
func encodeOp(b []byte, op *kernel.Op, seq uint32) []byte {
	at := len(b)
	kind, flags := uint16(unix.RTM_NEWNEIGH), uint16(unix.NLM_F_REQUEST)
	switch op.Verb {
	case kernel.Replace:
		flags |= unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	case kernel.Append:
		flags |= unix.NLM_F_CREATE | unix.NLM_F_APPEND
	case kernel.Delete:
		kind = unix.RTM_DELNEIGH
	}
	b = putNdMsg(b, kind, &op.Entry)
	if op.Family == kernel.Bridge || op.Verb != kernel.Delete {
		b = append(putAttrHdr(b, unix.NDA_LLADDR, 6), op.MAC[:]...)
		b = append(b, 0, 0)
	}
	if op.IP.IsValid() {
		b = putAddr(b, unix.NDA_DST, op.IP)
	}
	if op.Nexthop != 0 {
		b = putU32(b, ndaNHID, op.Nexthop)
	}
	if op.VLAN != 0 {
		b = putU16(b, unix.NDA_VLAN, op.VLAN)
	}
	if op.VNI != 0 {
		b = putU32(b, unix.NDA_VNI, uint32(op.VNI))
	}
	if op.SrcVNI != 0 {
		b = putU32(b, ndaSrcVNI, uint32(op.SrcVNI))
	}
	finish(b[at:], flags, seq)
	return b
}
