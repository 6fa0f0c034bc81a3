package linux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netns"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

func netnsName() string { return fmt.Sprintf("evpnd-nl-%d", os.Getpid()) }

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inNetns opens a new network namespace with br0, vx0 (VNI 200) and p0.
func inNetns(t testing.TB) (*Kernel, func(string, ...string) string) {
	t.Helper()
	name := netnsName()
	if out, err := exec.Command("ip", "netns", "add", name).CombinedOutput(); err != nil {
		t.Skipf("SKIP: needs the right to make network namespaces (root, iproute2): %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
	run := func(cmd string, args ...string) string {
		t.Helper()
		out, err := exec.Command(cmd, append([]string{"-n", name}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v: %s", cmd, args, err, out)
		}
		return string(out)
	}
	run("ip", "link", "add", "br0", "type", "bridge")
	run("ip", "link", "add", "vx0", "type", "vxlan", "id", "200", "local", "172.30.0.1", "dstport", "4789")
	run("ip", "link", "add", "p0", "type", "veth", "peer", "name", "p0h")
	for _, dev := range []string{"vx0", "p0"} {
		run("ip", "link", "set", dev, "master", "br0", "up")
	}
	run("ip", "link", "set", "br0", "up")
	var k *Kernel
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		ns, err := netns.GetFromName(name)
		if err == nil {
			defer ns.Close()
			err = netns.Set(ns)
		}
		if err == nil {
			k, err = Open()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k, run
}

func linkOf(t testing.TB, k *Kernel, name string) kernel.Link {
	t.Helper()
	links, err := k.Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("no device %s in %+v", name, links)
	return kernel.Link{}
}

func remote(vx, i int) kernel.Op {
	return kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
		Family: kernel.Bridge, Ifindex: vx, State: kernel.NoARP | kernel.Reachable,
		Flags: kernel.Self | kernel.Master | kernel.ExtLearned,
		MAC:   evpn.MAC{2, 0, 0, 0, byte(i >> 8), byte(i)}, IP: netip.AddrFrom4([4]byte{172, 30, 0, 2}),
	}}
}

// TestWriteErrors has some messages of a batch fail, the first and the last
// among them: each error is at its op, and the others are done.
func TestWriteErrors(t *testing.T) {
	k, _ := inNetns(t)
	vx := linkOf(t, k, "vx0").Index
	const n = 300 // more than two batches
	ops, errs := make([]kernel.Op, n), make([]error, n)
	want := make([]error, n)
	for i := range ops {
		ops[i] = remote(vx, i)
	}
	for _, i := range []int{0, 127, 128, 200, n - 1} {
		ops[i].Ifindex, want[i] = 9999, syscall.ENODEV
	}
	ops[5].IP, want[5] = netip.MustParseAddr("2001:db8::1"), syscall.EAFNOSUPPORT
	ops[6].State, want[6] = kernel.Stale, syscall.EINVAL
	ops[7].Verb, want[7] = kernel.Delete, syscall.ENOENT
	// With the privilege, a write to no device is not refused for want of it.
	ops[8].Verb, ops[8].Ifindex, want[8] = kernel.Delete, 0, syscall.EINVAL
	if err := k.Write(ops, errs); err != nil {
		t.Fatal(err)
	}
	bad := 0
	for i := range errs {
		if !errors.Is(errs[i], want[i]) {
			t.Errorf("op %d: %v, want %v", i, errs[i], want[i])
		}
		bad += map[bool]int{true: 1}[want[i] != nil]
	}
	held := 0
	if err := k.FDB(linkOf(t, k, "br0").Index, func(e *kernel.Entry) {
		if e.Bridge == 0 && e.Flags&kernel.ExtLearned != 0 {
			held++
		}
	}); err != nil {
		t.Fatal(err)
	}
	if held != n-bad {
		t.Errorf("kernel holds %d entries, want %d", held, n-bad)
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	k, _ := inNetns(t)
	vx := linkOf(t, k, "vx0").Index
	ops, errs := make([]kernel.Op, batchSize), make([]error, batchSize)
	for i := range ops {
		ops[i] = remote(vx, i)
	}
	if n := testing.AllocsPerRun(20, func() {
		if err := k.Write(ops, errs); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a batch", n)
	}
}

func TestLookup(t *testing.T) {
	k, _ := inNetns(t)
	vx, br, p0 := linkOf(t, k, "vx0").Index, linkOf(t, k, "br0").Index, linkOf(t, k, "p0").Index
	op := remote(vx, 1)
	op.VNI = 777
	local := kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
		Family: kernel.Bridge, Ifindex: p0, State: kernel.NoARP, Flags: kernel.Master, MAC: evpn.MAC{2, 1},
	}}
	neigh := kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
		Family: kernel.IPv6, Ifindex: br, State: kernel.NoARP, Flags: kernel.ExtLearned | kernel.Router,
		MAC: evpn.MAC{2, 1}, IP: netip.MustParseAddr("2001:db8::1"),
	}}
	errs := make([]error, 3)
	if err := k.Write([]kernel.Op{op, local, neigh}, errs); err != nil || errors.Join(errs...) != nil {
		t.Fatal(err, errs)
	}
	var asked, want []kernel.Entry
	for _, c := range []struct{ ask, want kernel.Entry }{
		{
			kernel.Entry{Family: kernel.Bridge, Ifindex: vx, MAC: op.MAC},
			kernel.Entry{Family: kernel.Bridge, Ifindex: vx, MAC: op.MAC, IP: op.IP, VNI: 777, State: op.State, Flags: kernel.Self | kernel.ExtLearned},
		},
		{
			kernel.Entry{Family: kernel.Bridge, Ifindex: br, MAC: op.MAC},
			kernel.Entry{Family: kernel.Bridge, Ifindex: vx, MAC: op.MAC, Bridge: br, State: kernel.Reachable, Flags: kernel.ExtLearned},
		},
		{
			kernel.Entry{Family: kernel.Bridge, Ifindex: br, MAC: local.MAC},
			kernel.Entry{Family: kernel.Bridge, Ifindex: p0, MAC: local.MAC, Bridge: br, State: kernel.NoARP},
		},
		{kernel.Entry{Family: kernel.IPv6, Ifindex: br, IP: neigh.IP}, neigh.Entry},
	} {
		got, err := k.Lookup(c.ask)
		if err != nil {
			t.Errorf("look up %+v: %v", c.ask, err)
		}
		if d := cmp.Diff(c.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Errorf("look up %+v (-want +got):\n%s", c.ask, d)
		}
		asked, want = append(asked, c.ask), append(want, c.want)
	}
	for _, e := range []kernel.Entry{
		{Family: kernel.Bridge, Ifindex: vx, MAC: evpn.MAC{2, 9}},
		{Family: kernel.Bridge, Ifindex: br, MAC: evpn.MAC{2, 9}},
		{Family: kernel.IPv4, Ifindex: br, IP: netip.MustParseAddr("192.0.2.1")},
	} {
		if _, err := k.Lookup(e); !errors.Is(err, syscall.ENOENT) {
			t.Errorf("look up %+v, which is not there: %v", e, err)
		}
		asked = append(asked, e)
	}
	// The same at once, more often than a batch has messages.
	n := len(asked)
	for len(asked) < 3*batchSize {
		asked = append(asked, asked[:n]...)
	}
	errs = make([]error, len(asked))
	if err := k.Find(asked, errs); err != nil {
		t.Fatal(err)
	}
	for i, got := range asked {
		if i%n >= len(want) {
			if !errors.Is(errs[i], syscall.ENOENT) {
				t.Errorf("find %+v, which is not there: %v", got, errs[i])
			}
		} else if d := cmp.Diff(want[i%n], got, cmpopts.EquateComparable(netip.Addr{})); d != "" || errs[i] != nil {
			t.Errorf("find number %d: %v (-want +got):\n%s", i, errs[i], d)
		}
	}
}

