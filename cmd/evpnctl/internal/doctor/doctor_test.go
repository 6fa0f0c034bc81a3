package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

var vtep, other = netip.MustParseAddr("172.30.0.1"), netip.MustParseAddr("10.90.0.2")

// ward is a host of one VNI with nothing wrong: an underlay with a peer, a
// VTEP address on the loopback interface, a bridge, a VXLAN device, a port.
func ward(l *lab.Lab, name string) *lab.NS {
	n, far := l.NS(name), l.NS(name+"-far")
	l.Link(n, "eth0", far, "eth0")
	n.Addr("lo", netip.PrefixFrom(vtep, 32))
	n.Addr("eth0", netip.MustParsePrefix("10.90.0.1/24"))
	for _, key := range []string{"net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables", "net.bridge.bridge-nf-call-arptables"} {
		// Where the kernel has no br_netfilter there is nothing to set.
		_, _ = n.Run("sysctl", "-qw", key+"=0")
	}
	for _, c := range []string{
		"ip link add br200 type bridge", "ip link set br200 up",
		"ip link add vxlan200 type vxlan id 200 dstport 4789 local 172.30.0.1 nolearning",
		"ip link set vxlan200 mtu 1450 master br200 up", "bridge link set dev vxlan200 learning off neigh_suppress on",
		"ip link add tap0 mtu 1450 type veth peer tap1", "ip link set tap0 master br200 up",
	} {
		n.Must("sh", "-c", c)
	}
	return n
}

