package dataplane_test

import (
	"net"
	"net/netip"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/evpn"
)

// ns runs a command in the namespace.
func (w *real) ns(args string) (string, error) {
	out, err := exec.Command("ip", append([]string{"netns", "exec", w.name}, strings.Fields(args)...)...).CombinedOutput()
	return string(out), err
}

// TestBareBridge is a plain L2 VNI, whose bridge has no address. What its
// host says is told, what is wished of remote ones answers its questions,
// and it is asked itself, in IPv4 and IPv6.
func TestBareBridge(t *testing.T) {
	w := newReal(t)
	plain(w)
	ip4, ip6 := addr("172.18.0.11"), addr("2001:db8::11")
	w.answer("p0", ip4, mac(1))
	host := w.peer["p0"]
	host.ip("addr add 2001:db8::11/64 dev p0-h nodad")
	r := start(t, w, nil, dataplane.Config{Hosts: hosts.Config{ProbeInterval: 300 * time.Millisecond}})
	r.serves(200, addr(local))
	w.frame("p0", mac(1))
	r.knows(200, mac(1))
	begin := time.Now()
	r.wish(evpn.Delta{Probe: []evpn.Probe{{VNI: 200, IP: ip4, MAC: mac(1)}, {VNI: 200, IP: ip6, MAC: mac(1)}}})
	both := []string{"172.18.0.11 " + mac(1).String(), "2001:db8::11 " + mac(1).String()}
	r.hosts(200, both...)
	t.Logf("a silent host that moved here: both addresses found after %v", time.Since(begin))
	// It keeps answering.
	r.untilTrue("asked again", func() bool { return r.p.Stats().Probes >= 8 })
	r.hosts(200, both...)

	// The bridge answers for a remote host.
	r.wish(evpn.Delta{
		FDB:   []evpn.FDB{{VNI: 200, MAC: mac(7), Via: vtep(2), Want: true}},
		Neigh: []evpn.Neigh{{VNI: 200, IP: addr("172.18.0.12"), MAC: mac(7), Want: true}},
	})
	r.untilTrue("the neighbor is written", func() bool {
		st, _ := r.p.NeighEntry(200, addr("172.18.0.12"))
		return st == dataplane.Installed
	})
	r.until("the host finds the remote one", func() string {
		_, _ = host.ns("ping -c1 -W1 172.18.0.12")
		out, _ := host.ns("ip neigh show 172.18.0.12")
		if strings.Contains(out, mac(7).String()) {
			return ""
		}
		return out
	})

	// It goes silent without its link going down.
	w.raw("p0", "ffffffffffff"+bare(mac(1))+"88b5"+strings.Repeat("00", 46))
	host.ip("addr flush dev p0-h")
	r.hosts(200)
	r.knows(200, mac(1))
	if n := r.p.Stats().Silent; n != 2 {
		t.Errorf("%d addresses went silent, want 2", n)
	}
}

// flood sends forged gratuitous ARP, as fast as a thread can, until stop.
// Every sender is another, n of them.
func (w *real) flood(port string, n int, stop <-chan struct{}, sent *int) {
	w.inside(func() error {
		ifi, err := ifindex(port + "-h")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		b := make([]byte, 60)
		copy(b, "\xff\xff\xff\xff\xff\xff\x02\x66\x00\x00\x00\x00\x08\x06\x00\x01\x08\x00\x06\x04\x00\x01\x02\x66")
		for i := 0; ; i = (i + 1) % n {
			select {
			case <-stop:
				return nil
			default:
			}
			for _, at := range []int{8, 24} {
				b[at], b[at+1], b[at+2], b[at+3] = 0, byte(i>>16), byte(i>>8), byte(i)
			}
			copy(b[28:], []byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
			copy(b[38:], b[28:32])
			if err := unix.Sendto(fd, b, 0, &unix.SockaddrLinklayer{Ifindex: ifi}); err != nil && err != unix.ENOBUFS {
				return err
			}
			*sent++
		}
	})
}

// TestStorm has a port flood with forged senders while a host behind
// another speaks, and wishes come. Neither waits, and what is kept is
// bounded.
func TestStorm(t *testing.T) {
	w := newReal(t)
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	stop, done := make(chan struct{}), make(chan struct{})
	sent := 0
	begin := time.Now()
	go func() {
		defer close(done)
		w.flood("p1", 1<<20, stop, &sent)
	}()
	var worstWish, worstHost time.Duration
	for i := range 10 {
		at := time.Now()
		r.wishMAC(200, mac(1000+i), vtep(2))
		r.untilTrue("a wish is written", func() bool {
			st, _ := r.p.Entry(200, mac(1000+i))
			return st == dataplane.Installed
		})
		worstWish = max(worstWish, time.Since(at))
		at = time.Now()
		ip := netip.AddrFrom4([4]byte{172, 18, 1, byte(i)})
		says(w, "p0", ip.String(), mac(i+1))
		r.untilTrue("a host that speaks is told", func() bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			_, ok := r.ips[evpn.IPKey{VNI: 200, IP: ip}]
			return ok
		})
		worstHost = max(worstHost, time.Since(at))
		time.Sleep(200 * time.Millisecond)
	}
	took := time.Since(begin)
	st := r.p.Stats()
	close(stop)
	<-done
	runtime.GC()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	t.Logf("%d forged senders in %v (%.0f a second): %d heard, %d kept, %d dropped; a wish is written within %v, a host told within %v; heap %d MB",
		sent, took, float64(sent)/took.Seconds(), st.Claims, st.Hosts, st.Dropped, worstWish, worstHost, mem.HeapAlloc>>20)
	if st.Hosts > 16<<10+10 {
		t.Errorf("%d addresses are kept, more than a port may claim", st.Hosts)
	}
	if st.Claims < 1000 {
		t.Errorf("%d claims were heard: that is no storm", st.Claims)
	}
	for _, d := range []time.Duration{worstWish, worstHost} {
		if d > 5*time.Second {
			t.Errorf("the Plane took %v to answer", d)
		}
	}
}

