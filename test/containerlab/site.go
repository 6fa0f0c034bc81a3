package containerlab

import (
	"os"
	"strconv"
	"strings"

	"github.com/evpnd/evpnd/test/lab"
)

// Site is a topology that runs.
type Site interface {
	Topology() *Topology
	// NS returns the network namespace of a node.
	NS(node string) *lab.NS
	// Exec runs a command as a person would on the node, and returns what it
	// printed: evpnctl, vtysh, ping.
	Exec(node string, args ...string) (string, error)
	// Stop ends what runs on the node, which is told nothing, and its links
	// go with it.
	Stop(node string)
}

// connect makes the links of a topology between namespaces.
func connect(l *lab.Lab, t *Topology, ns func(string) *lab.NS) {
	l.Helper()
	for _, link := range t.Links {
		a, b := link.ends()
		mtu := strconv.Itoa(link.MTU)
		ns(a.node).IP("link", "add", "name", a.dev, "mtu", mtu, "type", "veth", "peer", "name", b.dev, "mtu", mtu, "netns", ns(b.node).Name)
		ns(a.node).IP("link", "set", a.dev, "up")
		ns(b.node).IP("link", "set", b.dev, "up")
	}
}

// namespaces is a topology without containers: each node is a namespace, and
// its daemons run beside the test.
type namespaces struct {
	*lab.Lab
	topology *Topology
	nodes    map[string]*lab.NS
	evpnd    map[string]*lab.Evpnd
	frr      map[string]*lab.FRR
}

// InNamespaces runs a topology in network namespaces of the lab. As in
// containerlab daemons start first, then the links come, and then the
// commands of exec.
func InNamespaces(l *lab.Lab, t *Topology) Site {
	l.Helper()
	s := &namespaces{
		Lab: l, topology: t,
		nodes: make(map[string]*lab.NS), evpnd: make(map[string]*lab.Evpnd), frr: make(map[string]*lab.FRR),
	}
	for name, n := range t.Nodes {
		ns := l.NS(name)
		s.nodes[name] = ns
		for key, value := range n.Sysctls {
			ns.Sysctl(strings.ReplaceAll(key, ".", "/"), value)
		}
		switch n.Image {
		case ImageVTEP:
			s.evpnd[name] = ns.Evpnd(s.config(name, "/etc/evpnd/evpnd.yaml"))
		case ImageFRR:
			s.frr[name] = ns.FRR(s.config(name, "/etc/frr/frr.conf"))
		}
	}
	connect(l, t, s.NS)
	for name, n := range t.Nodes {
		for _, c := range n.Exec {
			s.nodes[name].Must(strings.Fields(c)...)
		}
	}
	return s
}

func (s *namespaces) config(node, path string) string {
	s.Helper()
	b, err := os.ReadFile(s.topology.bound(node, path))
	if err != nil {
		s.Fatalf("%s: its %s: %v", node, path, err)
	}
	return string(b)
}

func (s *namespaces) Topology() *Topology { return s.topology }

func (s *namespaces) NS(node string) *lab.NS { return s.nodes[node] }

func (s *namespaces) Exec(node string, args ...string) (string, error) {
	s.Helper()
	switch args[0] {
	case "evpnctl":
		return s.evpnd[node].Try(args[1:]...)
	case "vtysh":
		return s.frr[node].Shell(args[1:]...)
	}
	return s.nodes[node].Run(args...)
}

func (s *namespaces) Stop(node string) {
	s.Helper()
	if e := s.evpnd[node]; e != nil {
		e.Crash()
	}
	if f := s.frr[node]; f != nil {
		f.BGPd.Crash()
		f.Zebra.Crash()
	}
	// All links go at once, as with a machine: over one that went later packets
	// would still come that the node cannot pass on.
	const gone = "1"
	for _, l := range s.topology.Links {
		a, b := l.ends()
		if b.node == node {
			a = b
		}
		if a.node == node {
			// That of a neighbor that has gone is not there any more.
			_, _ = s.nodes[node].Run("ip", "link", "set", "dev", a.dev, "group", gone)
		}
	}
	_, _ = s.nodes[node].Run("ip", "link", "del", "group", gone)
}
