package interop

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// frrMAC waits until FRR has the MAC behind the VTEP, or locally when vtep is
// not valid, with the mobility sequence that it has there.
func (f *fabric) frrMAC(frr *lab.FRR, mac string, vtep netip.Addr, sequence int) {
	f.Helper()
	f.Until(10*time.Second, fmt.Sprintf("FRR has %s behind %v with sequence %d", mac, vtep, sequence), func() (bool, string) {
		var v struct {
			MACs map[string]struct {
				Type   string `json:"type"`
				VTEP   string `json:"remoteVtep"`
				Local  int    `json:"localSequence"`
				Remote int    `json:"remoteSequence"`
			} `json:"macs"`
		}
		ok, out := frr.JSON("show evpn mac vni 100", &v)
		m := v.MACs[mac]
		if vtep.IsValid() {
			return ok && m.Type == "remote" && m.VTEP == vtep.String() && m.Remote == sequence, out
		}
		return ok && m.Type == "local" && m.Local == sequence, out
	})
}

// A container moves from FRR to evpnd and back, while it is pinged from a
// third host.
func TestMove(t *testing.T) {
	m := newMixed(t)
	reachAll(t, m.c1, m.c2, m.c3)
	ping := m.c3.StartPing(m.c2.IPv4, 50*time.Millisecond)
	for _, to := range []*lab.Node{m.h1, m.h2} {
		m.c2.MoveTo(to, vni)
		m.c2.Announce()
		m.wantFDB(m.h3, vni, m.c2.MAC, to.VTEP)
		m.e3.KnowsMAC(100, m.c2.MAC, to.VTEP)
		before := ping.Answers()
		m.Until(5*time.Second, "answers from "+to.Short, func() (bool, string) {
			return ping.Answers() > before+5, ping.Output()
		})
	}
	r := ping.Stop()
	t.Logf("two moves, 20 pings a second: %s", r.Summary)
	if r.Lost() > 60 {
		t.Errorf("%d of %d pings lost by two moves, want at most 60, which is 3 s", r.Lost(), r.Transmitted)
	}
	// FRR leaves the VXLAN device's own entry behind when a MAC comes to its
	// side, so this is asked of evpnd alone.
	m.c2.MoveTo(m.h3, vni)
	m.c2.Announce()
	m.e3.KnowsMAC(100, m.c2.MAC, none)
	m.wantNoFDB(m.h3, vni, m.c2.MAC)
	m.wantFDB(m.h1, vni, m.c2.MAC, m.h3.VTEP)
	reachAll(t, m.c1, m.c2, m.c3)
}

// The same MAC shows on one host, then on another that knows it from the
// first: each step is advertised with the next mobility sequence, and every
// one follows it (RFC 7432 §15).
func TestSequence(t *testing.T) {
	m := newMixed(t)
	twins := map[*lab.Node]*lab.Container{}
	const mac = "02:42:ac:12:00:63"
	for _, n := range []*lab.Node{m.h1, m.h2} {
		c := n.Container("twin"+n.Short, vni, mac, netip.MustParsePrefix("172.18.0.99/16"))
		twins[n] = c
	}
	for sequence, at := range []*lab.Node{m.h2, m.h1, m.h2, m.h1} {
		twins[at].Announce()
		if at == m.h1 {
			m.frrMAC(m.frr, mac, m.h1.VTEP, sequence)
			m.wantFDB(m.h2, vni, mac, m.h1.VTEP)
			m.wantRoute(m.frr, macip(mac, none), m.h1.VTEP, fmt.Sprintf("MM:%d", sequence))
			m.wantNoFDB(m.h1, vni, mac)
			if got := m.e1.KnowsMAC(100, mac, none).Sequence; got != uint32(sequence) {
				t.Errorf("evpnd on h1 shows sequence %d, want %d", got, sequence)
			}
		} else {
			m.frrMAC(m.frr, mac, none, sequence)
			m.wantFDB(m.h1, vni, mac, m.h2.VTEP)
		}
		m.wantFDB(m.h3, vni, mac, at.VTEP)
		if got := m.e3.KnowsMAC(100, mac, at.VTEP).Sequence; got != uint32(sequence) {
			t.Errorf("evpnd on h3 shows sequence %d behind %s, want %d", got, at.Short, sequence)
		}
	}
}

// A MAC that FRR says is static is installed so that the bridge does not
// move it (RFC 7432 §15.2).
func TestSticky(t *testing.T) {
	m := newMixed(t)
	const mac = "02:42:ac:12:00:77"
	m.h2.Bridge("fdb", "add", mac, "dev", m.c2.Port, "master", "static", "sticky")
	m.wantRoute(m.rr.FRR, macip(mac, none), m.h2.VTEP, "MM:0,", "sticky", "MAC")
	if got := m.e1.KnowsMAC(100, mac, m.h2.VTEP); !got.Sticky {
		t.Errorf("evpnd shows %+v, want it sticky", got)
	}
	m.Until(5*time.Second, "h1's bridge has the MAC as sticky", func() (bool, string) {
		for _, e := range m.h1.FDB(vni.Device()) {
			if e.MAC == mac && e.Master == vni.Bridge() {
				for _, flag := range e.Flags {
					if flag == "sticky" {
						return true, ""
					}
				}
			}
		}
		return false, m.h1.Bridge("fdb", "show", "dev", vni.Device())
	})
}
