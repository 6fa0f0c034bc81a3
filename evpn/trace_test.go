package evpn

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A trace is a story: lines that start with "> " are events, the lines below
// each say what follows from it for the kernel (flood, fdb, neigh), the peers
// (tell, untell, refresh [of one], reset of one) and the operator (alarm). Words of an event:
//
//	vni 200 up 10.0.0.1          vni 200 down
//	mac 200 :0a port 3 [static]  mac 200 :0a gone
//	ip 200 172.18.0.10 :0a [router] ip 200 172.18.0.10 gone
//	peer 10.9.9.9 up [external] [limit 5 [reset]]  peer 10.9.9.9 down [90s]   peer 10.9.9.9 eor
//	10.9.9.9 macip RD 200 :0b [172.18.0.11] via 10.0.0.2 [seq 3] [sticky] [rt 65000:200] [tag 5] [encap mpls] [label 7] [router]
//	10.9.9.9 imet RD 200 via 10.0.0.2 [endpoint 10.0.0.7] [pmsi 1]
//	10.9.9.9 withdraw macip|imet ...
//	time 90s
//	targets 200 IMPORT EXPORT
//	settings 200 [macs 2] [ips 2] [sticky :0b] [gateway 172.18.0.1] [moves 3] [window 60s] [recover 60s] [noflood]
//	unfreeze 200 :0b|172.18.0.11
//	restart                      evpnd; what the kernel and the peers hold stays
//
// A MAC is written by its last byte; the rest is 02:42:ac:12:00.
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/traces/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces found: %v", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
			var got []string
			w := newWorld()
			for _, l := range lines {
				switch {
				case strings.HasPrefix(l, "> "):
					got = append(got, l)
					got = append(got, w.play(t, l[2:])...)
				case l == "" || strings.HasPrefix(l, "#"):
					got = append(got, l)
				}
			}
			if diff := cmp.Diff(lines, got); diff != "" {
				t.Errorf("story and engine differ (-story +engine):\n%s", diff)
			}
			checkVariants(t, lines, w)
		})
	}
}

// checkVariants plays the events of a trace in other ways that must end in
// the same state: each event twice, and with nothing fetched until the end.
func checkVariants(t *testing.T, lines []string, want *world) {
	twice, squashed := newWorld(), newWorld()
	for _, l := range lines {
		if ev, ok := strings.CutPrefix(l, "> "); ok {
			twice.play(t, ev)
			twice.play(t, ev)
			squashed.step(t, ev)
		}
	}
	squashed.fetch()
	for name, w := range map[string]*world{"each event twice": twice, "nothing fetched until the end": squashed} {
		if diff := cmp.Diff(want.state(), w.state()); diff != "" {
			t.Errorf("%s: ends in another state (-once +variant):\n%s", name, diff)
		}
	}
}

// world is an engine and what its outputs add up to: a kernel, and what the
// peers have been told.
type world struct {
	e      *Engine
	start  time.Time
	kernel map[string]string
	peers  map[string]string
	alarms []string
	probes []string
}

// testConfig is that of 10.0.0.1 in AS 65000, with the defaults, save that it
// stops to flood to a VTEP at once.
func testConfig() Config {
	c := DefaultConfig(65000, netip.MustParseAddr("10.0.0.1"))
	c.FloodHold = 0
	return c
}

// duplicates is testConfig with another rule for duplicates.
func duplicates(d DuplicateConfig) Config {
	c := testConfig()
	c.Duplicate = d
	return c
}

func newWorld() *world {
	w := &world{start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), kernel: map[string]string{}, peers: map[string]string{}}
	w.begin(PersistentState{})
	return w
}

// begin has a new engine take over, with what the last one remembered.
func (w *world) begin(m PersistentState) {
	c := testConfig()
	c.ConfiguredPeers = []netip.Addr{netip.MustParseAddr("10.9.9.9")}
	c.StaleHold = 0
	w.e = New(c)
	w.e.Restore(m)
	w.e.Step(&Tick{Now: w.start})
}

func (w *world) play(t *testing.T, line string) []string {
	w.step(t, line)
	return w.fetch()
}

