package lab

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// VM is a virtual machine behind a VTEP: a container whose eth0 feels nothing
// when the machine moves, neither a link that goes down nor a neighbor table
// that is flushed. Within its namespace eth0 is a bridge, and what connects
// it to a node is a port of that, a Cable. As with a live migration it can
// have two of them for a while, of which one carries frames.
//
// It never says anything by itself.
type VM struct {
	*Container
	cables int
	used   *Cable
}

// Cable is a connection of a VM to a node.
type Cable struct {
	On   *Node
	Port string // on the node's bridge

	vm    *VM
	inner string // the other end
}

// VM makes a virtual machine on the node's bridge for the VNI.
func (n *Node) VM(name string, v VNI, mac string, addr netip.Prefix) *VM {
	n.lab.Helper()
	m := &VM{Container: &Container{NS: n.lab.NS(name), MAC: mac, IPv4: addr.Addr(), On: n}}
	m.Sysctl("net/ipv6/conf/all/disable_ipv6", "1")
	m.Sysctl("net/ipv6/conf/default/disable_ipv6", "1")
	// Only eth0 answers for the address, not a cable that is not in use.
	m.Sysctl("net/ipv4/conf/all/arp_ignore", "1")
	m.IP("link", "add", "name", "eth0", "address", mac, "mtu", n.mtu(v), "type", "bridge", "mcast_snooping", "0")
	// A port that is always up keeps eth0's carrier.
	m.IP("link", "add", "name", "hold0", "master", "eth0", "up", "type", "veth", "peer", "name", "hold1")
	m.IP("link", "set", "hold1", "up")
	m.IP("link", "set", "eth0", "up")
	m.Addr("eth0", addr)
	c := m.Cable(n, v)
	c.Up()
	c.Use()
	return m
}

// Plugged returns the cable that the machine uses.
func (m *VM) Plugged() *Cable { return m.used }

// Cable connects the machine to the bridge of a node, which shows as a port
// that is down. The machine does not use it.
func (m *VM) Cable(to *Node, v VNI) *Cable {
	m.lab.Helper()
	m.cables++
	c := &Cable{On: to, Port: fmt.Sprintf("v-%s-%d", m.Short, m.cables), vm: m, inner: fmt.Sprintf("cable%d", m.cables)}
	mtu := to.mtu(v)
	to.IP("link", "add", "name", c.Port, "mtu", mtu, "master", v.Bridge(), "type", "veth",
		"peer", "name", c.inner, "mtu", mtu, "netns", m.Name)
	m.IP("link", "set", c.inner, "up")
	return c
}

// Up brings the node's port up, and waits until the bridge forwards over it
// and the machine's end has noticed.
func (c *Cable) Up() {
	c.vm.lab.Helper()
	c.On.IP("link", "set", c.Port, "up")
	c.On.Forwards(c.Port)
	c.vm.lab.Until(5*time.Second, c.inner+" is up", func() (bool, string) {
		out := c.vm.IP("-o", "link", "show", "dev", c.inner)
		return strings.Contains(out, "state UP"), out
	})
}

// Forwards waits until the bridge forwards over the port. A port that has just
// been set up does not until the kernel has looked at its link, and what comes
// in meanwhile is lost.
func (n *NS) Forwards(port string) {
	n.lab.Helper()
	n.lab.Until(5*time.Second, n.Short+" forwards over "+port, func() (bool, string) {
		out := n.Bridge("link", "show", "dev", port)
		return strings.Contains(out, "state forwarding"), out
	})
}

// Down takes the node's port down, as if the cable were pulled.
func (c *Cable) Down() {
	c.vm.lab.Helper()
	c.On.IP("link", "set", c.Port, "down")
}

// Use has the machine send and receive over this cable from now on, and not
// over the one before. Nothing passes for less than a millisecond.
func (c *Cable) Use() {
	m := c.vm
	m.lab.Helper()
	batch := ""
	if m.used != nil {
		batch = "link set " + m.used.inner + " nomaster\n"
	}
	batch += "link set " + c.inner + " master eth0\n"
	file := filepath.Join(m.Dir(), "batch")
	if err := m.lab.create(func() error { return os.WriteFile(file, []byte(batch), 0o644) }); err != nil {
		m.lab.Fatalf("lab: %v", err)
	}
	m.IP("-batch", file)
	m.used, m.On, m.Port = c, c.On, c.Port
}
