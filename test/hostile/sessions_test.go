package hostile

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/peer"
)

// drip writes bytes one by one.
func drip(s *peer.Speaker, b []byte, every time.Duration) error {
	t := time.NewTicker(every)
	defer t.Stop()
	for i := range b {
		if err := s.Write(b[i : i+1]); err != nil {
			return err
		}
		select {
		case <-t.C:
		case <-s.Ended():
			return nil
		}
	}
	return nil
}

func slowOpen(w *world) string {
	w.drop()
	s := w.dial()
	o := peer.Open(asn, attacker)
	if err := drip(s, o.Append(nil), 2*time.Millisecond); err != nil {
		w.t.Fatal(err)
	}
	if err := s.Answer(); err != nil {
		w.t.Fatal(err)
	}
	w.live = s
	first := w.macs(1)
	if err := drip(s, bad.Reach(bad.MACRoute(first)), time.Millisecond); err != nil {
		w.t.Fatal(err)
	}
	w.used(first, first+1)
	return "session up, route used"
}

func slowUpdate(w *world) string {
	w.drop()
	s := w.dial()
	w.live = s
	o := peer.Open(asn, attacker)
	o.HoldTime = 3
	if err := s.Establish(o); err != nil {
		w.t.Fatal(err)
	}
	w.after(s)
	begin := time.Now()
	if err := drip(s, bad.Announce(0, peer.PerUpdate), 10*time.Millisecond); err != nil && !errors.Is(err, net.ErrClosed) {
		w.t.Logf("write: %v", err) // evpnd may have closed
	}
	w.ends(s, &wire.Notification{Code: wire.CodeHoldTimer})
	return fmt.Sprintf("session ended after %.0f s: hold timer expired", time.Since(begin).Seconds())
}

func silentConnections(w *world) string {
	w.drop()
	var silent []*peer.Speaker
	for range 50 {
		s := w.dial()
		s.Drain()
		silent = append(silent, s)
	}
	w.after(w.session()) // they are in nobody's way
	open := 0
	for _, s := range silent {
		if _, err := s.Notification(time.Second / 2); err != nil {
			open++
		}
		s.Close()
	}
	if open > 3 { // until they run into the time limit, a minute
		w.t.Errorf("%d silent connections are left beside the session", open)
	}
	return fmt.Sprintf("%d closed at once, session up beside the others", len(silent)-open)
}

// answers completes the handshakes on two connections, and returns the one that
// stays, and what the other was told. That one may have been so far that it had
// its KEEPALIVE: a collision is decided until a session is up (RFC 4271 §6.8).
func (w *world) answers(a, b *peer.Speaker) (up *peer.Speaker, told error) {
	w.t.Helper()
	var errA, errB error
	var wg sync.WaitGroup
	wg.Go(func() { errA = a.Answer() })
	wg.Go(func() { errB = b.Answer() })
	wg.Wait()
	switch {
	case errA != nil && errB != nil:
		w.t.Fatalf("no connection came up: %v", errors.Join(errA, errB))
	case errA != nil:
		return b, errA
	case errB != nil:
		return a, errB
	}
	select {
	case <-a.Ended():
		return b, a.Err()
	case <-b.Ended():
		return a, b.Err()
	case <-time.After(10 * time.Second):
		w.t.Fatal("two connections came up")
	}
	return nil, nil
}

func isCollision(err error) bool {
	var n *wire.Notification
	return errors.As(err, &n) && n.Code == wire.CodeCease && n.Subcode == wire.CeaseCollision
}

func twoConnections(w *world) string {
	w.drop()
	a, b := w.dial(), w.dial()
	o := peer.Open(asn, attacker)
	w.write(a, o.Append(nil))
	w.write(b, o.Append(nil))
	up, told := w.answers(a, b)
	if !isCollision(told) {
		w.t.Errorf("the other was told %v, want a collision", told)
	}
	w.live = up
	w.after(up)
	return "one kept, the other: connection collision resolution"
}

func collision(w *world) string {
	var l *net.TCPListener
	if err := w.outside.Do(func() (err error) {
		l, err = net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(dialed, 179)))
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	defer l.Close()
	_ = l.SetDeadline(time.Now().Add(15 * time.Second))
	c, err := l.Accept()
	if err != nil {
		w.t.Fatalf("evpnd does not connect: %v", err)
	}
	theirs := peer.New(c)
	defer theirs.Close()
	if err := theirs.AwaitOpen(); err != nil { // before, evpnd may think again
		w.t.Fatal(err)
	}
	ours, err := peer.Dial(w.outside, dialed, port)
	if err != nil {
		w.t.Fatal(err)
	}
	defer ours.Close()
	if err := ours.AwaitOpen(); err != nil { // evpnd knows of both
		w.t.Fatal(err)
	}
	o := peer.Open(asn, dialed)
	w.write(theirs, o.Append(nil))
	w.write(ours, o.Append(nil))
	up, told := w.answers(theirs, ours)
	if up != ours || !isCollision(told) {
		w.t.Errorf("the connection of the lower identifier stayed, or the other was told %v", told)
	}
	w.after(up)
	return "the peer's kept, ours: connection collision resolution"
}

