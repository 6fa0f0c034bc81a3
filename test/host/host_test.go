// Package host tests one evpnd on one host, on the real kernel and as an
// operator meets it: what it makes of devices that come, go and change, of a
// configuration that changes, and of what is wrong with the host. It needs no
// BGP peer.
package host

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

const minimal = `bgp:
  asn: 65000
  router-id: 172.30.0.1
  listen: 127.0.0.1
vtep:
  address: 172.30.0.1
`

// host is a namespace with a VTEP address on its loopback interface.
type host struct {
	*lab.Lab
	*lab.NS
	t *testing.T
}

func newHost(t *testing.T) *host {
	t.Helper()
	lab.Need(t, lab.Namespaces)
	l := lab.New(t)
	h := &host{Lab: l, NS: l.NS("h1"), t: t}
	h.NS.Addr("lo", netip.MustParsePrefix("172.30.0.1/32"))
	return h
}

func (h *host) Dir() string { return h.NS.Dir() }

// addVNI makes a bridge and a VXLAN device that is a port of it.
func (h *host) addVNI(dev, bridge, vni string, opts ...string) {
	h.t.Helper()
	h.IP("link", "add", bridge, "type", "bridge")
	h.IP(append([]string{"link", "add", dev, "type", "vxlan", "id", vni, "dstport", "4789", "local", "172.30.0.1"}, opts...)...)
	h.IP("link", "set", dev, "master", bridge, "up")
	h.IP("link", "set", bridge, "up")
}

// shows waits until what evpnctl prints has all of the words on one line.
func (h *host) shows(e *lab.Evpnd, args string, words ...string) {
	h.t.Helper()
	h.Until(5*time.Second, "evpnctl "+args+" shows "+strings.Join(words, ", "), func() (bool, string) {
		out, _ := e.Try(strings.Fields(args)...)
		for line := range strings.Lines(out) {
			if hasAll(line, words) {
				return true, ""
			}
		}
		return false, out
	})
}

func hasAll(line string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(line, w) {
			return false
		}
	}
	return true
}

// hides waits until no line has all of the words any more.
func (h *host) hides(e *lab.Evpnd, args string, words ...string) {
	h.t.Helper()
	h.Until(5*time.Second, "evpnctl "+args+" does not show "+strings.Join(words, ", "), func() (bool, string) {
		out, err := e.Try(strings.Fields(args)...)
		for line := range strings.Lines(out) {
			if hasAll(line, words) {
				return false, out
			}
		}
		return err == nil, out
	})
}

// link waits until what the kernel says of a device has all of the words.
func (h *host) link(dev string, words ...string) {
	h.t.Helper()
	h.Until(5*time.Second, dev+" is "+strings.Join(words, ", "), func() (bool, string) {
		out, err := h.Run("ip", "-d", "link", "show", dev)
		return err == nil && hasAll(strings.ReplaceAll(out, "\n", " "), words), out
	})
}

func (h *host) noLink(dev string) {
	h.t.Helper()
	h.Until(5*time.Second, dev+" is gone", func() (bool, string) {
		out, err := h.Run("ip", "link", "show", dev)
		return err != nil, out
	})
}

// Devices are followed while evpnd runs, whatever happens to them.
func TestDevicesAreFollowed(t *testing.T) {
	h := newHost(t)
	e := h.Evpnd(minimal)
	h.addVNI("vx", "br0", "200")
	h.shows(e, "vni list", "200", "vx", "br0", "served")
	h.shows(e, "route list --advertised", "[3]:[0]:[32]:[172.30.0.1]", "172.30.0.1:200")
	h.link("vx", "learning off", "neigh_suppress on", "nolearning")

	h.IP("link", "set", "vx", "down")
	h.shows(e, "vni list", "200", "not served", "down")
	h.IP("link", "set", "vx", "name", "renamed")
	h.IP("link", "set", "renamed", "up")
	h.shows(e, "vni list", "200", "renamed", "served")

	h.IP("link", "set", "renamed", "nomaster")
	h.shows(e, "vni list", "200", "not served", "ip link set renamed master")
	h.shows(e, "status", "no-bridge", "vni 200")
	h.hides(e, "route list --advertised", "172.30.0.1:200")
	h.IP("link", "set", "renamed", "master", "br0")
	h.shows(e, "vni list", "200", "served")
	h.hides(e, "status", "no-bridge")

	// The same name with another VNI.
	h.IP("link", "del", "renamed")
	h.hides(e, "vni list", "200")
	h.IP("link", "add", "renamed", "type", "vxlan", "id", "300", "dstport", "4789", "local", "172.30.0.1")
	h.IP("link", "set", "renamed", "master", "br0", "up")
	h.shows(e, "vni list", "300", "renamed", "served")
	h.shows(e, "route list --advertised", "172.30.0.1:300")
}

