package linux

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// decodeLink reads the body of an RTM_NEWLINK message (struct ifinfomsg and
// IFLA_* attributes, linux/if_link.h).
func decodeLink(b []byte) (kernel.Link, bool) {
	var l kernel.Link
	if len(b) < unix.SizeofIfInfomsg {
		return l, false
	}
	l.Index = int(int32(native.Uint32(b[4:])))
	flags := native.Uint32(b[8:])
	l.Up, l.Loopback = flags&unix.IFF_UP != 0, flags&unix.IFF_LOOPBACK != 0
	for a := attrs(b[unix.SizeofIfInfomsg:]); a.next(); {
		switch a.kind() {
		case unix.IFLA_IFNAME:
			l.Name = a.str()
		case unix.IFLA_IFALIAS:
			l.Alias = a.str()
		case unix.IFLA_MTU:
			l.MTU = int(a.u32())
		case unix.IFLA_MASTER:
			l.Master = int(a.u32())
		case unix.IFLA_LINK:
			l.Lower = int(a.u32())
		case unix.IFLA_ADDRESS:
			l.MAC = a.mac()
		case unix.IFLA_LINKINFO:
			decodeLinkInfo(a.val(), &l)
		}
	}
	return l, true
}

func decodeLinkInfo(b []byte, l *kernel.Link) {
	// The kernel puts the kind before the data.
	slave := ""
	for a := attrs(b); a.next(); {
		switch a.kind() {
		case unix.IFLA_INFO_KIND:
			l.Kind = a.str()
		case unix.IFLA_INFO_SLAVE_KIND:
			slave = a.str()
		case unix.IFLA_INFO_DATA:
			switch l.Kind {
			case "vxlan":
				l.VXLAN = decodeVXLAN(a.val())
			case "bridge":
				for x := attrs(a.val()); x.next(); {
					switch x.kind() {
					case unix.IFLA_BR_VLAN_FILTERING:
						l.VLANFiltering = x.u8() != 0
					case unix.IFLA_BR_AGEING_TIME:
						l.Ageing = time.Duration(x.u32()) * (time.Second / userHZ)
					}
				}
			}
		case unix.IFLA_INFO_SLAVE_DATA:
			if slave != "bridge" {
				continue
			}
			l.Port = &kernel.Port{}
			for x := attrs(a.val()); x.next(); {
				switch x.kind() {
				case unix.IFLA_BRPORT_LEARNING:
					l.Port.Learning = x.u8() != 0
				case unix.IFLA_BRPORT_NEIGH_SUPPRESS:
					l.Port.NeighSuppress = x.u8() != 0
				}
			}
		}
	}
}

func decodeVXLAN(b []byte) *kernel.VXLAN {
	v := &kernel.VXLAN{}
	for a := attrs(b); a.next(); {
		switch a.kind() {
		case unix.IFLA_VXLAN_ID:
			v.VNI = evpn.VNI(a.u32())
		case unix.IFLA_VXLAN_LOCAL, unix.IFLA_VXLAN_LOCAL6:
			if ip := a.addr(); !ip.IsUnspecified() {
				v.Local = ip
			}
		case unix.IFLA_VXLAN_GROUP, unix.IFLA_VXLAN_GROUP6:
			if ip := a.addr(); !ip.IsUnspecified() {
				v.Remote = ip
			}
		case unix.IFLA_VXLAN_LINK:
			v.Lower = int(a.u32())
		case unix.IFLA_VXLAN_PORT:
			if p := a.val(); len(p) == 2 {
				v.Port = uint16(p[0])<<8 | uint16(p[1]) // network order
			}
		case unix.IFLA_VXLAN_LEARNING:
			v.Learning = a.u8() != 0
		case unix.IFLA_VXLAN_COLLECT_METADATA:
			v.External = a.u8() != 0
		case unix.IFLA_VXLAN_VNIFILTER:
			v.VNIFilter = a.u8() != 0
		}
	}
	return v
}

// linkMsg begins a message about one device.
func linkMsg(kind uint16, family uint8, ifindex int, flags, change uint32) []byte {
	b := begin(nil, kind)
	b = append(b, family, 0, 0, 0)
	b = native.AppendUint32(b, uint32(ifindex))
	b = native.AppendUint32(b, flags)
	return native.AppendUint32(b, change)
}

// SetPort implements dataplane.Kernel (`bridge link set`).
func (k *Kernel) SetPort(ifindex int, learning, neighSuppress bool) error {
	b := linkMsg(unix.RTM_SETLINK, unix.AF_BRIDGE, ifindex, 0, 0)
	b, at := nest(b, unix.IFLA_PROTINFO)
	b = putBool(b, unix.IFLA_BRPORT_LEARNING, learning)
	b = putBool(b, unix.IFLA_BRPORT_NEIGH_SUPPRESS, neighSuppress)
	end(b, at)
	return k.sock.request(b)
}

