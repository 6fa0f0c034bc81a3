package interop

import (
	"encoding/json"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// leaver is evpnd on h1 that is going to end, with FRR on h2 and another
// evpnd on h3 as its peers. Each host has a container.
type leaver struct {
	*fabric
	h1, h2, h3 *lab.Node
	c1, c2     *lab.Container
	e1, e3     *lab.Evpnd
	frr        *lab.FRR
}

func newLeaver(t *testing.T) *leaver {
	t.Helper()
	f := newFabric(t)
	l := &leaver{fabric: f, h1: f.node(1), h2: f.node(2), h3: f.node(3)}
	for _, n := range []*lab.Node{l.h1, l.h2, l.h3} {
		n.AddVNI(vni)
	}
	l.c1, l.c2 = container(l.h1, vni, 11), container(l.h2, vni, 12)
	l.frr = frrVTEP(l.h2, 65000, l.h1.VTEP, 65000)
	l.e3 = l.h3.Evpnd(evpndConfig(l.h3, 65000, l.h1.VTEP, 65000))
	l.e1 = l.h1.Evpnd(fmt.Sprintf("vtep:\n  address: %v\nbgp:\n  asn: 65000\n  peers:\n    - {address: %v, asn: 65000}\n    - {address: %v, asn: 65000}\n",
		l.h1.VTEP, l.h2.VTEP, l.h3.VTEP))
	l.e1.Established(2)
	l.wantRoute(l.frr, imet(vtep1), vtep1)
	l.wantFDB(l.h1, vni, l.c2.MAC, l.h2.VTEP)
	l.wantFDB(l.h3, vni, l.c1.MAC, l.h1.VTEP)
	return l
}

// ended waits until h1's evpnd has ended, with exit status 0, and checks that
// the kernel still has what it had.
func (l *leaver) ended(t *testing.T) {
	t.Helper()
	select {
	case <-l.e1.Done():
	case <-time.After(10 * time.Second):
		t.Fatalf("evpnd runs on:\n%s", l.e1.Output())
	}
	if err := l.e1.Stop(); err != nil {
		t.Errorf("evpnd ended with %v, and systemd would start it again", err)
	}
	l.wantFDB(l.h1, vni, l.c2.MAC, l.h2.VTEP)
	l.h1.FloodsTo(vni, l.h2.VTEP, l.h3.VTEP)
}

// reset returns what FRR says of how its last session with h1 ended.
func (l *leaver) reset() string {
	l.Helper()
	var v map[string]map[string]any
	l.Until(10*time.Second, "FRR's session has ended", func() (bool, string) {
		v = nil // each answer by itself
		ok, out := l.frr.JSON("show bgp neighbors 10.90.1.1", &v)
		return ok && v["10.90.1.1"]["bgpState"] != "Established" && v["10.90.1.1"]["lastResetDueTo"] != nil, out
	})
	why := map[string]any{}
	for _, k := range []string{"lastResetDueTo", "lastErrorCodeSubcode", "lastNotificationReason"} {
		why[k] = v["10.90.1.1"][k]
	}
	text, _ := json.Marshal(why)
	return string(text)
}

// With --withdraw the peers are told, and drop the routes at once.
func TestShutdownWithdraws(t *testing.T) {
	l := newLeaver(t)
	began := time.Now()
	out := l.e1.Ctl("shutdown", "--withdraw")
	if !strings.Contains(out, "goodbye") || strings.Contains(out, "warning") {
		t.Errorf("evpnctl says %q", out)
	}
	l.wantNoRoute(l.frr, "[", vtep1)
	l.wantNoFDB(l.h3, vni, l.c1.MAC)
	t.Logf("FRR and evpnd had dropped the routes after %v", time.Since(began).Round(time.Millisecond))
	if why := l.reset(); !strings.Contains(why, "Notification received") || !strings.Contains(why, "Cease") {
		t.Errorf("FRR says the session ended by %s, want a CEASE", why)
	} else {
		t.Log(why)
	}
	l.ended(t)
}

// Without it, and with SIGTERM, no NOTIFICATION goes out: it would have the
// peers drop the routes in spite of graceful restart.
func TestEndWithoutAWord(t *testing.T) {
	for name, end := range map[string]func(*leaver){
		"shutdown": func(l *leaver) { l.e1.Ctl("shutdown") },
		"SIGTERM":  func(l *leaver) { l.e1.Signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLeaver(t)
			end(l)
			if why := l.reset(); strings.Contains(why, "Notification received") || !strings.Contains(why, "closed the session") {
				t.Errorf("FRR says the session ended by %s, want a closed connection", why)
			} else {
				t.Log(why)
			}
			l.ended(t)
			l.Holds(2*time.Second, "h3 keeps what h1 had told", func() (bool, string) {
				for _, e := range l.h3.FDB(vni.Device()) {
					if e.MAC == l.c1.MAC && e.Dst == vtep1.String() {
						return true, ""
					}
				}
				return false, l.e3.Output()
			})
		})
	}
}
