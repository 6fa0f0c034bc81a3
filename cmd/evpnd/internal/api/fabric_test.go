package api

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// flood is a type 3 route of a VTEP.
func flood(vni evpn.VNI, vtep string) *evpn.Routes {
	r := remote(vni, evpn.MAC{}, "", vtep, 0)
	u := &r.Updates[0]
	u.Reach[0].NLRI = evpn.NLRI{Type: evpn.InclusiveMulticast, RD: evpn.NewRD(addr(vtep), uint16(vni)), IP: addr(vtep)}
	u.Attrs.PMSI = evpn.PMSI{Present: true, Type: evpn.IngressReplication, Label: vni, Endpoint: addr(vtep)}
	return r
}

func (b *bed) faults(t *testing.T) (out []string) {
	t.Helper()
	res, err := b.CheckFabric(t.Context(), &evpndv1.CheckFabricRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range res.GetFaults() {
		if f.GetText() == "" || f.GetEffect() == "" {
			t.Errorf("%s says too little: %v", f.GetCheck(), f)
		}
		out = append(out, strings.ToLower(strings.TrimPrefix(f.GetSeverity().String(), "SEVERITY_"))+" "+f.GetCheck()+" "+f.GetObject())
	}
	return out
}

// Each fault of the fabric is found when it comes, alone, and gone when it is.
func TestFabric(t *testing.T) {
	b := newBed(t, 100, nil)
	b.serving()
	b.engine.step(flood(200, "172.30.0.2"))
	if got := b.faults(t); len(got) != 0 {
		t.Fatalf("a fabric with nothing wrong: %q", got)
	}
	change := func(r *evpn.Routes, f func(*evpn.Attrs)) *evpn.Routes {
		f(r.Updates[0].Attrs)
		return r
	}
	rmac := func(n byte) func(*evpn.Attrs) {
		return func(a *evpn.Attrs) { a.RouterMAC = evpn.MAC{2, 9, 9, 9, 9, n} }
	}
	config := func(imports ...evpn.Target) *evpn.Configure {
		c := evpn.DefaultConfig(65000, addr("172.30.0.1"))
		c.BDs = map[evpn.VNI]evpn.BDConfig{200: {Import: imports}}
		return &evpn.Configure{Config: c}
	}
	for _, c := range []struct {
		want       string
		come, gone []evpn.Event
	}{
		{
			"error next-hop-is-peer peer 10.90.1.254", // RFC 4456 §8: an ORIGINATOR_ID says that it is another's
			[]evpn.Event{change(remote(200, hostMAC(3), "", "10.90.1.254", 0), func(a *evpn.Attrs) { a.OriginatorID = addr("172.30.0.9") })},
			[]evpn.Event{withdraw(remote(200, hostMAC(3), "", "10.90.1.254", 0))},
		},
		{
			"error pmsi-differs vni 200 vtep 172.30.0.4",
			[]evpn.Event{change(flood(200, "172.30.0.3"), func(a *evpn.Attrs) { a.PMSI.Endpoint = addr("172.30.0.4") })},
			[]evpn.Event{flood(200, "172.30.0.3")},
		},
		{
			"warning router-mac vtep 172.30.0.5",
			[]evpn.Event{change(remote(200, hostMAC(4), "", "172.30.0.5", 0), rmac(1)), change(remote(200, hostMAC(5), "", "172.30.0.5", 0), rmac(2))},
			[]evpn.Event{change(remote(200, hostMAC(5), "", "172.30.0.5", 0), rmac(1))},
		},
		{
			"error encapsulation vni 200 vtep 172.30.0.6",
			[]evpn.Event{change(remote(200, hostMAC(6), "", "172.30.0.6", 0), func(a *evpn.Attrs) { a.Encap = evpn.EncapOther })},
			[]evpn.Event{remote(200, hostMAC(6), "", "172.30.0.6", 0)},
		},
		{
			"warning export-not-imported vni 200",
			[]evpn.Event{config(evpn.AnyTarget(999), evpn.Target{RT: evpn.NewRT(65000, 200)}), config(evpn.AnyTarget(999))},
			[]evpn.Event{config()},
		},
	} {
		b.engine.step(c.come...)
		if got := b.faults(t); !slices.Equal(got, []string{c.want}) {
			t.Errorf("faults %q, want %q", got, c.want)
		}
		b.engine.step(c.gone...)
		if got := b.faults(t); len(got) != 0 {
			t.Errorf("%s is gone, and still there is %q", c.want, got)
		}
	}
	// Last, for a count does not go back.
	b.engine.step(remote(999, hostMAC(7), "", "172.30.0.7", 0))
	if got := b.faults(t); !slices.Equal(got, []string{"note routes-ignored peer 10.90.1.254"}) {
		t.Errorf("faults %q", got)
	}
}

// The peers are not listed for each alarm, of which a peer can raise as many as it
// has routes. (Something else lists them now and then.)
func TestFabricListsPeersSeldom(t *testing.T) {
	b := newBed(t, 100, nil)
	b.serving()
	for i := range 9 {
		r := flood(200, fmt.Sprintf("172.30.0.%d", 10+i))
		r.Updates[0].Attrs.PMSI.Endpoint = addr(fmt.Sprintf("172.30.1.%d", 10+i))
		b.engine.step(r)
	}
	b.sessions.mu.Lock()
	b.sessions.listed = 0
	b.sessions.mu.Unlock()
	if got := b.faults(t); len(got) != 9 {
		t.Fatalf("faults %q, want 9", got)
	}
	b.sessions.mu.Lock()
	defer b.sessions.mu.Unlock()
	if b.sessions.listed >= 9 {
		t.Errorf("the peers were listed %d times", b.sessions.listed)
	}
}

// The command for the reflector is one that FRR takes for this host.
func TestFabricFix(t *testing.T) {
	f := alarmFault(&evpn.Alarm{Kind: evpn.AlarmNextHop, Addr: addr("10.90.1.254")}, addr("10.90.1.1"))
	want := "vtysh -c 'configure terminal' -c 'router bgp' -c 'address-family l2vpn evpn' -c 'neighbor 10.90.1.1 attribute-unchanged next-hop'"
	if len(f.GetFix()) != 1 || f.GetFix()[0] != want || f.GetFixOn() == "" {
		t.Errorf("%v", f)
	}
}

// The page for users has a row for each check of the fabric, and no other.
func TestFabricPage(t *testing.T) {
	b, err := os.ReadFile("../../../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(b), "## Checks of the fabric")
	if !ok {
		t.Fatal("the page has no section for the fabric")
	}
	var got, want []string
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, "|"); len(cells) > 3 && strings.HasPrefix(cells[1], " `") {
			got = append(got, strings.Trim(cells[1], " `")+": "+strings.TrimSpace(cells[2]))
		}
	}
	for _, c := range fabricChecks {
		want = append(want, c.name+": "+c.looks)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the page has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