// A flag that somebody sets wrongly is set right, and one that evpnd cannot
// set is told with what to do.
func TestWrongFlags(t *testing.T) {
	h := newHost(t)
	e := h.Evpnd(minimal)
	h.addVNI("vx", "br0", "200", "learning")
	h.link("vx", "learning off", "neigh_suppress on", "nolearning")
	h.Bridge("link", "set", "dev", "vx", "learning", "on", "neigh_suppress", "off")
	h.link("vx", "learning off", "neigh_suppress on")

	h.IP("link", "add", "vx2", "type", "vxlan", "id", "201", "dstport", "4789", "local", "172.30.0.1", "remote", "192.0.2.1")
	h.IP("link", "add", "br1", "type", "bridge")
	h.IP("link", "set", "vx2", "master", "br1", "up")
	h.IP("link", "set", "br1", "up")
	h.shows(e, "status", "192.0.2.1", "remote")
}

// VNIs that are declared are made, with the right flags, and removed when
// they are not declared any more. What others made stays.
func TestDeclaredVNIs(t *testing.T) {
	h := newHost(t)
	h.IP("link", "add", "mine", "type", "bridge")
	h.addVNI("vxlan300", "br300", "300")
	declared := minimal + `vnis:
  settings:
    - {vni: 200, create: {}}
    - {vni: 201, create: {bridge: mine, device: tunnel, port: 8472}}
    - {vni: 300, create: {}}
`
	e := h.Evpnd(declared)
	for _, vni := range []string{"200", "201", "300"} {
		h.shows(e, "vni list", vni, "served")
	}
	h.link("vxlan200", "vxlan id 200", "local 172.30.0.1", "dstport 4789", "nolearning", "master br200", "learning off", "neigh_suppress on")
	h.link("tunnel", "vxlan id 201", "dstport 8472", "master mine")
	for vni, made := range map[string]string{"200": "yes", "201": "yes", "300": "no"} {
		h.shows(e, "vni show "+vni, "made by evpnd", made)
	}

	// After a restart it still knows what it made.
	if err := e.Stop(); err != nil {
		t.Fatalf("evpnd ended with %v", err)
	}
	h.link("vxlan200", "vxlan id 200")
	e.Restart()
	h.shows(e, "vni show 200", "made by evpnd", "yes")
	e.Reload(minimal)
	h.noLink("vxlan200")
	h.noLink("br200")
	h.noLink("tunnel")
	h.link("mine", "bridge")
	h.link("vxlan300", "vxlan id 300", "master br300")
	h.shows(e, "vni list", "300", "served")
}

// Which VNIs are served can be restricted, also while it runs.
func TestSelect(t *testing.T) {
	h := newHost(t)
	h.addVNI("vx200", "br200", "200")
	h.addVNI("vx300", "br300", "300")
	h.addVNI("other", "br400", "400")
	e := h.Evpnd(minimal + "vnis: {select: [100-299, other]}\n")
	h.shows(e, "vni list", "200", "served")
	h.shows(e, "vni list", "400", "served")
	h.shows(e, "vni list", "300", "not served", "select")
	e.Reload(minimal + "vnis: {select: [300]}\n")
	h.shows(e, "vni list", "300", "served")
	h.shows(e, "vni list", "200", "not served")
	h.hides(e, "route list --advertised", "172.30.0.1:200")
}

// Targets and route distinguishers follow the configuration.
func TestTargetsFollowReload(t *testing.T) {
	h := newHost(t)
	h.addVNI("vx", "br0", "200")
	e := h.Evpnd(minimal)
	h.shows(e, "vni show 200", "rd", "172.30.0.1:200")
	h.shows(e, "vni show 200", "import", "*:200")
	h.shows(e, "vni show 200", "export", "65000:200")
	e.Reload(minimal + "vnis: {targets: rfc8365}\n")
	h.shows(e, "vni show 200", "export", "65000:268435656")
	e.Reload(minimal + "vnis:\n  settings:\n    - {vni: 200, rd: '9:9', import: ['1:1', '*:7'], export: ['2:2']}\n")
	h.shows(e, "vni show 200", "rd", "9:9")
	h.shows(e, "vni show 200", "import", "1:1", "*:7")
	h.shows(e, "route list --advertised", "9:9 [3]")
	h.hides(e, "route list --advertised", "172.30.0.1:200")
}

// awaitLog waits until a program has printed the text.
func (h *host) awaitLog(p *lab.Proc, text string) {
	h.t.Helper()
	h.Until(10*time.Second, p.Name+" prints "+text, func() (bool, string) {
		return strings.Contains(p.Output(), text), p.Output()
	})
}