func (w *world) step(t *testing.T, line string) {
	t.Helper()
	if line == "restart" {
		w.begin(w.e.PersistentState())
		return
	}
	ev, err := parseEvent(line, w.start)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	w.e.Step(ev)
}

// fetch takes the outputs, applies them and renders them.
func (w *world) fetch() (out []string) {
	for d := w.e.takeDelta(100); !d.Empty(); d = w.e.takeDelta(100) {
		for _, f := range d.Flood {
			out = append(out, w.apply(w.kernel, fmt.Sprintf("flood %d %s", f.VNI, f.Via.Text(f.VNI)), "", f.Want))
		}
		for _, f := range d.FDB {
			v := f.Via.Text(f.VNI)
			if f.Sticky {
				v += " sticky"
			}
			out = append(out, w.apply(w.kernel, fmt.Sprintf("fdb %d %s", f.VNI, short(f.MAC)), v, f.Want))
		}
		for _, p := range d.Probe {
			q := fmt.Sprintf("probe %d %s %s", p.VNI, p.IP, short(p.MAC))
			if p.Conflict {
				q += " doubt"
			}
			w.probes = append(w.probes, q)
		}
		for _, n := range d.Neigh {
			v := short(n.MAC)
			if n.Router {
				v += " router"
			}
			out = append(out, w.apply(w.kernel, fmt.Sprintf("neigh %d %s", n.VNI, n.IP), v, n.Want))
		}
	}
	out = append(out, w.probes...)
	w.probes = nil
	for as := w.e.takeAdverts(3); len(as) > 0; as = w.e.takeAdverts(3) {
		for _, a := range as {
			key := fmt.Sprintf("tell %s", strings.ReplaceAll(a.NLRI.String(), "02:42:ac:12:00", ""))
			if a.Attrs == nil {
				delete(w.peers, key)
				out = append(out, "un"+key)
				continue
			}
			v := attrs(a)
			w.peers[key] = v
			out = append(out, key+" "+v)
		}
	}
	if w.e.takeRefresh() {
		out = append(out, "refresh")
	}
	for _, c := range w.e.takePeerActions() {
		if c.Reset {
			out = append(out, "reset "+c.Peer.String())
		} else {
			out = append(out, "refresh "+c.Peer.String())
		}
	}
	var alarms []string
	for _, a := range w.e.Alarms() {
		s := fmt.Sprintf("alarm %s %d %s", a.Kind, a.VNI, short(a.MAC))
		switch a.Kind {
		case AlarmPeerLimit:
			s = fmt.Sprintf("alarm %s %s", a.Kind, a.Addr)
		case AlarmDuplicateIP, AlarmStale:
			s = fmt.Sprintf("alarm %s %d %s", a.Kind, a.VNI, a.Addr)
		}
		alarms = append(alarms, s)
	}
	for _, a := range alarms {
		if !slices.Contains(w.alarms, a) {
			out = append(out, a)
		}
	}
	for _, a := range w.alarms {
		if !slices.Contains(alarms, a) {
			out = append(out, "un"+a)
		}
	}
	w.alarms = alarms
	return out
}

func (w *world) apply(m map[string]string, key, value string, want bool) string {
	if !want {
		delete(m, key)
		return "un" + key
	}
	m[key] = value
	return strings.TrimSpace(key + " " + value)
}

func (w *world) state() map[string]string {
	s := map[string]string{"alarms": strings.Join(w.alarms, "\n")}
	for _, m := range []map[string]string{w.kernel, w.peers} {
		for k, v := range m {
			s[k] = v
		}
	}
	return s
}

func short(m MAC) string { return strings.TrimPrefix(m.String(), "02:42:ac:12:00") }

func attrs(a Advert) string {
	s := fmt.Sprintf("via %s rt %v", a.Attrs.NextHop, a.Attrs.Targets)
	if a.Type == MACIP {
		s += fmt.Sprintf(" label %d seq %d", a.Label, a.Attrs.Mobility.Seq)
	}
	if a.Attrs.Mobility.Sticky {
		s += " sticky"
	}
	for _, f := range []struct {
		set  bool
		name string
	}{{a.Attrs.ND.Router, "router"}, {a.Attrs.ND.Override, "override"}, {a.Attrs.ND.Immutable, "immutable"}} {
		if f.set {
			s += " " + f.name
		}
	}
	if a.Attrs.PMSI.Present {
		s += fmt.Sprintf(" pmsi %d %s", a.Attrs.PMSI.Label, a.Attrs.PMSI.Endpoint)
	}
	return s
}

