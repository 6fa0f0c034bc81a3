package evpn

import (
	"net/netip"
	"testing"
)

// TestWanted: what is wanted of a VNI is what all deltas add up to, and to
// be told again by Reassert changes nothing.
func TestWanted(t *testing.T) {
	e := loaded()
	e.Step(load(250, there2, 0))
	ip := netip.MustParseAddr("172.18.0.9")
	host := load(1, there3, 1)
	host.Updates[0].Reach[0].IP = ip
	imet := Update{
		Attrs: &Attrs{NextHop: there3, Encap: EncapVXLAN, Targets: []RT{NewRT(65000, 200)}, PMSI: PMSI{Present: true, Type: IngressReplication, Label: 200, Endpoint: there3}},
		Reach: []Route{{NLRI: NLRI{Type: InclusiveMulticast, RD: NewRD(there3, 1), IP: there3}}},
	}
	host.Updates = append(host.Updates, imet)
	e.Step(host)
	e.Step(&LocalMAC{VNI: 200, MAC: MAC{2, 9}, Port: 3})
	var sum Delta
	for d := e.takeDelta(100); !d.Empty(); d = e.takeDelta(100) {
		sum.Flood, sum.FDB, sum.Neigh = append(sum.Flood, d.Flood...), append(sum.FDB, d.FDB...), append(sum.Neigh, d.Neigh...)
	}
	same := func(what string, got Delta) {
		t.Helper()
		fdb := make(map[FDB]bool)
		for _, f := range got.FDB {
			fdb[f] = true
		}
		for _, f := range sum.FDB {
			if !fdb[f] {
				t.Errorf("%s: %+v is not there", what, f)
			}
		}
		if len(got.FDB) != 250 || len(fdb) != 250 || len(got.Flood) != 1 || got.Flood[0] != sum.Flood[0] || len(got.Neigh) != 1 || got.Neigh[0] != sum.Neigh[0] {
			t.Errorf("%s: %d FDB entries, flood %v, neighbors %v; the deltas were %d, %v, %v", what, len(got.FDB), got.Flood, got.Neigh, len(sum.FDB), sum.Flood, sum.Neigh)
		}
	}
	same("Wanted", e.Wanted(200))
	ev := &Reassert{VNI: 200, Dests: []Via{{VTEP: there3, VNI: 200}}, IPs: []netip.Addr{ip}}
	for _, f := range sum.FDB {
		ev.MACs = append(ev.MACs, f.MAC)
	}
	e.Step(ev)
	same("Reassert", e.takeDelta(1000))
	e.Step(&Reassert{VNI: 200, MACs: []MAC{{2, 9}, {2, 8}}})
	for _, f := range e.takeDelta(10).FDB {
		if f.Want {
			t.Errorf("a MAC that is here, or nowhere, is wanted: %+v", f)
		}
	}
	if d := e.Wanted(201); !d.Empty() {
		t.Errorf("of a VNI that is not served is wanted %+v", d)
	}
}
