package api

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// ask returns the answer and what was told of the progress.
func (b *bed) ask(t *testing.T, req *evpndv1.ExplainRequest) (*evpndv1.ExplainResponse, []string) {
	t.Helper()
	stream, err := b.Explain(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for {
		res, err := stream.Recv()
		if err != nil {
			t.Fatalf("explain: %v", err)
		}
		if res.GetProgress() == "" {
			return res, told
		}
		told = append(told, res.GetProgress())
	}
}

func TestExplainMAC(t *testing.T) {
	b := newBed(t, 100, nil)
	b.serving()
	m := hostMAC(2)
	b.kernel.held = map[evpn.MACKey]dataplane.KernelView{{VNI: 200, MAC: m}: {
		Entries: []string{m.String() + " dev vxlan200 dst 172.30.0.9 self permanent"}, Differs: "the VXLAN device sends it to 172.30.0.9, not to 172.30.0.2",
	}}
	b.engine.step(remote(200, m, "", "172.30.0.7", 3))
	res, told := b.ask(t, &evpndv1.ExplainRequest{Mac: m.String()})
	if len(res.GetExplanations()) != 1 || len(told) != 0 || res.GetRefreshed() || b.sessions.asked != 0 {
		t.Fatalf("the peers were asked for what is known: %v, %q", res, told)
	}
	x := res.GetExplanations()[0]
	if x.GetVni() != 200 || !x.GetKnown() || !strings.HasPrefix(x.GetVerdict(), "it is behind VTEP 172.30.0.2, with the mobility sequence 4: ") || len(x.GetCandidates()) != 2 {
		t.Errorf("explained as %v", x)
	}
	for _, c := range x.GetCandidates() {
		chosen := c.GetRoute().GetNextHop() == "172.30.0.2"
		if c.GetChosen() != chosen || c.GetReason() == "" || c.GetImportedBy() != "*:200" || c.GetTarget() != "65000:200" || len(c.GetSteps()) != 3 {
			t.Errorf("candidate %v", c)
		}
	}
	k := x.GetKernel()
	if len(k) != 1 || k[0].GetWanted() != m.String()+" dev vxlan200 dst 172.30.0.2 extern_learn" || k[0].GetDiffers() == "" || len(x.GetAdvice()) != 1 {
		t.Errorf("the kernel: %v, advice %q", k, x.GetAdvice())
	}

	// A host of this VTEP.
	res, _ = b.ask(t, &evpndv1.ExplainRequest{Vni: 200, Mac: hostMAC(1).String()})
	if x := res.GetExplanations()[0]; !strings.HasPrefix(x.GetVerdict(), "it is on this host, behind port veth7") || len(x.GetKernel()) != 0 {
		t.Errorf("explained as %v", x)
	}
}

func TestExplainWhatIsNotKept(t *testing.T) {
	b := newBed(t, 100, nil)
	b.serving()
	seen := func(next, target string, discard wire.Discard) bgp.CapturedRoute {
		rt, err := evpn.ParseRT(target)
		if err != nil {
			t.Fatal(err)
		}
		r := remote(200, hostMAC(9), "172.18.0.99", next, 0).Updates[0]
		r.Attrs.Targets = []evpn.RT{rt}
		s := bgp.CapturedRoute{Peer: addr("10.90.1.254"), Route: r.Reach[0], Attrs: r.Attrs, Discard: discard}
		if discard != 0 {
			s.Attrs = nil
		}
		return s
	}
	for _, c := range []struct {
		name   string
		sends  []bgp.CapturedRoute
		reason string
		advice string
	}{
		{"foreign target", []bgp.CapturedRoute{seen("172.30.0.5", "65000:999", 0)}, "VNI 200 imports *:200, and the route has 65000:999", "give VNI 200 the import target 65000:999"},
		{"own next hop", []bgp.CapturedRoute{seen("172.30.0.1", "65000:200", 0)}, "its next hop 172.30.0.1 is this host's own VTEP address", ""},
		{"AS loop", []bgp.CapturedRoute{seen("172.30.0.5", "65000:200", wire.DiscardASLoop)}, "our own AS is in its AS_PATH", ""},
		{"at the limit", []bgp.CapturedRoute{seen("172.30.0.5", "65000:200", 0)}, "VNI 200 imports it by *:200, but the peer is at its limit", ""},
		{"of another", []bgp.CapturedRoute{{Peer: addr("10.90.1.254"), Route: evpn.Route{NLRI: evpn.NLRI{Type: evpn.MACIP, MAC: hostMAC(8)}}}}, "", "no peer sends it"},
	} {
		b.sessions.sends = c.sends
		for _, req := range []*evpndv1.ExplainRequest{{Vni: 200, Mac: hostMAC(9).String()}, {Vni: 200, Ip: "172.18.0.99"}} {
			res, told := b.ask(t, req)
			if x := res.GetExplanations()[0]; x.GetKnown() || !res.GetRefreshed() || len(told) == 0 {
				t.Fatalf("%s: %v, told %q", c.name, res, told)
			} else if !strings.Contains(strings.Join(x.GetAdvice(), "\n"), c.advice) {
				t.Errorf("%s: advice %q", c.name, x.GetAdvice())
			}
			switch u := res.GetUnkept(); {
			case c.reason == "" && len(u) != 0:
				t.Errorf("%s: not kept: %v", c.name, u)
			case c.reason != "" && (len(u) != 1 || !strings.HasPrefix(u[0].GetReasons()[0], c.reason) || u[0].GetRoute().GetPeer() != "10.90.1.254"):
				t.Errorf("%s: not kept: %v", c.name, u)
			}
			p := res.GetPeers()
			if len(p) != 2 || p[0].GetAsked() || p[0].GetNote() == "" || p[0].GetError() != "connection refused" || !p[1].GetAsked() || p[1].GetDiscarded()["bad-mac"] != 2 {
				t.Errorf("%s: peers %v", c.name, p)
			}
		}
	}
	b.sessions.sends = []bgp.CapturedRoute{seen("172.30.0.5", "65000:999", 0)}
	all, _ := b.ask(t, &evpndv1.ExplainRequest{Mac: hostMAC(9).String()})
	if u := all.GetUnkept(); len(u) != 1 || u[0].GetReasons()[0] != "no VNI that is served here imports its targets: 65000:999" || !strings.HasPrefix(all.GetExplanations()[0].GetAdvice()[0], "give the VNI the import target 65000:999") {
		t.Errorf("of all VNIs: %v", all)
	}
	looked := b.sessions.asked
	res, _ := b.ask(t, &evpndv1.ExplainRequest{Mac: hostMAC(9).String(), Refresh: evpndv1.Refresh_REFRESH_NEVER})
	if b.sessions.asked != looked || res.GetExplanations()[0].GetVni() != 0 || !slices.ContainsFunc(res.GetExplanations()[0].GetAdvice(), func(s string) bool { return strings.Contains(s, "--refresh always") }) {
		t.Errorf("never: %v", res)
	}
	// What a VNI would have that is not served is no riddle.
	res, _ = b.ask(t, &evpndv1.ExplainRequest{Vni: 300, Mac: hostMAC(9).String()})
	if b.sessions.asked != looked || !strings.Contains(res.GetExplanations()[0].GetVerdict(), "it is in no bridge") {
		t.Errorf("not served: %v", res)
	}
}

func TestExplainVTEPAndVNI(t *testing.T) {
	b := newBed(t, 100, nil)
	b.serving()
	res, _ := b.ask(t, &evpndv1.ExplainRequest{Vtep: "172.30.0.2"})
	x := res.GetExplanations()[0]
	if !x.GetKnown() || !strings.HasPrefix(x.GetVerdict(), "it is not flooded to in VNI 200: it announces MACs, but no type 3 route") || x.GetFacts()[0].GetValue() != "1, by 1 type 2 routes" {
		t.Errorf("explained as %v", x)
	}
	res, _ = b.ask(t, &evpndv1.ExplainRequest{Vni: 200})
	facts := map[string]string{}
	for _, f := range res.GetExplanations()[0].GetFacts() {
		facts[f.GetName()] = f.GetValue()
	}
	if facts["device"] != "vxlan200" || facts["import targets"] != "*:200 (vnis.targets: auto)" || facts["macs"] != "1 local, 1 remote" || facts["routes"] != "3 announced, 1 received and kept" {
		t.Errorf("facts %v", facts)
	}
	for vni, want := range map[uint32]string{300: "it is in no bridge", 400: "no VXLAN device has it"} {
		res, _ = b.ask(t, &evpndv1.ExplainRequest{Vni: vni})
		if x := res.GetExplanations()[0]; x.GetKnown() || !strings.Contains(x.GetVerdict(), want) {
			t.Errorf("VNI %d: %v", vni, x)
		}
	}
}

func TestExplainRequests(t *testing.T) {
	b := newBed(t, 100, nil)
	for _, c := range []struct {
		req  *evpndv1.ExplainRequest
		word string
	}{
		{&evpndv1.ExplainRequest{}, "want a MAC, an address, a VTEP or a VNI"},
		{&evpndv1.ExplainRequest{Mac: "02:42:00:00:00:01", Ip: "172.18.0.1"}, "want one of"},
		{&evpndv1.ExplainRequest{Mac: "web1"}, "web1"},
		{&evpndv1.ExplainRequest{Ip: "nowhere"}, "nowhere"},
		{&evpndv1.ExplainRequest{Vni: 1 << 24}, "VNI 16777216"},
		{&evpndv1.ExplainRequest{Vni: 200, Refresh: 7}, "refresh 7"},
	} {
		stream, err := b.Explain(t.Context(), c.req)
		if err == nil {
			_, err = stream.Recv()
		}
		wantError(t, err, codes.InvalidArgument, c.word)
	}
}

func TestDiffConfig(t *testing.T) {
	b := newBed(t, 100, nil)
	last := func(req *evpndv1.DiffConfigRequest) (*evpndv1.DiffConfigResponse, error) {
		stream, err := b.DiffConfig(t.Context(), req)
		if err != nil {
			return nil, err
		}
		for {
			res, err := stream.Recv()
			if err != nil || res.GetProgress() == "" {
				return res, err
			}
		}
	}
	_, err := last(&evpndv1.DiffConfigRequest{})
	wantError(t, err, codes.FailedPrecondition, "nothing to compare with")
	b.srv.deps.Diff = func(_ context.Context, text []byte, name string, n int, progress func(string) error) (*evpndv1.ConfigDiff, error) {
		if string(text) == "wrong" {
			return nil, errors.New(name + ":1: wrong")
		}
		return &evpndv1.ConfigDiff{Settings: []*evpndv1.SettingChange{{Key: "bgp.asn"}}}, progress("VNI 200")
	}
	_, err = last(&evpndv1.DiffConfigRequest{Text: []byte("wrong"), Name: "new.yaml"})
	wantError(t, err, codes.FailedPrecondition, "the configuration would not be taken: new.yaml:1: wrong")
	_, err = last(&evpndv1.DiffConfigRequest{Entries: 1001})
	wantError(t, err, codes.InvalidArgument, "want at most 1000")
	if res, err := last(&evpndv1.DiffConfigRequest{Text: []byte("right")}); err != nil || len(res.GetDiff().GetSettings()) != 1 {
		t.Errorf("difference %v, %v", res, err)
	}
}