// examine reads a namespace. Whether the clock of this machine is right is
// none of its business.
func examine(t *testing.T, n *lab.NS, w Expected) (out []Finding) {
	t.Helper()
	var h *Host
	if err := n.Do(func() (err error) {
		h, err = Read(w)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, f := range Examine(h) {
		if f.Check != "clock" {
			out = append(out, f)
		}
	}
	return out
}

func names(fs []Finding) (out []string) {
	for _, f := range fs {
		out = append(out, f.Check)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Each fault that can be made in a namespace is found, as what it is and with
// no other; its command runs as it is printed, and then nothing is found.
func TestFaultsAndFixes(t *testing.T) {
	lab.Need(t, lab.Namespaces)
	l := lab.New(t)
	full := Expected{Config: topology.Config{VTEP: vtep}, Others: []netip.Addr{other}, VNIs: []evpn.VNI{200}}
	for i, c := range []struct {
		fault    string // shell
		expected Expected
		check    string
		object   string
		also     []string // checks that see the same fault
	}{
		{"ip link del vxlan200", Expected{Config: full.Config, Others: full.Others}, "no-vxlan", "", nil},
		{"ip link del vxlan200", full, "vni-missing", "vni 200", nil},
		{"ip link set vxlan200 nomaster", full, "no-bridge", "device vxlan200", nil},
		{"ip link del br200", full, "no-bridge", "device vxlan200", nil},
		{"ip link set vxlan200 down", full, "device-down", "device vxlan200", nil},
		{"ip link set br200 down", full, "device-down", "device br200", nil},
		{"ip link add second type vxlan id 200 dstport 4790 local 172.30.0.1 nolearning", full, "duplicate-vni", "device second", []string{"no-bridge", "device-down", "vxlan-port", "underlay-mtu"}},
		{
			"ip link del vxlan200; ip link add vxlan200 type vxlan id 200 dstport 4789 nolearning; ip link set vxlan200 mtu 1450 master br200 up; bridge link set dev vxlan200 learning off neigh_suppress on",
			Expected{Others: full.Others},
			"no-local", "device vxlan200", nil,
		},
		{"ip addr add 172.30.0.9/32 dev lo; ip link set vxlan200 type vxlan local 172.30.0.9", full, "local-differs", "device vxlan200", nil},
		{"ip addr del 172.30.0.1/32 dev lo", full, "local-missing", "device vxlan200", nil},
		{
			"ip link del vxlan200; ip link add vxlan200 type vxlan id 200 dstport 0 local 172.30.0.1 nolearning; ip link set vxlan200 mtu 1450 master br200 up; bridge link set dev vxlan200 learning off neigh_suppress on",
			full, "vxlan-port", "device vxlan200", nil,
		},
		{"ip link set vxlan200 type vxlan learning", full, "vxlan-learning", "device vxlan200", nil},
		{"bridge link set dev vxlan200 learning on", full, "port-learning", "device vxlan200", nil},
		{"bridge link set dev vxlan200 neigh_suppress off", full, "neigh-suppress", "device vxlan200", nil},
		{"ip link set vxlan200 mtu 1500; ip link set tap0 mtu 1500", full, "underlay-mtu", "device vxlan200", nil},
		{"ip link set eth0 mtu 1400", full, "underlay-mtu", "device vxlan200", nil},
		{"ip link set tap0 mtu 9000", full, "port-mtu", "device tap0", nil},
		{"sysctl -qw net.ipv4.conf.all.rp_filter=1", full, "rp-filter", "device eth0", nil},
		{"sysctl -qw net.ipv4.conf.eth0.rp_filter=1", full, "rp-filter", "device eth0", nil},
		{"sysctl -qw net.bridge.bridge-nf-call-iptables=1", full, "bridge-nf", "net.bridge.bridge-nf-call-iptables", nil},
	} {
		n := ward(l, fmt.Sprintf("w%d", i))
		if fs := examine(t, n, c.expected); len(fs) != 0 {
			t.Fatalf("a host with nothing wrong: %+v", fs)
		}
		if c.check == "bridge-nf" {
			if out, _ := n.Run("sh", "-c", "ls /proc/sys/net/bridge"); !strings.Contains(out, "bridge-nf-call-iptables") {
				t.Log("bridge-nf is not tried: the kernel has no br_netfilter")
				continue
			}
		}
		n.Must("sh", "-c", c.fault)
		found := examine(t, n, c.expected)
		want := append([]string{c.check}, c.also...)
		slices.Sort(want)
		at := slices.IndexFunc(found, func(f Finding) bool { return f.Check == c.check && f.Object == c.object })
		if at < 0 || !slices.Equal(names(found), want) {
			t.Errorf("%s: found %+v, want %s at %q and no other than %v", c.fault, found, c.check, c.object, want)
			continue
		}
		if f := found[at]; f.Text == "" || f.Effect == "" || len(f.Fix) == 0 {
			t.Errorf("%s says too little: %+v", c.check, f)
		}
		// The fault's own command first, then whatever is still found, as an
		// operator would who looks again.
		for round := 0; len(found) > 0; round++ {
			if round == 3 {
				t.Errorf("%s: after the commands there still is %+v", c.fault, found)
				break
			}
			f := found[0]
			if round == 0 {
				f = found[at]
			}
			for _, cmd := range f.Fix {
				if out, err := n.Run("sh", "-c", cmd); err != nil {
					t.Errorf("%s: the command %q fails: %v\n%s", c.check, cmd, err, out)
				}
			}
			found = examine(t, n, c.expected)
			if slices.ContainsFunc(found, func(f Finding) bool { return f.Check == c.check && f.Object == c.object }) {
				t.Errorf("%s: the fault is still found after its commands", c.check)
			}
		}
	}
}

// An evpnd without its capabilities is found, and the command gives it them.
func TestCapabilities(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Setpriv, lab.Setcap, lab.Users)
	l := lab.New(t)
	n := ward(l, "caps")
	const nobody = 65534
	dir := n.Dir()
	exe, config := filepath.Join(dir, "evpnd"), filepath.Join(dir, "caps.yaml")
	b, err := os.ReadFile(lab.Binary(t, "evpnd"))
	if err == nil {
		err = os.WriteFile(exe, b, 0o755)
	}
	if err == nil {
		err = os.WriteFile(config, []byte("bgp: {asn: 65000, router-id: 172.30.0.1, listen: none}\napi: {listen: none}\nstate: {directory: /nonexistent}\n"), 0o644)
	}
	for d := dir; err == nil && d != "/" && d != "/tmp"; d = filepath.Dir(d) {
		err = os.Chmod(d, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	start := func() *lab.Proc {
		return n.Start("evpnd", "setpriv", "--reuid", fmt.Sprint(nobody), "--regid", fmt.Sprint(nobody), "--clear-groups", exe, "--config", config)
	}
	runs := func(p *lab.Proc) {
		t.Helper()
		l.Until(10*time.Second, "evpnd runs", func() (bool, string) {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.Pid()))
			return strings.TrimSpace(string(comm)) == "evpnd" && p.Output() != "", p.Output()
		})
	}
	p := start()
	runs(p)
	fs := examine(t, n, Expected{})
	if len(fs) != 1 || fs[0].Check != "capabilities" || fs[0].Object != fmt.Sprintf("process %d (evpnd)", p.Pid()) || !strings.Contains(fs[0].Text, "CAP_NET_ADMIN and CAP_NET_RAW") {
		t.Fatalf("found %+v", fs)
	}
	for _, cmd := range fs[0].Fix {
		if out, err := n.Run("sh", "-c", cmd); err != nil {
			t.Fatalf("the command %q fails: %v\n%s", cmd, err, out)
		}
	}
	l.Until(10*time.Second, "evpnd has ended", func() (bool, string) { return !p.Running(), p.Output() })
	p = start()
	runs(p)
	if fs := examine(t, n, Expected{}); len(fs) != 0 {
		t.Errorf("after the command: %+v", fs)
	}
	p.Signal(syscall.SIGTERM)
}

// A process that calls itself evpnd and runs what others than root can change is
// to be given nothing: the command would hand its owner the host's network.
func TestCapabilitiesAreNotForAnybody(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Setpriv)
	l := lab.New(t)
	n := ward(l, "liar")
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(sleep)
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(file, dir string) error{
		"owned by another":   func(file, _ string) error { return os.Chown(file, 65534, 65534) },
		"writable by all":    func(file, _ string) error { return os.Chmod(file, 0o777) },
		"in a folder of all": func(_, dir string) error { return os.Chmod(dir, 0o777) },
	} {
		dir := filepath.Join(n.Dir(), strings.ReplaceAll(name, " ", "-"))
		file := filepath.Join(dir, "evpnd")
		if err := errors.Join(os.Mkdir(dir, 0o755), os.WriteFile(file, b, 0o755), spoil(file, dir)); err != nil {
			t.Fatal(err)
		}
		p := n.Start("evpnd", "setpriv", "--inh-caps", "-all", "--bounding-set", "-all", file, "60")
		var fs []Finding
		l.Until(10*time.Second, "the process is found", func() (bool, string) {
			fs = examine(t, n, Expected{})
			return len(fs) == 1 && fs[0].Check == "capabilities", fmt.Sprintf("%+v", fs)
		})
		if len(fs[0].Fix) != 0 {
			t.Errorf("%s: the commands are %q, want none", name, fs[0].Fix)
		}
		p.Signal(syscall.SIGKILL)
		l.Until(10*time.Second, "it has ended", func() (bool, string) { return !p.Running(), "" })
	}
}

// What no namespace has of its own is tried on facts: the neighbor tables'
// limits and the clock are the whole machine's.
func TestMachine(t *testing.T) {
	h := &Host{ClockSync: true, View: topology.NewView(nil, nil), Expected: Expected{VNIs: []evpn.VNI{1}, Config: topology.Config{Declared: []topology.Declared{{VNI: 1}}}}, Neighbors: map[string]int{"ipv4": 800, "ipv6": 799}}
	h.Sysctls = map[string]string{limitIPv4: "1000", "net/ipv6/neigh/default/gc_thresh3": "1000"}
	fs := Examine(h)
	if len(fs) != 1 || fs[0].Check != "neigh-table" || fs[0].Severity != Warning {
		t.Fatalf("found %+v", fs)
	}
	set := regexp.MustCompile(`net\.ipv4\.neigh\.default\.gc_thresh3=(\d+)`).FindStringSubmatch(fs[0].Fix[0])
	if len(set) != 2 {
		t.Fatalf("the command %q sets no gc_thresh3", fs[0].Fix[0])
	}
	h.Neighbors["ipv4"] = 1000
	if fs := Examine(h); len(fs) != 1 || fs[0].Severity != Error {
		t.Errorf("a full table: %+v", fs)
	}
	if h.Sysctls[limitIPv4] = set[1]; len(Examine(h)) != 0 {
		t.Errorf("with the limit that the command sets: %+v", Examine(h))
	}
	h.ClockSync = false
	if fs := Examine(h); len(fs) != 1 || fs[0].Check != "clock" || fs[0].Severity != Note {
		t.Errorf("found %+v", fs)
	}
}

// The names of devices are whatever somebody gave them.
func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"vxlan200": "vxlan200", "a;reboot": "'a;reboot'", "it's": `'it'\''s'`, "": "''", "$(x)": "'$(x)'"} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) is %s, want %s", in, got, want)
		}
	}
}

