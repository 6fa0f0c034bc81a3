package containerlab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// patience is how long what should come about may take.
const patience = 20 * time.Second

// network is the VNI of all topologies.
var network = lab.VNI{VNI: 200}

// vtep is a VTEP of a topology.
type vtep struct {
	*lab.Node
	evpnd bool // or FRR
}

// host is a host of a topology.
type host struct {
	*lab.NS
	addr netip.Addr
	mac  string
	on   *vtep
}

// view is a topology that runs, as the assertions see it.
type view struct {
	*lab.Lab
	site  Site
	vteps []*vtep
	hosts []*host // number i begins behind VTEP number i
}

func newView(l *lab.Lab, site Site, f Fabric) *view {
	l.Helper()
	v := &view{Lab: l, site: site}
	for i, name := range f.vteps {
		n := &lab.Node{NS: site.NS(name), VTEP: netip.MustParseAddr(fmt.Sprintf(f.address, i+1))}
		v.vteps = append(v.vteps, &vtep{n, site.Topology().Nodes[name].Image == ImageVTEP})
		h := &host{NS: site.NS(fmt.Sprintf("h%d", i+1)), addr: netip.AddrFrom4([4]byte{172, 18, 0, byte(11 + i)}), on: v.vteps[i]}
		var links []struct {
			MAC string `json:"address"`
		}
		if err := json.Unmarshal([]byte(h.IP("-j", "link", "show", "dev", "eth1")), &links); err != nil {
			l.Fatalf("%s: %v", h.Short, err)
		}
		h.mac = links[0].MAC
		v.hosts = append(v.hosts, h)
	}
	return v
}

// ask decodes into out what a command on a node prints as JSON.
func (v *view) ask(out any, node string, args ...string) (bool, string) {
	v.Helper()
	text, err := v.site.Exec(node, args...)
	if err == nil {
		err = json.Unmarshal([]byte(text), out)
	}
	if err != nil {
		return false, fmt.Sprintf("%s: %q: %v\n%s", node, args, err, text)
	}
	return true, text
}

// sessions waits until the node has so many sessions, and all established.
func (v *view) sessions(node string, frr bool, want int) {
	v.Helper()
	v.Until(patience, fmt.Sprintf("%s has %d established sessions", node, want), func() (bool, string) {
		var states []string
		var ok bool
		var text string
		if frr {
			var sum struct {
				Peers map[string]struct {
					State string `json:"state"`
				} `json:"peers"`
			}
			ok, text = v.ask(&sum, node, "vtysh", "-c", "show bgp l2vpn evpn summary json")
			for _, p := range sum.Peers {
				states = append(states, strings.ToLower(p.State))
			}
		} else {
			var peers []lab.Peer
			ok, text = v.ask(&peers, node, "evpnctl", "peer", "list", "-o", "json")
			for _, p := range peers {
				states = append(states, p.State)
			}
		}
		return ok && len(states) == want && !slices.ContainsFunc(states, func(s string) bool { return s != "established" }), text
	})
}

// flooding waits until every VTEP floods to just the others, as their type-3
// routes say.
func (v *view) flooding() {
	v.Helper()
	for _, n := range v.vteps {
		var others []netip.Addr
		for _, o := range v.vteps {
			if o != n {
				others = append(others, o.VTEP)
			}
		}
		n.FloodsTo(network, others...)
		if !n.evpnd {
			continue
		}
		var routes []struct {
			Direction string     `json:"direction"`
			IP        netip.Addr `json:"ip"`
		}
		if ok, text := v.ask(&routes, n.Short, "evpnctl", "route", "list", "--type", "3", "-o", "json"); !ok {
			v.Fatalf("%s", text)
		}
		told := make(map[netip.Addr]bool)
		for _, r := range routes {
			if r.Direction == "received" {
				told[r.IP] = true
			}
		}
		if len(told) != len(others) || slices.ContainsFunc(others, func(a netip.Addr) bool { return !told[a] }) {
			v.Errorf("%s: type-3 routes of %v, want those of %v", n.Short, told, others)
		}
	}
}

// pings has every host reach every other one, and lose nothing once the first
// packet has come through.
func (v *view) pings() {
	v.Helper()
	for _, from := range v.hosts {
		for _, to := range v.hosts {
			if from == to {
				continue
			}
			from.Reach(to.addr, patience)
			if r := from.Ping(to.addr, 3, 20*time.Millisecond); r.Lost() != 0 || r.Transmitted != 3 {
				v.Errorf("%s to %s: %s", from.Short, to.Short, r.Summary)
			}
		}
	}
}

// kernels waits until the kernel of every VTEP has every host of the others
// behind its VTEP: with the entry of the VXLAN device, and that of the bridge.
func (v *view) kernels() {
	v.Helper()
	for _, n := range v.vteps {
		for _, h := range v.hosts {
			if h.on == n {
				continue
			}
			v.Until(patience, fmt.Sprintf("%s has %s behind %s", n.Short, h.Short, h.on.Short), func() (bool, string) {
				var self, bridge bool
				for _, e := range n.FDB(network.Device()) {
					mine := e.MAC == h.mac && slices.Contains(e.Flags, "extern_learn")
					self = self || mine && e.Dst == h.on.VTEP.String()
					bridge = bridge || mine && e.Master == network.Bridge()
				}
				return self && bridge, n.Bridge("fdb", "show", "dev", network.Device())
			})
		}
	}
}

