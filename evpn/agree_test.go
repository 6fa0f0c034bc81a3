package evpn

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fabric is several VTEPs, each an engine, and what is on its way between
// them. They talk to each other directly or over reflectors. On each session
// messages keep their order, as TCP has it; between sessions nothing is
// promised.
//
// Speakers are numbered: the VTEPs first, then the reflectors.
type fabric struct {
	engines []*Engine
	speak   []*speaker
	now     time.Time
}

// speaker is the BGP side of a VTEP or of a reflector.
type speaker struct {
	addr  netip.Addr
	rib   map[NLRI]known // what it announces
	peers []int
	up    map[int]bool
	// inbox holds what each peer has sent that has not arrived. Who sends on a
	// session that is down sends nothing.
	inbox map[int][]any
}

type known struct {
	Route
	attrs *Attrs
	from  int // who sent it to a reflector
}

// Messages are *Update and endOfRIB.
type endOfRIB struct{}

const agreeVNI VNI = 100

func newFabric(vteps, reflectors int) *fabric {
	f := &fabric{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	for i := range vteps + reflectors {
		s := &speaker{addr: netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), rib: map[NLRI]known{}, up: map[int]bool{}, inbox: map[int][]any{}}
		for j := range vteps + reflectors {
			if j != i && (reflectors == 0 || (i < vteps) != (j < vteps)) {
				s.peers = append(s.peers, j)
			}
		}
		f.speak = append(f.speak, s)
	}
	for i := range vteps {
		f.engines = append(f.engines, nil)
		f.boot(i)
	}
	return f
}

// boot starts VTEP i, or starts it again: all that it knew is gone.
func (f *fabric) boot(i int) {
	s := f.speak[i]
	var peers []netip.Addr
	for _, j := range s.peers {
		peers = append(peers, f.speak[j].addr)
	}
	s.rib = map[NLRI]known{}
	c := DefaultConfig(65000, s.addr)
	c.ConfiguredPeers, c.FloodHold = peers, 0
	c.Duplicate = DuplicateConfig{} // who has frozen a MAC does not follow it
	e := New(c)
	f.engines[i] = e
	e.Step(&Tick{Now: f.now})
	e.Step(&BDUp{VNI: agreeVNI, VTEP: s.addr})
	f.fetch(i)
}

// connect brings the session of a and b up: each tells the other all that it
// has, and that this was all.
func (f *fabric) connect(a, b int) {
	if f.speak[a].up[b] {
		return
	}
	for _, x := range [][2]int{{a, b}, {b, a}} {
		me, peer := x[0], x[1]
		f.speak[me].up[peer] = true
		f.speak[me].inbox[peer] = nil
		if me < len(f.engines) {
			f.engines[me].Step(&PeerUp{Peer: f.speak[peer].addr, RouterID: f.speak[peer].addr, Internal: true})
		}
	}
	for _, x := range [][2]int{{a, b}, {b, a}} {
		me, peer := x[0], x[1]
		for _, n := range sortedNLRI(f.speak[me].rib) {
			if k := f.speak[me].rib[n]; k.from != peer {
				f.send(me, peer, &Update{Reach: []Route{k.Route}, Attrs: k.attrs})
			}
		}
		f.send(me, peer, endOfRIB{})
	}
}

// cut ends the session of a and b. A VTEP keeps what it had for retain; a
// reflector keeps nothing.
func (f *fabric) cut(a, b int, retain time.Duration) {
	if !f.speak[a].up[b] {
		return
	}
	for _, x := range [][2]int{{a, b}, {b, a}} {
		me, peer := x[0], x[1]
		f.speak[me].up[peer] = false
		f.speak[me].inbox[peer] = nil
		if me < len(f.engines) {
			f.engines[me].Step(&PeerDown{Peer: f.speak[peer].addr, Retain: retain})
			continue
		}
		for _, n := range sortedNLRI(f.speak[me].rib) {
			if f.speak[me].rib[n].from == peer {
				f.reflect(me, peer, &Update{Withdrawn: []NLRI{n}})
			}
		}
	}
}

func sortedNLRI(rib map[NLRI]known) []NLRI {
	var ns []NLRI
	for n := range rib {
		ns = append(ns, n)
	}
	slices.SortFunc(ns, NLRI.Compare)
	return ns
}

func (f *fabric) send(from, to int, msg any) {
	if f.speak[from].up[to] {
		f.speak[to].inbox[from] = append(f.speak[to].inbox[from], msg)
	}
}

// fetch has VTEP i tell its peers what it has to tell.
func (f *fabric) fetch(i int) (told int) {
	s := f.speak[i]
	for ads := f.engines[i].takeAdverts(3); len(ads) > 0; ads = f.engines[i].takeAdverts(3) {
		for _, ad := range ads {
			u := &Update{Withdrawn: []NLRI{ad.NLRI}}
			delete(s.rib, ad.NLRI)
			if ad.Attrs != nil {
				u = &Update{Reach: []Route{ad.Route}, Attrs: ad.Attrs}
				s.rib[ad.NLRI] = known{ad.Route, ad.Attrs, i}
			}
			for _, p := range s.peers {
				f.send(i, p, u)
			}
			told++
		}
	}
	return told
}