// many connects n times from an address, sends b on each, and returns how many
// evpnd closed, and how many of them with a NOTIFICATION.
func (w *world) many(n int, from netip.Addr, b []byte) (closed, told int) {
	w.t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, 32)
	for range n {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			s, err := peer.Dial(w.outside, from, port)
			if err != nil {
				return
			}
			defer s.Close()
			s.Drain()
			_ = s.Write(b) // evpnd may have closed already
			why, err := s.Notification(10 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				closed++
			}
			if why != nil {
				told++
			}
		})
	}
	wg.Wait()
	return closed, told
}

func connectionFlood(w *world) string {
	const n = 300
	s := w.session()
	w.after(s)
	o := peer.Open(asn, attacker)
	closed, told := w.many(n, attacker, o.Append(nil))
	if closed != n {
		w.t.Errorf("%d of %d connections were closed", closed, n)
	}
	w.after(s)
	if w.live != s {
		w.t.Error("the session did not survive")
	}
	return fmt.Sprintf("all closed, %d with a NOTIFICATION; the session stays", told)
}

func strangerFlood(w *world) string {
	const n = 1000
	closed, told := w.many(n, netip.MustParseAddr("10.90.1.66"), wire.AppendKeepalive(nil))
	if closed != n || told != 0 {
		w.t.Errorf("%d of %d connections were closed, %d with a NOTIFICATION; want all, and none", closed, n, told)
	}
	w.after(w.session())
	return "all closed without a word"
}

func sessionFlood(w *world) string {
	w.drop()
	before := w.memory()
	for range 100 {
		s := w.connect(attacker)
		w.write(s, bad.Reach(bad.MACRoute(w.next)))
		s.Close()
	}
	w.after(w.session())
	return fmt.Sprintf("session up, %d MB more memory", w.grown(before, 64))
}

// memory returns what evpnd has resident, in MB.
func (w *world) memory() int {
	w.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid))
	if err != nil {
		w.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kB int
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		w.t.Fatal(err)
	}
	return kB >> 10
}

// grown returns by how much the memory grew, which may be so many MB.
func (w *world) grown(before, most int) int {
	w.t.Helper()
	by := w.memory() - before
	if by > most {
		w.t.Errorf("evpnd has grown by %d MB, want %d at most", by, most)
	}
	return max(by, 0)
}

const million = 1_000_000

// floodFirst is the number of the first MAC of a flood.
const floodFirst = 10_000_000

func millionUnwanted(w *world) string {
	s := w.session()
	w.after(s)
	before, memory := w.status(attacker), w.memory()
	other := bad
	other.VNI = evpn.VNI(999)
	begin := time.Now()
	w.write(s, other.Announce(floodFirst, floodFirst+million))
	w.Until(time.Minute, "all were read", func() (bool, string) {
		n := w.status(attacker).Ignored - before.Ignored
		return n == million, fmt.Sprint(n)
	})
	took := time.Since(begin)
	w.after(s)
	return fmt.Sprintf("ignored in %.1f s, %d MB more memory", took.Seconds(), w.grown(memory, 64))
}

func millionStop(w *world) string {
	s := w.connect(stopped)
	memory := w.memory()
	begin := time.Now()
	w.write(s, flood.Announce(floodFirst, floodFirst+million), peer.Unreach())
	w.Until(time.Minute, "all were read", func() (bool, string) {
		st := w.status(stopped)
		return st.Received == limit && st.Refused == million-limit, fmt.Sprintf("%+v", st)
	})
	took := time.Since(begin)
	w.Until(10*time.Second, "the routes within the limit are in the kernel", func() (bool, string) {
		return w.kernelHas(floodFirst, floodFirst+limit, flood.VTEP)
	})
	if a := w.where(floodFirst + limit); a.IsValid() {
		w.t.Errorf("a route beyond the limit is in the kernel")
	}
	alarm := fmt.Sprintf("peer %v sends more than %d routes", stopped, limit)
	if out := w.evpnd.Ctl("status"); !strings.Contains(out, alarm) {
		w.t.Errorf("evpnctl status does not say %q:\n%s", alarm, out)
	}
	grown := w.grown(memory, 64)

	// What is known is followed, and with room again all is asked for.
	w.write(s, flood.Withdraw(floodFirst, floodFirst+limit/2))
	w.gone(floodFirst, floodFirst+limit/2)
	w.Until(10*time.Second, "the alarm ends, and the routes are asked for", func() (bool, string) {
		out, show := w.evpnd.Ctl("status"), w.evpnd.Ctl("peer", "show", stopped.String())
		return !strings.Contains(out, alarm) && strings.Contains(show, "1 route-refresh"), out + show
	})
	if st := w.status(stopped); st.State != "established" || st.Established != 1 {
		w.t.Errorf("the session did not stay up: %+v", st)
	}
	return fmt.Sprintf("%d kept, the rest refused in %.1f s, %d MB more memory, alarm", limit, took.Seconds(), grown)
}