// TestPort reads what a bridge has behind one port.
func TestPort(t *testing.T) {
	k, _ := inNetns(t)
	vx, br, p0 := linkOf(t, k, "vx0").Index, linkOf(t, k, "br0").Index, linkOf(t, k, "p0").Index
	static := func(dev int, mac evpn.MAC) kernel.Op {
		return kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
			Family: kernel.Bridge, Ifindex: dev, State: kernel.NoARP, Flags: kernel.Master, MAC: mac,
		}}
	}
	// Of the bridge itself: `bridge fdb add 02:02:00:00:00:00 dev br0 self local`.
	own := static(br, evpn.MAC{2, 2})
	own.State, own.Flags = kernel.Permanent, kernel.Self
	errs := make([]error, 3)
	if err := k.Write([]kernel.Op{remote(vx, 1), static(p0, evpn.MAC{2, 1}), own}, errs); err != nil || errors.Join(errs...) != nil {
		t.Fatal(err, errs)
	}
	for _, c := range []struct {
		port       int
		want, none evpn.MAC
	}{
		{p0, evpn.MAC{2, 1}, remote(vx, 1).MAC},
		{p0, linkOf(t, k, "p0").MAC, evpn.MAC{2, 2}},
		{vx, remote(vx, 1).MAC, evpn.MAC{2, 1}},
		{br, evpn.MAC{2, 2}, evpn.MAC{2, 1}},
		{br, evpn.MAC{2, 2}, remote(vx, 1).MAC},
	} {
		found := false
		if err := k.Port(c.port, func(e *kernel.Entry) {
			if e.Bridge == 0 {
				return
			}
			found = found || e.MAC == c.want
			if e.Ifindex != c.port || e.Bridge != br || e.MAC == c.none {
				t.Errorf("port %d has %+v", c.port, *e)
			}
		}); err != nil {
			t.Fatal(err)
		}
		if !found {
			t.Errorf("port %d does not have %v", c.port, c.want)
		}
	}
	if err := k.Port(9999, func(e *kernel.Entry) { t.Errorf("a port that is not there has %+v", *e) }); err != nil {
		t.Error(err)
	}
}