// agree waits until what evpnctl says on a VTEP is what its kernel has: the
// same remote MACs, addresses of hosts and VTEPs to flood to, and the local
// MACs on the same ports.
func (v *view) agree() {
	v.Helper()
	for _, n := range v.vteps {
		if !n.evpnd {
			continue
		}
		v.Until(patience, n.Short+": evpnctl and the kernel say the same", func() (bool, string) {
			told, text := v.told(n)
			has := kernel(n)
			return text == "" && slices.Equal(told, has) && len(told) > 0,
				fmt.Sprintf("evpnctl: %s\n%s\nkernel:\n%s", text, strings.Join(told, "\n"), strings.Join(has, "\n"))
		})
	}
}

// told is what evpnctl says of the VNI, a line each, or why it says nothing.
func (v *view) told(n *vtep) (lines []string, problem string) {
	var macs []lab.MAC
	var neighbors []struct {
		IP     netip.Addr `json:"ip"`
		MAC    string     `json:"mac"`
		Origin string     `json:"origin"`
		State  string     `json:"state"`
	}
	var vteps []struct {
		Address string `json:"address"`
	}
	for what, out := range map[string]any{"mac": &macs, "neighbor": &neighbors, "vtep": &vteps} {
		if ok, text := v.ask(out, n.Short, "evpnctl", what, "list", "--vni", fmt.Sprint(network.VNI), "-o", "json"); !ok {
			return nil, text
		}
	}
	for _, m := range macs {
		if m.Origin == "local" {
			lines = append(lines, fmt.Sprintf("%s at %s", m.MAC, m.Interface))
		} else {
			lines = append(lines, fmt.Sprintf("%s behind %s", m.MAC, m.VTEP))
		}
	}
	for _, a := range neighbors {
		if a.Origin == "remote" {
			lines = append(lines, fmt.Sprintf("%v is %s", a.IP, a.MAC))
		}
	}
	for _, a := range vteps {
		lines = append(lines, "flood to "+a.Address)
	}
	slices.Sort(lines)
	return lines, ""
}

// kernel is the same as bridge and ip show it.
func kernel(n *vtep) (lines []string) {
	for _, e := range n.FDB(network.Device()) {
		switch {
		case e.Dst == "":
		case e.MAC == "00:00:00:00:00:00":
			lines = append(lines, "flood to "+e.Dst)
		default:
			lines = append(lines, fmt.Sprintf("%s behind %s", e.MAC, e.Dst))
		}
	}
	for _, port := range n.ports() {
		for _, e := range n.FDB(port) {
			// The other entries are the port's own address.
			if e.Master == network.Bridge() && e.State == "" {
				lines = append(lines, fmt.Sprintf("%s at %s", e.MAC, port))
			}
		}
	}
	for _, e := range n.Neighbors(network.Bridge()) {
		if e.ExternLearned() {
			lines = append(lines, fmt.Sprintf("%v is %s", e.IP, e.MAC))
		}
	}
	slices.Sort(lines)
	return lines
}

// ports returns the ports of the VNI's bridge to hosts.
func (n *vtep) ports() (names []string) {
	for line := range strings.Lines(n.IP("-br", "link", "show", "master", network.Bridge())) {
		name, _, _ := strings.Cut(strings.Fields(line)[0], "@")
		if name != network.Device() {
			names = append(names, name)
		}
	}
	return names
}

// move takes the host's cable out of its VTEP and puts it into another one.
// The host keeps its addresses and says nothing until it has something to
// send.
func (v *view) move(h *host, to *vtep) {
	v.Helper()
	h.on.IP("link", "set", h.Short, "netns", to.Name)
	to.IP("link", "set", h.Short, "master", network.Bridge(), "up")
	h.on = to
	for _, other := range v.hosts {
		if other != h {
			h.Reach(other.addr, patience)
		}
	}
}

// goodbye has the daemon of a VTEP tell its peers that it goes for good, ends
// the node, and takes it and its hosts, which it returns, out of the view.
func (v *view) goodbye(n *vtep) (hosts []*host) {
	v.Helper()
	if !n.evpnd {
		v.Fatalf("%s runs FRR, which cannot be told", n.Short)
	}
	if out, err := v.site.Exec(n.Short, "evpnctl", "shutdown", "--withdraw"); err != nil {
		v.Fatalf("%s: %v\n%s", n.Short, err, out)
	}
	v.site.Stop(n.Short)
	i := slices.Index(v.vteps, n)
	v.vteps = slices.Delete(v.vteps, i, i+1)
	v.hosts = slices.DeleteFunc(v.hosts, func(h *host) bool {
		if h.on == n {
			hosts = append(hosts, h)
		}
		return h.on == n
	})
	return hosts
}

// nothing waits until no VTEP has anything left of one that has gone, nor of
// the hosts that were behind it.
func (v *view) nothing(gone *vtep, hosts []*host) {
	v.Helper()
	left := func(line string) bool {
		return strings.Contains(line+" ", gone.VTEP.String()+" ") ||
			slices.ContainsFunc(hosts, func(h *host) bool { return strings.Contains(line, h.mac) })
	}
	for _, n := range v.vteps {
		v.Until(patience, fmt.Sprintf("%s has nothing left of %s", n.Short, gone.Short), func() (bool, string) {
			has := kernel(n)
			if slices.ContainsFunc(has, left) {
				return false, "kernel:\n" + strings.Join(has, "\n")
			}
			if !n.evpnd {
				return true, ""
			}
			told, problem := v.told(n)
			return problem == "" && !slices.ContainsFunc(told, left), problem + "evpnctl:\n" + strings.Join(told, "\n")
		})
	}
}