// reflect takes what a reflector was told and passes it on.
func (f *fabric) reflect(i, from int, u *Update) {
	s := f.speak[i]
	for _, n := range u.Withdrawn {
		delete(s.rib, n)
	}
	for _, r := range u.Reach {
		s.rib[r.NLRI] = known{r, u.Attrs, from}
	}
	for _, p := range s.peers {
		if p != from {
			f.send(i, p, u)
		}
	}
}

// deliver lets the first message arrive that from has sent to i. It tells
// whether there was one.
func (f *fabric) deliver(i, from int) bool {
	s := f.speak[i]
	if len(s.inbox[from]) == 0 {
		return false
	}
	msg := s.inbox[from][0]
	s.inbox[from] = s.inbox[from][1:]
	switch u := msg.(type) {
	case *Update:
		if i >= len(f.engines) {
			f.reflect(i, from, u)
			break
		}
		f.engines[i].Step(&Routes{Peer: f.speak[from].addr, Updates: []Update{*u}})
	case endOfRIB:
		if i < len(f.engines) {
			f.engines[i].Step(&EndOfRIB{Peer: f.speak[from].addr})
		}
	}
	return true
}

func (f *fabric) pass(d time.Duration) {
	f.now = f.now.Add(d)
	for _, e := range f.engines {
		e.Step(&Tick{Now: f.now})
	}
}

// settle brings all sessions up and lets everything arrive. It returns false
// when the VTEPs do not come to an end with what they tell each other.
func (f *fabric) settle() bool {
	for i, s := range f.speak {
		for _, p := range s.peers {
			f.connect(i, p)
		}
	}
	quiet := func() bool {
		for range 1000 {
			moved := false
			for i := range f.engines {
				moved = f.fetch(i) > 0 || moved
			}
			for i, s := range f.speak {
				for _, p := range s.peers {
					moved = f.deliver(i, p) || moved
				}
			}
			if !moved {
				return true
			}
		}
		return false
	}
	if !quiet() {
		return false
	}
	f.pass(24 * time.Hour) // what is stale goes
	return quiet()
}

// where says where VTEP i has a MAC.
func (f *fabric) where(i int, mac MAC) netip.Addr {
	switch s, ok := f.engines[i].MAC(agreeVNI, mac); {
	case !ok:
		return netip.Addr{}
	case s.Local:
		return f.speak[i].addr
	default:
		return s.Via.VTEP
	}
}

// act draws one thing that happens. A MAC is static on one VTEP at most: an
// operator who configures it on two has both, and no rule could help.
func (f *fabric) act(t *rapid.T, static []int) string {
	pick := func(name string, n int) int { return rapid.IntRange(0, n-1).Draw(t, name) }
	n := pick("vtep", len(f.engines))
	e := f.engines[n]
	x := pick("mac", len(static))
	mac, ip := agreeMAC(x), agreeIP(pick("ip", 2))
	peer := f.speak[n].peers[pick("peer", len(f.speak[n].peers))]
	switch kind := pick("kind", 24); {
	case kind < 5:
		ev := &LocalMAC{VNI: agreeVNI, MAC: mac, Port: 3 + pick("port", 2), Static: static[x] == n && pick("static", 2) == 1}
		e.Step(ev)
		return fmt.Sprintf("vtep %d sees %s static %t", n, mac, ev.Static)
	case kind < 7:
		e.Step(&LocalMACGone{VNI: agreeVNI, MAC: mac})
		return fmt.Sprintf("vtep %d sees %s no more", n, mac)
	case kind < 9:
		e.Step(&LocalIP{VNI: agreeVNI, IP: ip, MAC: mac})
		return fmt.Sprintf("vtep %d sees %s at %s", n, ip, mac)
	case kind < 10:
		e.Step(&LocalIPGone{VNI: agreeVNI, IP: ip})
		return fmt.Sprintf("vtep %d sees %s no more", n, ip)
	case kind < 14:
		return fmt.Sprintf("vtep %d tells %d", n, f.fetch(n))
	case kind < 19:
		for range 1 + pick("several", 3) {
			f.deliver(n, peer)
		}
		return fmt.Sprintf("vtep %d hears from %d", n, peer)
	case kind < 21:
		f.deliver(peer, n)
		return fmt.Sprintf("%d hears from vtep %d", peer, n)
	case kind < 22:
		retain := time.Duration(pick("retain", 2)) * time.Hour
		f.cut(n, peer, retain)
		return fmt.Sprintf("cut %d %d, kept for %v", n, peer, retain)
	case kind < 23:
		f.connect(n, peer)
		return fmt.Sprintf("connect %d %d", n, peer)
	case pick("what", 3) > 0:
		d := []time.Duration{time.Second, 2 * time.Minute, 2 * time.Hour}[pick("time", 3)]
		f.pass(d)
		return fmt.Sprintf("%v pass", d)
	default:
		for _, p := range f.speak[n].peers {
			f.cut(n, p, time.Hour)
		}
		f.boot(n)
		return fmt.Sprintf("vtep %d starts again", n)
	}
}

