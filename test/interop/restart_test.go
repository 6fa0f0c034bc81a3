package interop

import (
	"net"
	"testing"
	"time"
)

// A reflector that is killed and comes back changes nothing for the hosts:
// what it had told stays in the kernel until it has told it again, and until
// the others are back with it too (docs/adr/0005).
func TestReflectorKilled(t *testing.T) {
	m := newMixed(t)
	reachAll(t, m.c1, m.c3)
	m.wantFDB(m.h1, vni, m.c3.MAC, m.h3.VTEP)
	watch := m.h1.WatchFDB(vni.Device())
	ping := m.c1.StartPing(m.c3.IPv4, 20*time.Millisecond)
	m.rr.BGPd.Crash()
	// Not before evpnd has seen it fall.
	m.Until(10*time.Second, "the session is down", func() (bool, string) {
		for _, p := range m.e1.Peers() {
			if p.State == "established" {
				return false, m.e1.Ctl("peer", "list")
			}
		}
		return true, ""
	})
	m.rr.StartBGP()
	m.rr.Established(3)
	m.e1.Established(1)
	m.e3.Established(1)
	answers := ping.Answers()
	m.Until(5*time.Second, "pings go on", func() (bool, string) { return ping.Answers() > answers+20, ping.Output() })
	r := ping.Stop()
	t.Logf("reflector killed and started: %s", r.Summary)
	if r.Lost() > 0 {
		t.Errorf("%d of %d pings lost", r.Lost(), r.Transmitted)
	}
	for _, mac := range []string{m.c2.MAC, m.c3.MAC, "00:00:00:00:00:00"} {
		hw, err := net.ParseMAC(mac)
		if err != nil {
			t.Fatal(err)
		}
		if n := watch.Removals([6]byte(hw)); n > 0 {
			t.Errorf("h1's entries of %s were removed %d times", mac, n)
		}
	}
}
