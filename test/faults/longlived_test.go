package faults

import (
	"encoding/json"
	"syscall"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

// TestLongLived: a VTEP's daemon is away for longer than its restart time, and
// has asked for its routes to be kept beyond that (RFC 9494). The reflector
// passes them on as stale, the other VTEP shows them so, and the hosts feel
// nothing.
func TestLongLived(t *testing.T) {
	s := newSite(t, options{
		bgp:       "  restart-time: 1s\n  long-lived-stale-time: 10m\n",
		reflector: []string{"-long-lived", "600"},
	}, gobgp)
	s.introduce()
	e := s.v2.(*evpndVTEP)
	ping := s.c2.StartPing(s.c1.IPv4, interval, "-l", "3")
	s.v1.end(syscall.SIGKILL)
	s.Until(limit, "h2 shows the routes of h1 as long-lived stale", func() (bool, string) {
		out := e.Ctl("route", "list", "--received", "-o", "json")
		var routes []struct {
			NextHop string `json:"next_hop"`
			Stale   bool   `json:"stale"`
			Long    bool   `json:"long_lived_stale"`
		}
		if err := json.Unmarshal([]byte(out), &routes); err != nil {
			return false, err.Error() + "\n" + out
		}
		for _, r := range routes {
			if r.NextHop != s.h1.VTEP.String() || !r.Stale || !r.Long {
				return false, out
			}
		}
		return len(routes) >= 2, out // type 3 and type 2
	})
	var mac lab.MAC
	for _, m := range e.MACs(vni.VNI) {
		if m.MAC == s.c1.MAC {
			mac = m
		}
	}
	if mac.State != "stale" || mac.VTEP != s.h1.VTEP.String() {
		t.Errorf("h2 shows %+v, want a stale MAC behind h1", mac)
	}
	at := ping.Answers()
	s.Until(limit, "pings go on", func() (bool, string) {
		return ping.Answers() > at+100, ping.Output()
	})
	s.v1.start()
	s.whole()
	r := ping.Stop()
	t.Logf("away beyond the restart time: %s", r.Summary)
	if r.Lost() > 0 {
		t.Errorf("%d of %d pings lost, want none", r.Lost(), r.Transmitted)
	}
}