func millionReset(w *world) string {
	s := w.connect(reset)
	first := w.macs(2 * limit)
	w.write(s, flood.Announce(first, first+2*limit))
	w.ends(s, &wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseMaxPrefixes})
	w.gone(first, first+2*limit)
	again, err := peer.Dial(w.outside, reset, port)
	if err != nil {
		w.t.Fatal(err)
	}
	defer again.Close()
	again.Drain()
	if n, err := again.Notification(5 * time.Second); n != nil || err != nil {
		w.t.Errorf("a peer that is left alone was told %v, %v", n, err)
	}
	if got := w.status(reset).LastError; !strings.Contains(got, "more than 1000 routes") {
		w.t.Errorf("evpnctl peer show says %q", got)
	}
	w.Until(5*time.Second, "evpnctl status says that the peer is left alone", func() (bool, string) {
		out := w.evpnd.Ctl("status")
		return strings.Contains(out, "it is left alone"), out
	})
	w.evpnd.Ctl("peer", "reset", reset.String())
	s = w.connect(reset)
	w.write(s, flood.Reach(flood.MACRoute(first)))
	w.Until(10*time.Second, "its routes are used again", func() (bool, string) { return w.kernelHas(first, first+1, flood.VTEP) })
	return "cease: maximum number of prefixes reached, routes gone, left alone until peer reset"
}

func longMessage(w *world) string {
	s, first := w.session(), w.macs(1)
	w.write(s, bad.Reach(bad.MACRoute(first)))
	w.used(first, first+1)
	_ = s.Write(peer.Message(wire.TypeUpdate, make([]byte, 1<<16-1-wire.HeaderLen))) // evpnd may have closed
	w.ends(s, &wire.Notification{Code: wire.CodeHeader, Subcode: 2})
	w.used(first, first+1)
	w.after(w.session())
	return "session ended with message header error: bad message length"
}

func withdrawFlood(w *world) string {
	s := w.session()
	before := w.status(attacker)
	w.write(s, bad.Withdraw(floodFirst, floodFirst+100_000))
	w.after(s)
	w.counted(before, "")
	return "ignored"
}

// refreshFlood has evpnd asked for its routes, of which there are some, again
// and again, by a peer that takes none of them.
func refreshFlood(w *world) string {
	const n, local = 20_000, 500
	w.node.IP("link", "add", "name", "hosts", "type", "veth", "peer", "name", "hosts-end")
	w.node.IP("link", "set", "hosts-end", "up")
	w.node.IP("link", "set", "hosts", "master", vni.Bridge(), "up")
	var batch strings.Builder
	for i := range local {
		fmt.Fprintf(&batch, "fdb add 02:aa:00:00:%02x:%02x dev hosts master static\n", i>>8, i&0xff)
	}
	file := filepath.Join(w.node.Dir(), "hosts")
	if err := os.WriteFile(file, []byte(batch.String()), 0o644); err != nil {
		w.t.Fatal(err)
	}
	w.node.Bridge("-batch", file)
	w.Until(10*time.Second, "the hosts are announced", func() (bool, string) {
		n := w.status(honest).Advertised
		return n >= local, fmt.Sprint(n)
	})

	w.drop()
	s := w.dial()
	w.live = s
	o := peer.Open(asn, attacker)
	w.write(s, o.Append(nil))
	if err := s.Handshake(); err != nil {
		w.t.Fatal(err)
	}
	memory := w.memory()
	var out []byte
	for range n {
		out = wire.AppendRouteRefresh(out)
	}
	w.write(s, out)
	w.after(s)
	w.Holds(3*time.Second, "evpnd does not grow", func() (bool, string) {
		by := w.memory() - memory
		return by <= 64, fmt.Sprintf("by %d MB", by)
	})
	grown := w.grown(memory, 64)
	s.Drain()
	w.after(s)
	return fmt.Sprintf("session up, %d MB more memory", grown)
}