// ifindex returns the index of a device in the thread's namespace.
func ifindex(name string) (int, error) {
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	return ifi.Index, nil
}

// sniff returns a socket that has all that passes a device, either way.
func (w *real) sniff(dev string) (fd int) {
	w.inside(func() error {
		i, err := ifindex(dev)
		if err != nil {
			return err
		}
		const all = uint16(unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8)
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: i})
	})
	w.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// TestProbesStayHere looks whether probes or their answers get
// anywhere but to the port of the one asked.
func TestProbesStayHere(t *testing.T) {
	w := newReal(t)
	plain(w)
	w.answer("p0", addr("172.18.0.11"), mac(1))
	w.peer["p0"].ip("addr add 2001:db8::11/64 dev p0-h nodad")
	r := start(t, w, nil, dataplane.Config{Hosts: hosts.Config{ProbeInterval: 200 * time.Millisecond}})
	r.serves(200, addr(local))
	r.wish(evpn.Delta{Flood: []evpn.Flood{{VNI: 200, Via: vtep(2), Want: true}}})
	links, err := r.k.Links()
	if err != nil {
		t.Fatal(err)
	}
	var own string
	for _, l := range links {
		if l.Name == "p0" {
			own = string(l.MAC[:])
		}
	}
	sockets := map[string]int{}
	for _, dev := range []string{"p0", "p1", "vx0"} {
		sockets[dev] = w.sniff(dev)
	}
	w.frame("p0", mac(1))
	r.knows(200, mac(1))
	r.wish(evpn.Delta{Probe: []evpn.Probe{{VNI: 200, IP: addr("172.18.0.11"), MAC: mac(1)}, {VNI: 200, IP: addr("2001:db8::11"), MAC: mac(1)}}})
	r.untilTrue("asked", func() bool { return r.p.Stats().Probes >= 8 })
	r.knows(200, mac(1))
	r.hosts(200, "172.18.0.11 "+mac(1).String(), "2001:db8::11 "+mac(1).String())
	seen := map[string]int{}
	for dev, fd := range sockets {
		b := make([]byte, 2048)
		for {
			n, _, err := unix.Recvfrom(fd, b, 0)
			if err != nil {
				break
			}
			// The bridge may have taken the port's address for its own: what
			// it says to groups is not meant.
			if n >= 12 && b[0]&1 == 0 && (string(b[:6]) == own || string(b[6:12]) == own) {
				seen[dev]++
			}
		}
	}
	if seen["p0"] < 8 || seen["p1"]+seen["vx0"] != 0 {
		t.Errorf("probes and answers per port: %v, want all on p0", seen)
	}
}

// TestTaggedIsNotHeard sends a VLAN's ARP, which is no business of the
// bridge's own network.
func TestTaggedIsNotHeard(t *testing.T) {
	w := newReal(t)
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	m := bare(mac(1))
	w.raw("p0", "ffffffffffff"+m+"81000005"+"0806"+"0001080006040001"+m+"ac12000b"+"000000000000"+"ac12000b"+strings.Repeat("00", 18))
	w.raw("p0", "ffffffffffff"+m+"0806"+"0001080006040001"+m+"ac12000c"+"000000000000"+"ac12000c"+strings.Repeat("00", 18))
	r.hosts(200, "172.18.0.12 "+mac(1).String())
	if n := r.p.Stats().Claims; n != 1 {
		t.Errorf("%d claims heard, want the untagged one", n)
	}
}

// TestPortMadeAgain has a port vanish and another come with its name: that
// one is heard.
func TestPortMadeAgain(t *testing.T) {
	w := newReal(t)
	plain(w)
	r := start(t, w, nil, dataplane.Config{})
	r.serves(200, addr(local))
	for i := range 3 {
		ip := netip.AddrFrom4([4]byte{172, 18, 0, byte(1 + i)})
		r.until("a host behind a port", func() string {
			says(w, "p0", ip.String(), mac(1))
			r.mu.Lock()
			defer r.mu.Unlock()
			if _, ok := r.ips[evpn.IPKey{VNI: 200, IP: ip}]; !ok {
				return "is not known"
			}
			return ""
		})
		w.del("p0")
		r.hosts(200)
		w.addPort("p0", "br0")
	}
}