// words is the rest of an event's line.
type words []string

func (w *words) next() string {
	if len(*w) == 0 {
		return ""
	}
	s := (*w)[0]
	*w = (*w)[1:]
	return s
}

func (w *words) addr() netip.Addr { a, _ := netip.ParseAddr(w.next()); return a }

func (w *words) num() int { n, _ := strconv.Atoi(w.next()); return n }

func (w *words) mac() MAC {
	s := w.next()
	if strings.HasPrefix(s, ":") {
		s = "02:42:ac:12:00" + s
	}
	m, err := ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

func parseEvent(line string, start time.Time) (Event, error) {
	w := words(strings.Fields(line))
	switch first := w.next(); first {
	case "time":
		d, err := time.ParseDuration(w.next())
		return &Tick{Now: start.Add(d)}, err
	case "vni":
		n := VNI(w.num())
		if w.next() == "down" {
			return &BDDown{VNI: n}, nil
		}
		return &BDUp{VNI: n, VTEP: w.addr()}, nil
	case "mac":
		n, m := VNI(w.num()), w.mac()
		if w.next() == "gone" {
			return &LocalMACGone{VNI: n, MAC: m}, nil
		}
		return &LocalMAC{VNI: n, MAC: m, Port: w.num(), Static: w.next() == "static"}, nil
	case "ip":
		n, ip := VNI(w.num()), w.addr()
		if w[0] == "gone" {
			return &LocalIPGone{VNI: n, IP: ip}, nil
		}
		ev := &LocalIP{VNI: n, IP: ip, MAC: w.mac()}
		for len(w) > 0 {
			f := w.next()
			ev.Router, ev.Override, ev.Immutable = ev.Router || f == "router", ev.Override || f == "override", ev.Immutable || f == "immutable"
		}
		return ev, nil
	case "peer":
		return parsePeer(w)
	case "settings":
		return parseSettings(w)
	case "unfreeze":
		ev := &Unfreeze{VNI: VNI(w.num())}
		if ip, err := netip.ParseAddr(w[0]); err == nil {
			ev.IP = ip
		} else {
			ev.MAC = w.mac()
		}
		return ev, nil
	case "targets":
		c := testConfig()
		c.BDs = map[VNI]BDConfig{}
		n := VNI(w.num())
		im, err := ParseTarget(w.next())
		ex, err2 := ParseRT(w.next())
		c.BDs[n] = BDConfig{Import: []Target{im}, Export: []RT{ex}}
		if err == nil {
			err = err2
		}
		return &Configure{Config: c}, err
	default:
		from, err := netip.ParseAddr(first)
		if err != nil {
			return nil, err
		}
		u, err := parseRoute(w)
		return &Routes{Peer: from, Updates: []Update{u}}, err
	}
}

func parseSettings(w words) (Event, error) {
	v := VNI(w.num())
	c := testConfig()
	duplicate := c.Duplicate
	set := BDConfig{Duplicate: &duplicate, Limits: &Limits{}}
	for len(w) > 0 {
		var err error
		switch word := w.next(); word {
		case "floodhold":
			c.FloodHold, err = time.ParseDuration(w.next())
		case "noflood":
			off := true
			set.NoFlood = &off
		case "macs":
			set.Limits.LocalMACs = w.num()
		case "ips":
			set.Limits.IPsPerMAC = w.num()
		case "sticky":
			set.Sticky = append(set.Sticky, w.mac())
		case "gateway":
			set.Gateways = append(set.Gateways, w.addr())
		case "moves":
			set.Duplicate.Moves = w.num()
		case "window":
			set.Duplicate.Window, err = time.ParseDuration(w.next())
		case "recover":
			set.Duplicate.Recover, err = time.ParseDuration(w.next())
		default:
			err = fmt.Errorf("unknown word %q", word)
		}
		if err != nil {
			return nil, err
		}
	}
	c.BDs, c.StaleHold = map[VNI]BDConfig{v: set}, 0
	c.ConfiguredPeers = []netip.Addr{netip.MustParseAddr("10.9.9.9")}
	return &Configure{Config: c}, nil
}

func parsePeer(w words) (Event, error) {
	p := w.addr()
	switch s := w.next(); s {
	case "up":
		ev := &PeerUp{Peer: p, RouterID: p, Internal: true}
		for len(w) > 0 {
			switch word := w.next(); word {
			case "external":
				ev.Internal = false
			case "lost":
				ev.Lost = true
			case "limit":
				ev.Limit.Routes = w.num()
			case "reset":
				ev.Limit.Reset = true
			default:
				return nil, fmt.Errorf("unknown word %q", word)
			}
		}
		return ev, nil
	case "down":
		ev := &PeerDown{Peer: p}
		for len(w) > 0 {
			word := w.next()
			if word == "goodbye" {
				ev.Goodbye = true
				continue
			}
			// How long, and how long after that.
			d, err := time.ParseDuration(word)
			if err != nil {
				return nil, err
			}
			if ev.Retain == 0 {
				ev.Retain = d
			} else {
				ev.LongLived = d
			}
		}
		return ev, nil
	case "eor":
		return &EndOfRIB{Peer: p}, nil
	default:
		return nil, fmt.Errorf("unknown word %q", s)
	}
}

func parseRoute(w words) (u Update, err error) {
	kind := w.next()
	gone := kind == "withdraw"
	if gone {
		kind = w.next()
	}
	r := Route{}
	if r.RD, err = ParseRD(w.next()); err != nil {
		return u, err
	}
	r.Label = VNI(w.num())
	a := &Attrs{Encap: EncapVXLAN, Targets: []RT{NewRT(65000, uint32(r.Label))}}
	r.Type = InclusiveMulticast
	if kind == "macip" {
		r.Type, r.MAC = MACIP, w.mac()
		if ip, perr := netip.ParseAddr(slices.Concat(w, words{""})[0]); perr == nil {
			r.IP = ip
			w.next()
		}
	}
	for len(w) > 0 {
		if err = parseAttr(&w, &r, a); err != nil {
			return u, err
		}
	}
	if kind == "imet" {
		r.IP = a.NextHop
		a.PMSI.Present, a.PMSI.Label, r.Label = true, r.Label, 0
		if a.PMSI.Type == 0 {
			a.PMSI.Type = IngressReplication
		}
		if !a.PMSI.Endpoint.IsValid() {
			a.PMSI.Endpoint = a.NextHop
		}
	}
	if gone {
		return Update{Withdrawn: []NLRI{r.NLRI}}, nil
	}
	return Update{Reach: []Route{r}, Attrs: a}, nil
}

func parseAttr(w *words, r *Route, a *Attrs) (err error) {
	switch word := w.next(); word {
	case "via":
		a.NextHop = w.addr()
	case "seq":
		n, perr := strconv.ParseUint(w.next(), 10, 32)
		a.Mobility.Seq, err = uint32(n), perr
	case "sticky":
		a.Mobility.Sticky = true
	case "router":
		a.ND = ND{Present: true, Router: true}
	case "immutable":
		a.ND = ND{Present: true, Immutable: true}
	case "gateway":
		a.DefaultGateway = true
	case "rt":
		var rt RT
		rt, err = ParseRT(w.next())
		a.Targets = []RT{rt}
	case "tag":
		r.Tag = uint32(w.num())
	case "label":
		r.Label = VNI(w.num())
	case "encap":
		w.next()
		a.Encap = EncapOther
	case "noencap":
		a.Encap = EncapNone
	case "endpoint":
		a.PMSI.Endpoint = w.addr()
	case "pmsi":
		a.PMSI.Type = uint8(w.num())
	case "llgr-stale":
		a.LongLivedStale = true
	case "no-llgr":
		a.NoLongLived = true
	case "originator":
		a.OriginatorID = w.addr()
	default:
		err = fmt.Errorf("unknown word %q", word)
	}
	return err
}