// TestLinks reads devices as iproute2 made them.
func TestLinks(t *testing.T) {
	k, run := inNetns(t)
	run("ip", "link", "set", "vx0", "alias", "a name", "mtu", "1400")
	run("bridge", "link", "set", "dev", "vx0", "learning", "off", "neigh_suppress", "on")
	run("ip", "link", "add", "vx6", "type", "vxlan", "id", "16777215", "local", "2001:db8::1", "remote", "2001:db8::2", "dstport", "1234", "nolearning")
	run("ip", "link", "add", "vxe", "type", "vxlan", "external", "vnifilter", "dstport", "5000")
	br := linkOf(t, k, "br0")
	if br.Kind != "bridge" || !br.Up || br.VLANFiltering || br.Port != nil {
		t.Errorf("bridge %+v", br)
	}
	vx := linkOf(t, k, "vx0")
	if vx.Alias != "a name" || vx.MTU != 1400 || vx.Master != br.Index || !vx.Up || vx.Port == nil || *vx.Port != (kernel.Port{NeighSuppress: true}) {
		t.Errorf("VXLAN device %+v, port %+v", vx, vx.Port)
	}
	if want := (kernel.VXLAN{VNI: 200, Local: netip.MustParseAddr("172.30.0.1"), Port: 4789, Learning: true}); *vx.VXLAN != want {
		t.Errorf("VXLAN %+v, want %+v", *vx.VXLAN, want)
	}
	want := kernel.VXLAN{VNI: evpn.MaxVNI, Local: netip.MustParseAddr("2001:db8::1"), Remote: netip.MustParseAddr("2001:db8::2"), Port: 1234}
	if got := linkOf(t, k, "vx6"); *got.VXLAN != want || got.Up || got.Master != 0 {
		t.Errorf("VXLAN %+v, want %+v", *got.VXLAN, want)
	}
	if got := linkOf(t, k, "vxe"); !got.VXLAN.External || !got.VXLAN.VNIFilter {
		t.Errorf("external VXLAN device %+v", *got.VXLAN)
	}
	if p := linkOf(t, k, "p0"); p.Kind != "veth" || p.Port == nil || !p.Port.Learning || p.Master != br.Index {
		t.Errorf("port %+v", p)
	}
	if err := k.MakeVXLAN(kernel.Link{Name: "vx9", Kind: "vxlan", VXLAN: &kernel.VXLAN{VNI: 200, Local: netip.MustParseAddr("172.30.0.1"), Port: 4789}}); !errors.Is(err, unix.EEXIST) {
		t.Errorf("a second device with the VNI: %v", err)
	}
}

// FuzzDecode gives the decoders anything: they must neither panic nor read
// past the end.
func FuzzDecode(f *testing.F) {
	op := remote(3, 1)
	op.VNI = 7
	f.Add(encodeOp(nil, &op, 1))
	f.Add(linkMsg(unix.RTM_NEWLINK, unix.AF_UNSPEC, 3, 1, 1))
	f.Fuzz(func(t *testing.T, b []byte) {
		decodeNotice(nil, b)
		var e kernel.Entry
		if len(b) > hdrLen && decodeEntry(b[hdrLen:], &e) && len(b)-hdrLen < unix.SizeofNdMsg {
			t.Errorf("an entry of %d bytes", len(b)-hdrLen)
		}
		if dev, _ := decodeRoute(b); dev != 0 && len(b) < unix.SizeofRtMsg {
			t.Errorf("a route of %d bytes", len(b))
		}
		if _, ok := decodeLink(b); ok && len(b) < unix.SizeofIfInfomsg {
			t.Errorf("a link of %d bytes", len(b))
		}
		if m, rest, err := nextMessage(b); err == nil && len(rest) > len(b)-hdrLen {
			t.Errorf("message of %d bytes leaves %d of %d", len(m.body), len(rest), len(b))
		} else if err == nil && replyErr(m) != nil && len(m.body) < 4 {
			t.Error("an error out of nothing")
		}
	})
}

