package containerlab

import (
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// Fabric is what must be true of a topology.
type Fabric struct {
	File     string   // beside this package
	vteps    []string // host number i begins behind VTEP number i
	address  string   // of VTEP number i
	sessions map[string]int
	tour     []int  // the VTEPs that h1 moves to, one after the other
	spare    string // a node without which all goes on
}

// Fabrics are all topologies.
var Fabrics = []Fabric{
	{
		File: "two-vteps.clab.yml", vteps: []string{"vtep1", "vtep2"}, address: "10.90.1.%d",
		sessions: map[string]int{"vtep1": 1, "vtep2": 1}, tour: []int{2, 1},
	},
	{
		File: "three-vteps.clab.yml", vteps: []string{"vtep1", "vtep2", "vtep3"}, address: "10.90.1.%d",
		sessions: map[string]int{"vtep1": 2, "vtep2": 2, "vtep3": 2}, tour: []int{2, 3, 1},
	},
	{
		File: "reflectors.clab.yml", vteps: []string{"vtep1", "vtep2", "vtep3"}, address: "10.90.1.%d",
		sessions: map[string]int{"rr1": 3, "rr2": 3, "vtep1": 2, "vtep2": 2, "vtep3": 2}, tour: []int{2, 3, 1}, spare: "rr1",
	},
	{
		File: "leaf-spine.clab.yml", vteps: []string{"leaf1", "leaf2", "leaf3"}, address: "10.255.0.%d",
		sessions: map[string]int{"spine1": 3, "spine2": 3, "leaf1": 2, "leaf2": 2, "leaf3": 2}, tour: []int{2, 3, 1}, spare: "spine1",
	},
}

// Hold holds a topology that runs to all that must be true of it.
func (f Fabric) Hold(l *lab.Lab, site Site) {
	l.Helper()
	v := newView(l, site, f)
	for node, n := range f.sessions {
		v.sessions(node, site.Topology().Nodes[node].Image == ImageFRR, n)
	}
	v.flooding()
	v.pings()
	v.kernels()
	v.agree()

	for _, i := range f.tour {
		v.move(v.hosts[0], v.vteps[i-1])
		v.kernels()
		v.agree()
	}
	v.pings()

	gone := v.vteps[1]
	v.nothing(gone, v.goodbye(gone))
	v.agree()
	if f.spare == "" {
		return
	}
	ping := v.hosts[0].StartPing(v.hosts[1].addr, 50*time.Millisecond)
	answers := func(more int) {
		want := ping.Answers() + more
		v.Until(patience, "answers to the ping", func() (bool, string) { return ping.Answers() >= want, ping.Output() })
	}
	answers(5)
	site.Stop(f.spare)
	answers(20)
	// A packet that is on the way through a spine goes with it.
	if r := ping.Stop(); r.Lost() > 2 {
		l.Errorf("%s has gone: %s, want at most 2 lost", f.spare, r.Summary)
	}
	v.flooding()
	v.agree()
}