func TestLoadExpected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "evpnd.yaml")
	text := "bgp: {asn: 65000, peers: [{address: 10.90.0.2, asn: 65000}, {address: fe80::1, interface: eth0, asn: 1}]}\n" +
		"vtep: {address: 172.30.0.1}\nvnis: {flood: true, select: [7, 100-199, \"vx*\"], settings: [{vni: 200}, {vni: 201, create: {}}]}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	w, err := LoadExpected(path)
	if err != nil || w.VTEP != vtep || len(w.Others) != 2 || w.Others[0] != other || !slices.Equal(w.VNIs, []evpn.VNI{200, 201}) || w.declares(200) || !w.declares(201) ||
		!slices.Equal(w.Select.Ranges, []topology.Range{{First: 7, Last: 7}, {First: 100, Last: 199}}) || !slices.Equal(w.Select.Devices, []string{"vx*"}) {
		t.Errorf("%+v, %v", w, err)
	}
	if err := os.WriteFile(path, []byte("bgp: [\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadExpected(path); err == nil || !strings.Contains(err.Error(), "evpnd --check") {
		t.Errorf("a file that is no YAML: %v", err)
	}
	if _, err := LoadExpected(path + ".none"); err == nil {
		t.Error("a file that is not there is no error")
	}
}

func selected(s topology.Select, d ...topology.Declared) Expected {
	return Expected{Config: topology.Config{Select: s, Declared: d}}
}

