package linux

import (
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

const benchEntries = 100_000

func benchMAC(i int) evpn.MAC {
	return evpn.MAC{0x02, 0x42, 0xac, byte(i >> 16), byte(i >> 8), byte(i)}
}

func benchVTEP(i int) netip.Addr { return netip.AddrFrom4([4]byte{172, 30, 0, byte(i)}) }

func benchKernel(b *testing.B) (*Kernel, int) {
	k, run := inNetns(b)
	run("ip", "link", "set", "vx0", "type", "vxlan", "nolearning")
	run("bridge", "link", "set", "dev", "vx0", "learning", "off")
	return k, linkOf(b, k, "vx0").Index
}

func benchOp(vx, i, to int, verb kernel.Verb) kernel.Op {
	op := kernel.Op{Verb: verb, Entry: kernel.Entry{
		Family: kernel.Bridge, Ifindex: vx, State: kernel.NoARP | kernel.Reachable,
		Flags: kernel.Self | kernel.Master | kernel.ExtLearned, MAC: benchMAC(i), IP: benchVTEP(to),
	}}
	if verb == kernel.Delete {
		op.Entry = kernel.Entry{Family: kernel.Bridge, Ifindex: vx, Flags: kernel.Self | kernel.Master, MAC: benchMAC(i)}
	}
	return op
}

// report gives the time an entry takes in each phase.
func report(b *testing.B, phase string, d time.Duration) {
	b.ReportMetric(float64(d.Nanoseconds())/float64(b.N)/benchEntries, phase+"-ns/entry")
}

// bareMessage encodes what remoteOp says with another encoder than ours.
func bareMessage(vx, i, to int, verb kernel.Verb, ack bool) []byte {
	m := benchMAC(i)
	kind, flags := unix.RTM_NEWNEIGH, unix.NLM_F_CREATE|unix.NLM_F_REPLACE
	nd := &netlink.Ndmsg{
		Family: unix.AF_BRIDGE, Index: uint32(vx), State: unix.NUD_NOARP | unix.NUD_REACHABLE,
		Flags: unix.NTF_SELF | unix.NTF_MASTER | unix.NTF_EXT_LEARNED,
	}
	if verb == kernel.Delete {
		kind, flags = unix.RTM_DELNEIGH, 0
		nd.State, nd.Flags = 0, unix.NTF_SELF|unix.NTF_MASTER
	}
	if ack {
		flags |= unix.NLM_F_ACK
	}
	req := nl.NewNetlinkRequest(kind, flags)
	req.AddData(nd)
	req.AddData(nl.NewRtAttr(unix.NDA_LLADDR, m[:]))
	if verb != kernel.Delete {
		req.AddData(nl.NewRtAttr(unix.NDA_DST, benchVTEP(to).AsSlice()))
	}
	return req.Serialize()
}

// BenchmarkFloor writes prepared batches of the same messages over a bare
// socket: what the kernel itself takes.
func BenchmarkFloor(b *testing.B) {
	k, vx := benchKernel(b)
	fd := k.sock.fd
	prepare := func(to int, verb kernel.Verb) [][]byte {
		var out [][]byte
		for i := 0; i < benchEntries; i += 128 {
			var buf []byte
			for j := i; j < min(i+128, benchEntries); j++ {
				buf = append(buf, bareMessage(vx, j+1, to, verb, j == min(i+128, benchEntries)-1)...)
			}
			out = append(out, buf)
		}
		return out
	}
	reply := make([]byte, 1<<16)
	send := func(batches [][]byte) time.Duration {
		start := time.Now()
		for _, buf := range batches {
			if _, err := unix.Write(fd, buf); err != nil {
				b.Fatal(err)
			}
			if _, err := unix.Read(fd, reply); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
	add, replace, del := prepare(2, kernel.Replace), prepare(3, kernel.Replace), prepare(2, kernel.Delete)
	var ta, tr, td time.Duration
	b.ResetTimer()
	for range b.N {
		ta += send(add)
		tr += send(replace)
		td += send(del)
	}
	report(b, "add", ta)
	report(b, "replace", tr)
	report(b, "delete", td)
}

// BenchmarkWriter writes the same through the batch writer.
func BenchmarkWriter(b *testing.B) {
	k, vx := benchKernel(b)
	ops := make([]kernel.Op, 128)
	errs := make([]error, 128)
	send := func(to int, verb kernel.Verb) time.Duration {
		start := time.Now()
		for i := 0; i < benchEntries; i += 128 {
			n := min(128, benchEntries-i)
			for j := range n {
				ops[j] = benchOp(vx, i+j+1, to, verb)
			}
			if err := k.Write(ops[:n], errs[:n]); err != nil {
				b.Fatal(err)
			}
			for j, err := range errs[:n] {
				if err != nil {
					b.Fatal(ops[j], err)
				}
			}
		}
		return time.Since(start)
	}
	var ta, tr, td time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		ta += send(2, kernel.Replace)
		tr += send(3, kernel.Replace)
		td += send(2, kernel.Delete)
	}
	report(b, "add", ta)
	report(b, "replace", tr)
	report(b, "delete", td)
}

// BenchmarkOneAtATime writes the same through vishvananda/netlink.
func BenchmarkOneAtATime(b *testing.B) {
	_, vx := benchKernel(b)
	ns, err := netns.GetFromName(netnsName())
	if err != nil {
		b.Fatal(err)
	}
	defer ns.Close()
	h, err := netlink.NewHandleAt(ns, unix.NETLINK_ROUTE)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	neigh := func(i, to int) *netlink.Neigh {
		m := benchMAC(i)
		return &netlink.Neigh{
			LinkIndex: vx, Family: unix.AF_BRIDGE, State: netlink.NUD_NOARP | netlink.NUD_REACHABLE,
			Flags:        unix.NTF_SELF | unix.NTF_MASTER | unix.NTF_EXT_LEARNED,
			HardwareAddr: m[:], IP: benchVTEP(to).AsSlice(),
		}
	}
	each := func(f func(i int) error) time.Duration {
		start := time.Now()
		for i := range benchEntries {
			if err := f(i + 1); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
	var ta, tr, td time.Duration
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		ta += each(func(i int) error { return h.NeighSet(neigh(i, 2)) })
		tr += each(func(i int) error { return h.NeighSet(neigh(i, 3)) })
		td += each(func(i int) error { return h.NeighDel(neigh(i, 3)) })
	}
	report(b, "add", ta)
	report(b, "replace", tr)
	report(b, "delete", td)
}