// TestEncodeDecode writes an entry and reads it back.
func TestEncodeDecode(t *testing.T) {
	for _, op := range []kernel.Op{remote(3, 1), {Verb: kernel.Append, Entry: kernel.Entry{
		Family: kernel.Bridge, Ifindex: 3, State: kernel.Permanent, Flags: kernel.Self, IP: netip.MustParseAddr("2001:db8::1"), VNI: 7,
	}}} {
		m, rest, err := nextMessage(encodeOp(nil, &op, 42))
		if err != nil || len(rest) != 0 || m.seq != 42 || m.kind != unix.RTM_NEWNEIGH {
			t.Fatalf("message %+v, %d bytes left, %v", m, len(rest), err)
		}
		var e kernel.Entry
		if !decodeEntry(m.body, &e) || e != op.Entry {
			t.Errorf("read back %+v, wrote %+v", e, op.Entry)
		}
	}
}

// TestEncodeAsBridge holds messages to what iproute2 6.1 sends for the same
// entry (strace of `bridge fdb`), sequence number and acknowledgement aside.
func TestEncodeAsBridge(t *testing.T) {
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		t.Skip("SKIP: the bytes are those of a little-endian machine")
	}
	remoteVTEP := netip.MustParseAddr("192.0.2.2")
	mac := evpn.MAC{2, 0xaa, 0, 0, 0, 2}
	for _, c := range []struct {
		command string
		op      kernel.Op
		want    string
	}{
		{
			"bridge fdb append 00:00:00:00:00:00 dev vxe dst 192.0.2.2 src_vni 10010 self permanent",
			kernel.Op{Verb: kernel.Append, Entry: kernel.Entry{
				State: kernel.Permanent | kernel.NoARP, Flags: kernel.Self, IP: remoteVTEP, SrcVNI: 10010,
			}},
			`38000000 1c00 010c 07000000 00000000  07000000 02000000 c000 02 00
			 0a000200 000000000000 0000  08000100 c0000202  08000b00 1a270000`,
		},
		{
			"bridge fdb replace 02:aa:00:00:00:02 dev vxe vlan 10 dst 192.0.2.2 src_vni 10010 vni 7 self master extern_learn",
			kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
				State: kernel.Permanent | kernel.NoARP, Flags: kernel.Self | kernel.Master | kernel.ExtLearned,
				MAC: mac, IP: remoteVTEP, VLAN: 10, VNI: 7, SrcVNI: 10010,
			}},
			`48000000 1c00 0105 07000000 00000000  07000000 02000000 c000 16 00
			 0a000200 02aa00000002 0000  08000100 c0000202  06000500 0a00 0000  08000700 07000000  08000b00 1a270000`,
		},
		{
			"bridge fdb replace 02:aa:00:00:00:02 dev vxe nhid 32 src_vni 10010 self extern_learn",
			kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
				State: kernel.Permanent | kernel.NoARP, Flags: kernel.Self | kernel.ExtLearned,
				MAC: mac, Nexthop: 32, SrcVNI: 10010,
			}},
			`38000000 1c00 0105 07000000 00000000  07000000 02000000 c000 12 00
			 0a000200 02aa00000002 0000  08000d00 20000000  08000b00 1a270000`,
		},
		{
			"bridge fdb del 02:aa:00:00:00:02 dev vxe src_vni 10010 self",
			kernel.Op{Verb: kernel.Delete, Entry: kernel.Entry{
				State: kernel.Permanent | kernel.NoARP, Flags: kernel.Self, MAC: mac, SrcVNI: 10010,
			}},
			`30000000 1d00 0100 07000000 00000000  07000000 02000000 c000 02 00
			 0a000200 02aa00000002 0000  08000b00 1a270000`,
		},
	} {
		c.op.Family, c.op.Ifindex = kernel.Bridge, 2
		got := encodeOp(nil, &c.op, 7)
		if want := unhex(t, c.want); !bytes.Equal(got, want) {
			t.Errorf("%s\n%x, want\n%x", c.command, got, want)
		}
		var e kernel.Entry
		if !decodeEntry(got[hdrLen:], &e) || e != c.op.Entry {
			t.Errorf("%s: read back %+v, wrote %+v", c.command, e, c.op.Entry)
		}
	}
	// A look-up names the source VNI as NDA_VNI, as `bridge fdb get` does.
	got := encodeLookup(nil, &kernel.Entry{Family: kernel.Bridge, Ifindex: 2, MAC: mac, VLAN: 10, SrcVNI: 10010})
	want := unhex(t, `07000000 02000000 0000 02 00  0a000200 02aa00000002 0000  06000500 0a00 0000  08000700 1a270000`)
	if !bytes.Equal(got[hdrLen:], want) {
		t.Errorf("look-up\n%x, want\n%x", got[hdrLen:], want)
	}
}

