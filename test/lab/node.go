package lab

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// Fabric is an underlay: one Ethernet between the nodes.
type Fabric struct {
	*NS
	ports int
}

// Fabric makes an underlay: a bridge in a namespace of its own, that floods
// multicast like a switch without snooping.
func (l *Lab) Fabric(name string) *Fabric {
	l.Helper()
	f := &Fabric{NS: l.NS(name)}
	f.IP("link", "add", "name", "fabric", "type", "bridge", "mcast_snooping", "0")
	f.IP("link", "set", "fabric", "up")
	return f
}

// Attach connects a device dev of the namespace to the underlay, and returns
// the name of the underlay's end.
func (f *Fabric) Attach(n *NS, dev string, addrs ...netip.Prefix) string {
	f.lab.Helper()
	f.ports++
	port := "port" + strconv.Itoa(f.ports)
	f.lab.Link(f.NS, port, n, dev)
	f.IP("link", "set", port, "master", "fabric")
	for _, a := range addrs {
		n.Addr(dev, a)
	}
	return port
}

// Cut has the underlay lose every packet from and to a port, which neither
// end notices: its cable stays in.
func (f *Fabric) Cut(port string) {
	f.lab.Helper()
	f.IP("link", "set", port, "nomaster")
}

// Mend ends Cut.
func (f *Fabric) Mend(port string) {
	f.lab.Helper()
	f.IP("link", "set", port, "master", "fabric")
}

// Node is a host: a VTEP with containers behind it.
type Node struct {
	*NS
	VTEP netip.Addr // the default for the local address of its VXLAN devices
}

// Node makes a host on the underlay, with the device eth0 and an address
// that is also its VTEP address.
func (f *Fabric) Node(name string, addr netip.Prefix) *Node {
	f.lab.Helper()
	n := &Node{NS: f.lab.NS(name), VTEP: addr.Addr()}
	f.Attach(n.NS, "eth0", addr)
	return n
}

// VNI says how a node takes part in a VNI. Only the number must be given.
type VNI struct {
	VNI     int
	Local   netip.Addr // VTEP address; the node's when absent
	Group   netip.Addr // multicast group: flood-and-learn, as without a control plane
	Options []string   // more for ip link add ... type vxlan
}

// Bridge is the name of the VNI's bridge, br200 for VNI 200.
func (v VNI) Bridge() string { return fmt.Sprintf("br%d", v.VNI) }

// Device is the name of the VNI's VXLAN device, vxlan200 for VNI 200.
func (v VNI) Device() string { return fmt.Sprintf("vxlan%d", v.VNI) }

// AddVNI makes a bridge and a VXLAN device on it, on port 4789, both up.
// Without a Group the device does not learn and knows nobody to flood to:
// that is left to a control plane.
func (n *Node) AddVNI(v VNI) {
	n.lab.Helper()
	if !v.Local.IsValid() {
		v.Local = n.VTEP
	}
	// Room for the outer headers within 1500 bytes.
	mtu := "1450"
	if v.Local.Is6() {
		mtu = "1430"
	}
	n.IP("link", "add", "name", v.Bridge(), "address", n.bridgeMAC(v.VNI), "mtu", mtu,
		"type", "bridge", "mcast_snooping", "0")
	args := []string{
		"link", "add", "name", v.Device(), "mtu", mtu, "type", "vxlan",
		"id", strconv.Itoa(v.VNI), "local", v.Local.String(), "dstport", "4789",
	}
	if v.Group.IsValid() {
		args = append(args, "group", v.Group.String(), "dev", "eth0", "ttl", "4")
	} else {
		args = append(args, "nolearning")
	}
	n.IP(append(args, v.Options...)...)
	n.IP("link", "set", v.Device(), "master", v.Bridge(), "up")
	n.IP("link", "set", v.Bridge(), "up")
}

// DelVNI removes the VNI's devices; the ports of containers become idle.
func (n *Node) DelVNI(v VNI) {
	n.lab.Helper()
	n.IP("link", "del", v.Device())
	n.IP("link", "del", v.Bridge())
}

// FloodsTo waits until the kernel sends broadcast of the VNI to just these
// VTEPs.
func (n *Node) FloodsTo(v VNI, vteps ...netip.Addr) {
	n.lab.Helper()
	var want []string
	for _, a := range vteps {
		want = append(want, a.String())
	}
	slices.Sort(want)
	n.lab.Until(10*time.Second, fmt.Sprintf("%s floods VNI %d to %v", n.Short, v.VNI, want), func() (bool, string) {
		var got []string
		for _, e := range n.FDB(v.Device()) {
			if e.MAC == "00:00:00:00:00:00" {
				got = append(got, e.Dst)
			}
		}
		slices.Sort(got)
		return slices.Equal(got, want), fmt.Sprint(got)
	})
}

// bridgeMAC is a MAC that tells nodes and VNIs apart: bridges whose address
// is not set take that of a port, and change it when ports come and go.
func (n *Node) bridgeMAC(vni int) string {
	sum := byte(0)
	for _, c := range []byte(n.Short) {
		sum = sum*31 + c
	}
	return fmt.Sprintf("02:b0:%02x:%02x:%02x:%02x", sum, byte(vni>>16), byte(vni>>8), byte(vni))
}

// Container is a host behind a VTEP: a namespace with one device, eth0.
type Container struct {
	*NS
	MAC  string
	IPv4 netip.Addr
	IPv6 netip.Addr
	On   *Node
	Port string // its port on the node's bridge
}

// Container makes a container on the node's bridge for the VNI. Without an
// IPv6 address it says nothing until it is told to; IPv6 sends frames by
// itself as soon as a device is up.
func (n *Node) Container(name string, v VNI, mac string, addrs ...netip.Prefix) *Container {
	n.lab.Helper()
	c := &Container{NS: n.lab.NS(name), MAC: mac, On: n, Port: "v-" + name}
	mtu := n.mtu(v)
	n.IP("link", "add", "name", c.Port, "mtu", mtu, "type", "veth",
		"peer", "name", "eth0", "address", mac, "mtu", mtu, "netns", c.Name)
	for _, a := range addrs {
		c.Addr("eth0", a)
		if a.Addr().Is4() {
			c.IPv4 = a.Addr()
		} else {
			c.IPv6 = a.Addr()
		}
	}
	if !c.IPv6.IsValid() {
		c.Sysctl("net/ipv6/conf/eth0/disable_ipv6", "1")
	}
	c.IP("link", "set", "eth0", "up")
	n.IP("link", "set", c.Port, "master", v.Bridge(), "up")
	return c
}

func (n *Node) mtu(v VNI) string {
	if v.Local.Is6() || !v.Local.IsValid() && n.VTEP.Is6() {
		return "1430"
	}
	return "1450"
}

// Plug connects the container to the bridge again, after that was removed.
func (c *Container) Plug(v VNI) {
	c.lab.Helper()
	c.On.IP("link", "set", c.Port, "master", v.Bridge(), "up")
}

// MoveTo moves the container to the bridge of another node. Its addresses
// and what runs in it stay, as with a live migration; its cable is out for
// the few milliseconds that it takes.
func (c *Container) MoveTo(to *Node, v VNI) {
	c.lab.Helper()
	c.On.IP("link", "set", c.Port, "netns", to.Name)
	c.On = to
	c.Plug(v)
}