func agreeMAC(i int) MAC       { return MAC{2, 0x42, 0xac, 0x12, 0, byte(i)} }
func agreeIP(i int) netip.Addr { return netip.AddrFrom4([4]byte{172, 18, 0, byte(i + 1)}) }

// TestAgree lets MACs move between VTEPs in any order, while what the VTEPs
// tell each other arrives when it likes and sessions fall and come back. Once
// nothing is on its way any more, all agree where each MAC is, or that it is
// nowhere; the one who has it announces it, and nobody else does. The same
// holds for an address that one MAC is announced with. And who sees a MAC when
// all is quiet is believed.
func TestAgree(t *testing.T) {
	for range 10 { // times what is usual: a run is short, and meetings are rare
		rapid.Check(t, agree)
	}
}

func agree(t *rapid.T) {
	f := newFabric(rapid.IntRange(2, 4).Draw(t, "vteps"), rapid.IntRange(0, 2).Draw(t, "reflectors"))
	var static []int // which VTEP may have the MAC static
	for range rapid.IntRange(1, 3).Draw(t, "macs") {
		static = append(static, rapid.IntRange(-1, len(f.engines)-1).Draw(t, "static at"))
	}
	for i, s := range f.speak {
		for _, p := range s.peers {
			f.connect(i, p)
		}
	}
	for range rapid.IntRange(1, 80).Draw(t, "steps") {
		t.Log(f.act(t, static))
	}
	f.check(t, static)

	// Whoever sees a MAC now has it, and everyone follows, unless it is
	// sticky elsewhere.
	for x, at := range static {
		to := rapid.IntRange(0, len(f.engines)-1).Draw(t, "moves to")
		want := f.speak[to].addr
		s, _ := f.engines[to].MAC(agreeVNI, agreeMAC(x))
		if s.Sticky {
			want = f.speak[at].addr
		}
		f.engines[to].Step(&LocalMAC{VNI: agreeVNI, MAC: agreeMAC(x), Port: 3, Static: s.Sticky && s.Local})
		f.check(t, static)
		if got := f.where(0, agreeMAC(x)); got != want {
			t.Errorf("vtep %d saw %s last, but it is at %v, want %v", to, agreeMAC(x), got, want)
		}
	}
}

// check has everything arrive and checks what the VTEPs have then.
func (f *fabric) check(t *rapid.T, static []int) {
	if !f.settle() {
		t.Fatalf("the VTEPs do not stop telling each other")
	}
	for x := range static {
		f.checkMAC(t, agreeMAC(x))
	}
	for x := range 2 {
		f.checkIP(t, agreeIP(x))
	}
}

func (f *fabric) checkMAC(t *rapid.T, mac MAC) {
	at := f.where(0, mac)
	for i := range f.engines {
		if got := f.where(i, mac); got != at {
			t.Errorf("vtep %d has %s at %v, vtep 0 at %v", i, mac, got, at)
		}
		announced := len(f.engines[i].Advertised(agreeVNI, mac)) > 0
		if mine := f.where(i, mac) == f.speak[i].addr; announced != mine {
			t.Errorf("vtep %d has %s at %v, announced %t", i, mac, f.where(i, mac), announced)
		}
	}
}

// checkIP checks an address. When several announce it, each is right for
// itself, and the others agree.
func (f *fabric) checkIP(t *rapid.T, ip netip.Addr) {
	type pair struct {
		vtep netip.Addr
		mac  MAC
	}
	announced := map[int]pair{}
	for i, e := range f.engines {
		for n := range f.speak[i].rib {
			if n.Type == MACIP && n.IP == ip {
				announced[i] = pair{f.speak[i].addr, n.MAC}
				if s, ok := e.Neigh(agreeVNI, ip); !ok || !s.Local || s.MAC != n.MAC {
					t.Errorf("vtep %d announces %s at %s, but has it %+v", i, ip, n.MAC, s)
				}
			}
		}
	}
	var all *pair
	for i, e := range f.engines {
		if _, mine := announced[i]; mine {
			continue
		}
		var got pair
		if s, ok := e.Neigh(agreeVNI, ip); ok {
			got = pair{s.VTEP, s.MAC}
		}
		if all == nil {
			all = &got
		}
		if got != *all {
			t.Errorf("vtep %d has %s at %v, another at %v", i, ip, got, *all)
		}
		known := got == pair{} && len(announced) == 0
		for _, p := range announced {
			known = known || p == got
		}
		if !known {
			t.Errorf("vtep %d has %s at %v, announced is %v", i, ip, got, announced)
		}
	}
}