// TestSourceVNI writes and reads entries of a VXLAN device that has its VNIs
// from metadata: the same MAC in two VNIs is two entries.
func TestSourceVNI(t *testing.T) {
	k, run := inNetns(t)
	run("ip", "link", "add", "vxe", "type", "vxlan", "external", "vnifilter", "dstport", "5000")
	dev := linkOf(t, k, "vxe").Index
	var ops []kernel.Op
	for _, vni := range []evpn.VNI{10010, 10020} {
		ops = append(ops, kernel.Op{Verb: kernel.Replace, Entry: kernel.Entry{
			Family: kernel.Bridge, Ifindex: dev, State: kernel.NoARP | kernel.Reachable, Flags: kernel.Self | kernel.ExtLearned,
			MAC: evpn.MAC{2, 0, 0, 0, 0, 1}, IP: netip.AddrFrom4([4]byte{192, 0, 2, byte(vni / 10)}), SrcVNI: vni,
		}})
	}
	errs := make([]error, len(ops))
	if err := errors.Join(k.Write(ops, errs), errors.Join(errs...)); err != nil {
		t.Fatal(err)
	}
	for _, op := range ops {
		got, err := k.Lookup(kernel.Entry{Family: kernel.Bridge, Ifindex: dev, MAC: op.MAC, SrcVNI: op.SrcVNI})
		if err != nil || got.IP != op.IP || got.SrcVNI != op.SrcVNI {
			t.Errorf("look-up in VNI %d: %+v, %v, want the destination %s", op.SrcVNI, got, err, op.IP)
		}
	}
	del := ops[0]
	del.Verb = kernel.Delete
	if err := errors.Join(k.Write([]kernel.Op{del}, errs[:1]), errs[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Lookup(ops[0].Entry); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("the entry of VNI 10010 after its deletion: %v", err)
	}
	if _, err := k.Lookup(ops[1].Entry); err != nil {
		t.Errorf("the entry of VNI 10020 after the deletion of the other: %v", err)
	}
}

// TestReader reads what doctor wants to know, with a socket of its own.
func TestReader(t *testing.T) {
	k, run := inNetns(t)
	run("ip", "link", "set", "lo", "up")
	r := k.Second().(*Reader)
	if dev, err := r.DefaultRoute(); err != nil || dev != 0 {
		t.Errorf("default route before there is one: device %d, %v", dev, err)
	}
	if dev, err := r.Route(netip.MustParseAddr("192.0.2.9")); !errors.Is(err, unix.ENETUNREACH) {
		t.Errorf("route to nowhere: device %d, %v, want ENETUNREACH", dev, err)
	}
	run("ip", "link", "add", "u0", "type", "veth", "peer", "name", "u0h")
	run("ip", "link", "set", "u0", "up")
	run("ip", "addr", "add", "192.0.2.1/24", "dev", "u0")
	run("ip", "addr", "add", "2001:db8::1/64", "dev", "br0", "nodad")
	run("ip", "route", "add", "default", "via", "192.0.2.254")
	u0, br := linkOf(t, k, "u0").Index, linkOf(t, k, "br0").Index
	lo := linkOf(t, k, "lo")
	if !lo.Loopback || linkOf(t, k, "u0").Loopback {
		t.Errorf("loopback flags: lo %v, u0 the other way round", lo.Loopback)
	}
	for to, want := range map[string]int{"192.0.2.9": u0, "198.51.100.1": u0, "2001:db8::9": br, "::ffff:192.0.2.9": u0, "192.0.2.1": lo.Index} {
		if dev, err := r.Route(netip.MustParseAddr(to)); err != nil || dev != want {
			t.Errorf("route to %s: device %d, %v, want %d", to, dev, err, want)
		}
	}
	if dev, err := r.DefaultRoute(); err != nil || dev != u0 {
		t.Errorf("default route: device %d, %v, want %d", dev, err, u0)
	}
	addrs, err := r.Addrs()
	if err != nil || !slices.Contains(addrs, kernel.Addr{Ifindex: u0, IP: netip.MustParseAddr("192.0.2.1")}) {
		t.Errorf("addresses %v, %v", addrs, err)
	}
}