// SetVXLANLearning implements dataplane.Kernel (`ip link set type vxlan`).
func (k *Kernel) SetVXLANLearning(ifindex int, learning bool) error {
	b := linkMsg(unix.RTM_NEWLINK, unix.AF_UNSPEC, ifindex, 0, 0)
	b, info := nest(b, unix.IFLA_LINKINFO)
	b = putStr(b, unix.IFLA_INFO_KIND, "vxlan")
	b, data := nest(b, unix.IFLA_INFO_DATA)
	b = putBool(b, unix.IFLA_VXLAN_LEARNING, learning)
	end(b, data)
	end(b, info)
	return k.sock.request(b)
}

// MakeBridge implements dataplane.Kernel. Everything but name, alias and MTU
// is as the kernel has it by default: no spanning tree, no VLAN filtering.
func (k *Kernel) MakeBridge(l kernel.Link) error {
	return k.make(l, func(b []byte) []byte { return b })
}

// MakeVXLAN implements dataplane.Kernel.
func (k *Kernel) MakeVXLAN(l kernel.Link) error {
	v := l.VXLAN
	return k.make(l, func(b []byte) []byte {
		b = putU32(b, unix.IFLA_VXLAN_ID, uint32(v.VNI))
		if v.Local.IsValid() {
			kind := uint16(unix.IFLA_VXLAN_LOCAL)
			if v.Local.Is6() {
				kind = unix.IFLA_VXLAN_LOCAL6
			}
			b = putAddr(b, kind, v.Local)
		}
		if v.Lower != 0 {
			b = putU32(b, unix.IFLA_VXLAN_LINK, uint32(v.Lower))
		}
		b = putAttr(b, unix.IFLA_VXLAN_PORT, []byte{byte(v.Port >> 8), byte(v.Port)})
		return putBool(b, unix.IFLA_VXLAN_LEARNING, v.Learning)
	})
}

func (k *Kernel) make(l kernel.Link, data func([]byte) []byte) error {
	b := linkMsg(unix.RTM_NEWLINK, unix.AF_UNSPEC, 0, 0, 0)
	native.PutUint16(b[6:], unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	b = putStr(b, unix.IFLA_IFNAME, l.Name)
	if l.MTU != 0 {
		b = putU32(b, unix.IFLA_MTU, uint32(l.MTU))
	}
	if l.Master != 0 {
		b = putU32(b, unix.IFLA_MASTER, uint32(l.Master))
	}
	b, info := nest(b, unix.IFLA_LINKINFO)
	b = putStr(b, unix.IFLA_INFO_KIND, l.Kind)
	b, at := nest(b, unix.IFLA_INFO_DATA)
	b = data(b)
	end(b, at)
	end(b, info)
	if err := k.sock.request(b); err != nil {
		return err
	}
	if l.Alias == "" {
		return nil
	}
	// The kernel takes no alias with a new device. A device that could not
	// be marked is not left behind.
	b = linkMsg(unix.RTM_SETLINK, unix.AF_UNSPEC, 0, 0, 0)
	b = putStr(b, unix.IFLA_IFNAME, l.Name)
	b = putAttr(b, unix.IFLA_IFALIAS, []byte(l.Alias))
	if err := k.sock.request(b); err != nil {
		del := linkMsg(unix.RTM_DELLINK, unix.AF_UNSPEC, 0, 0, 0)
		if derr := k.sock.request(putStr(del, unix.IFLA_IFNAME, l.Name)); derr != nil {
			return fmt.Errorf("mark it with an alias: %w; and remove it again: %w", err, derr)
		}
		return fmt.Errorf("mark it with an alias: %w", err)
	}
	return nil
}

// Remove implements dataplane.Kernel.
func (k *Kernel) Remove(ifindex int) error {
	return k.sock.request(linkMsg(unix.RTM_DELLINK, unix.AF_UNSPEC, ifindex, 0, 0))
}

// SetUp implements dataplane.Kernel.
func (k *Kernel) SetUp(ifindex int) error {
	return k.sock.request(linkMsg(unix.RTM_NEWLINK, unix.AF_UNSPEC, ifindex, unix.IFF_UP, unix.IFF_UP))
}

// SetMaster implements dataplane.Kernel.
func (k *Kernel) SetMaster(ifindex, bridge int) error {
	b := linkMsg(unix.RTM_SETLINK, unix.AF_UNSPEC, ifindex, 0, 0)
	return k.sock.request(putU32(b, unix.IFLA_MASTER, uint32(bridge)))
}

// SetMTU implements dataplane.Kernel.
func (k *Kernel) SetMTU(ifindex, mtu int) error {
	b := linkMsg(unix.RTM_SETLINK, unix.AF_UNSPEC, ifindex, 0, 0)
	return k.sock.request(putU32(b, unix.IFLA_MTU, uint32(mtu)))
}