// Devices that evpnd does not serve are none of its doctor's business.
func TestOthersDevices(t *testing.T) {
	flannel := kernel.Link{Index: 1, Name: "flannel.1", Kind: "vxlan", MTU: 1450, VXLAN: &kernel.VXLAN{VNI: 1, Port: 8472, Learning: true}}
	for _, c := range []struct {
		expected Expected
		want     bool
	}{
		{Expected{}, true},
		{selected(topology.Select{Devices: []string{"vxlan*"}}), false},
		{selected(topology.Select{Ranges: []topology.Range{{First: 100, Last: 199}}}), false},
		{selected(topology.Select{Ranges: []topology.Range{{First: 1, Last: 1}}}), true},
		{selected(topology.Select{Devices: []string{"flannel.?"}}), true},
		{selected(topology.Select{Devices: []string{"x"}}, topology.Declared{VNI: 1}), true},
	} {
		h := &Host{ClockSync: true, Expected: c.expected, View: topology.NewView([]kernel.Link{flannel}, nil)}
		found := slices.ContainsFunc(Examine(h), func(f Finding) bool { return f.Object == "device flannel.1" })
		if found != c.want {
			t.Errorf("%+v: the device is looked at: %v, want %v", c.expected, found, c.want)
		}
	}
}

// The page for users has a row for each check, and no other.
func TestPage(t *testing.T) {
	b, err := os.ReadFile("../../../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, host, ok := strings.Cut(string(b), "## Checks of the host")
	host, _, ok2 := strings.Cut(host, "## Checks of the fabric")
	if !ok || !ok2 {
		t.Fatal("the page has no sections for the host and the fabric")
	}
	var got, want []string
	for line := range strings.Lines(host) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && strings.HasPrefix(cells[1], " `") {
			got = append(got, strings.Trim(cells[1], " `")+": "+strings.TrimSpace(cells[2]))
		}
	}
	for _, c := range Checks {
		want = append(want, c.Name+": "+c.Looks)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
