package bgp

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// again is a Speaker that connects to a listener, so that a test can be its
// peer more than once.
type again struct {
	*speaker
	t *testing.T
	l net.Listener
}

func newAgain(t *testing.T, cfg Config, retry time.Duration) *again {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	cfg.Peers = []Peer{{
		Address: lo, Port: l.Addr().(*net.TCPAddr).AddrPort().Port(),
		Session: Session{AS: 65000, ConnectRetry: retry},
	}}
	return &again{run(t, cfg), t, l}
}

// session has one session, with the peer's OPEN as given.
func (a *again) session(o wire.Open) (*rawPeer, *evpn.PeerUp) {
	a.t.Helper()
	c, err := a.l.Accept()
	if err != nil {
		a.t.Fatal(err)
	}
	p := &rawPeer{t: a.t, conn: c}
	p.establish(o)
	return p, event[*evpn.PeerUp](a.speaker)
}

// fall ends a session without a word.
func (a *again) fall(p *rawPeer) *evpn.PeerDown {
	a.t.Helper()
	p.conn.Close()
	return event[*evpn.PeerDown](a.speaker)
}

// TestRestarter: what we say of restarts. R is said after a start alone
// (RFC 4724 §3), F always, for the kernel forwards whether we run or not, and
// N (RFC 8538 §2).
func TestRestarter(t *testing.T) {
	a := newAgain(t, Config{RestartTime: 77 * time.Second, LongLivedTime: 2 * time.Hour}, 10*time.Millisecond)
	want := wire.Restart{Present: true, Restarting: true, Notification: true, Time: 77, EVPN: true, Forwarding: true}
	long := wire.LongLived{Present: true, EVPN: true, Forwarding: true, Time: 7200}
	for i := range 2 {
		p, _ := a.session(peerOpen())
		if p.open.Restart != want || p.open.LongLived != long {
			t.Errorf("session %d: we offer %+v and %+v, want %+v and %+v", i+1, p.open.Restart, p.open.LongLived, want, long)
		}
		a.fall(p)
		want.Restarting = false
	}
}

// TestHelper: how long the routes of a peer are kept when its session falls
// without a word, and whether its own go when it comes back.
func TestHelper(t *testing.T) {
	open := func(r wire.Restart, l wire.LongLived) wire.Open {
		o := peerOpen()
		o.Restart, o.LongLived = r, l
		return o
	}
	kept := wire.Restart{Present: true, Restarting: true, EVPN: true, Forwarding: true, Time: 1}
	notKept, others, patient := kept, kept, kept
	patient.Time = 4000
	notKept.Forwarding = false
	others.EVPN, others.Forwarding = false, false
	hour := wire.LongLived{Present: true, EVPN: true, Forwarding: true, Time: 3600}
	longNotKept := hour
	longNotKept.Forwarding = false
	var none wire.Restart
	var noLong wire.LongLived
	for name, c := range map[string]struct {
		before, after wire.Open
		long          time.Duration
		late          bool // it comes back after the restart time
		lost          bool
	}{
		"it kept forwarding":                             {before: open(kept, noLong), after: open(kept, noLong)},
		"it asks for longer":                             {before: open(patient, noLong), after: open(kept, noLong)},
		"without the F bit":                              {before: open(kept, noLong), after: open(notKept, noLong), lost: true},
		"without the family":                             {before: open(kept, noLong), after: open(others, noLong), lost: true},
		"without the capability":                         {before: open(kept, noLong), after: open(none, noLong), lost: true},
		"it never had it":                                {before: open(none, noLong), after: open(none, noLong)},
		"it never had it for EVPN":                       {before: open(others, noLong), after: open(others, noLong)},
		"long-lived, back in the restart time":           {before: open(kept, hour), after: open(kept, longNotKept), long: time.Hour},
		"long-lived, back after it":                      {before: open(kept, hour), after: open(notKept, hour), long: time.Hour, late: true},
		"long-lived, back after it without F":            {before: open(kept, hour), after: open(kept, longNotKept), long: time.Hour, late: true, lost: true},
		"long-lived, back after it, not any more":        {before: open(kept, hour), after: open(kept, noLong), long: time.Hour, late: true, lost: true},
		"long-lived without graceful restart (§4.1)":     {before: open(none, hour), after: open(none, hour)},
		"long-lived for other families than EVPN (§3.1)": {before: open(kept, wire.LongLived{Present: true}), after: open(kept, noLong)},
	} {
		t.Run(name, func(t *testing.T) {
			retain := time.Minute
			if c.late {
				retain = time.Nanosecond // and a restart time of 1 s
			}
			a := newAgain(t, Config{Retain: retain}, 10*time.Millisecond)
			p, up := a.session(c.before)
			if up.Lost {
				t.Error("the first session finds the peer to have lost something")
			}
			down := a.fall(p)
			if want := max(retain, time.Duration(c.before.Restart.Time)*time.Second); down.Retain != want && c.before.Restart.EVPN {
				t.Errorf("kept for %v, want %v", down.Retain, want)
			}
			if down.LongLived != c.long {
				t.Errorf("kept for %v as long-lived, want %v", down.LongLived, c.long)
			}
			if c.late {
				a.mu.Lock()
				pe := a.peers[lo]
				a.mu.Unlock()
				pe.mu.Lock()
				pe.retained = time.Now().Add(-time.Second)
				pe.mu.Unlock()
			}
			if _, up = a.session(c.after); up.Lost != c.lost {
				t.Errorf("it has lost its routes: %v, want %v", up.Lost, c.lost)
			}
		})
	}
}

// TestFRRLongLived: FRR's long-lived stale time is read from its OPEN, and
// FRR reads our capability.
func TestFRRLongLived(t *testing.T) {
	needFRR(t)
	if !inNetns(t) {
		return
	}
	conf := strings.ReplaceAll(frrConf, " bgp graceful-restart\n", " bgp graceful-restart\n bgp long-lived-graceful-restart stale-time 3600\n")
	f := startFRR(t, strings.ReplaceAll(conf, "%s", ""))
	s := run(t, Config{
		Listen: []netip.AddrPort{netip.AddrPortFrom(lo, 179)}, LongLivedTime: 2 * time.Hour,
		Peers: []Peer{{Address: netip.MustParseAddr("127.0.0.2"), Session: Session{AS: 65000, ConnectRetry: 100 * time.Millisecond}}},
	})
	seldom[*evpn.PeerUp](s)
	// FRR 8.4 shows that it has read the capability, not the time in it.
	eventually(t, "FRR has read our capability", func() bool {
		_, shown, _ := strings.Cut(f.vtysh("show bgp neighbors 127.0.0.1"), "Long-lived Graceful Restart: advertised and received")
		_, shown, _ = strings.Cut(shown, "Address families by peer:")
		return strings.HasPrefix(strings.TrimSpace(shown), "L2VPN EVPN")
	})
	f.kill()
	if d := seldom[*evpn.PeerDown](s); d.LongLived != time.Hour {
		t.Errorf("FRR asks for an hour, and we keep its routes for %v (%v)", d.LongLived, s.Peers()[0].Capabilities)
	}
}

// TestRefused: a peer that refuses connections at first, as one does that has
// just lost us, is tried again before a ConnectRetry is over.
func TestRefused(t *testing.T) {
	a := newAgain(t, Config{}, time.Second)
	var began time.Time
	for i := range 4 {
		c, err := a.l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			began = time.Now()
		}
		c.Close()
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the fourth try came %v after the first", took)
	}
}
