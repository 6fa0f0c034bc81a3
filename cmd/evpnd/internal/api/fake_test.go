package api

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/watch"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("EVPND_TEST_KNOCK"); path != "" {
		knock(path)
	}
	goleak.VerifyTestMain(m)
}

// engine is a core with a real engine, guarded by a lock in place of a
// goroutine of its own, that publishes as the daemon does.
type engine struct {
	mu  sync.Mutex
	e   *evpn.Engine
	hub *watch.Hub
}

func newEngine(hub *watch.Hub) *engine {
	e := &engine{hub: hub, e: evpn.New(evpn.DefaultConfig(65000, addr("172.30.0.1")))}
	e.step(&evpn.Tick{Now: time.Unix(1_000_000, 0)})
	return e
}

func (e *engine) Do(ctx context.Context, f func(*evpn.Engine)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	f(e.e)
	return nil
}

func (e *engine) step(events ...evpn.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range events {
		e.e.Step(ev)
	}
	room := evpn.Room{Kernel: 1 << 20, Adverts: 1 << 20, Changes: 100}
	for r := e.e.Ready(room); len(r.Changes) > 0; r = e.e.Ready(room) {
		e.hub.Publish(r.Changes)
	}
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func hostMAC(n int) evpn.MAC { return evpn.MAC{2, 0x42, 0, byte(n >> 16), byte(n >> 8), byte(n)} }

// remote is a MAC+IP route of a host behind vtep, as a peer announces it.
func remote(vni evpn.VNI, mac evpn.MAC, ip, vtep string, seq uint32) *evpn.Routes {
	n := evpn.NLRI{Type: evpn.MACIP, RD: evpn.NewRD(addr(vtep), uint16(vni)), MAC: mac}
	if ip != "" {
		n.IP = addr(ip)
	}
	return &evpn.Routes{Peer: addr("10.90.1.254"), Updates: []evpn.Update{{
		Reach: []evpn.Route{{NLRI: n, Label: vni}},
		Attrs: &evpn.Attrs{
			NextHop: addr(vtep), Targets: []evpn.RT{evpn.NewRT(65000, uint32(vni))}, Encap: evpn.EncapVXLAN,
			LocalPref: 100, Mobility: evpn.Mobility{Seq: seq},
		},
	}}}
}

func withdraw(r *evpn.Routes) *evpn.Routes {
	return &evpn.Routes{Peer: r.Peer, Updates: []evpn.Update{{Withdrawn: []evpn.NLRI{r.Updates[0].Reach[0].NLRI}}}}
}

// sessions and toldKernel are what the test says they are.
type sessions struct {
	mu       sync.Mutex
	peers    []bgp.PeerStatus
	resets   []string
	problems []bgp.Problem
	sends    []bgp.CapturedRoute // what the peers send when they are asked
	asked    int
	listed   int // how often Peers was called
}

func (s *sessions) Peers() []bgp.PeerStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed++
	return slices.Clone(s.peers)
}

func (s *sessions) Problems() []bgp.Problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

func (s *sessions) Reset(peer netip.Addr, soft bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if soft {
		return errors.New("it does not know ROUTE-REFRESH")
	}
	s.resets = append(s.resets, peer.String())
	return nil
}

func (s *sessions) Capture(_ context.Context, match func(*evpn.Route, *evpn.Attrs) bool, progress func(int)) (bgp.Capture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	progress(len(s.sends))
	l := bgp.Capture{Refreshes: []bgp.PeerRefresh{{Peer: addr("10.90.1.254"), Routes: len(s.sends)}, {Peer: addr("10.90.1.2"), State: bgp.Active, Skipped: bgp.SkippedDown}}}
	for _, x := range s.sends {
		if match(&x.Route, x.Attrs) {
			l.Routes = append(l.Routes, x)
		}
	}
	return l, nil
}

type toldKernel struct {
	held    map[evpn.MACKey]dataplane.KernelView
	mu      sync.Mutex
	devices []dataplane.DeviceStatus
	macs    map[evpn.MACKey]entry // others are installed
	asked   int                   // how many requests it had for entries and ports
}

// entry is how far an entry has come.
type entry struct {
	state dataplane.EntryState
	err   error
}

func (k *toldKernel) Devices() []dataplane.DeviceStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.devices)
}

func (k *toldKernel) Entry(vni evpn.VNI, mac evpn.MAC) (state dataplane.EntryState, err error) {
	k.Read(func(r dataplane.Reader) { state, err = r.Entry(vni, mac) })
	return state, err
}

func (r toldReader) Entry(vni evpn.VNI, mac evpn.MAC) (dataplane.EntryState, error) {
	if e, ok := r.k.macs[evpn.MACKey{VNI: vni, MAC: mac}]; ok {
		return e.state, e.err
	}
	return dataplane.Installed, nil
}

func (k *toldKernel) setMAC(key evpn.MACKey, state dataplane.EntryState, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.macs[key] = entry{state, err}
}

func (k *toldKernel) FloodEntry(vni evpn.VNI, via evpn.Via) (state dataplane.EntryState, err error) {
	k.Read(func(r dataplane.Reader) { state, err = r.FloodEntry(vni, via) })
	return state, err
}

func (toldReader) FloodEntry(evpn.VNI, evpn.Via) (dataplane.EntryState, error) {
	return dataplane.Installed, nil
}

func (k *toldKernel) InspectMAC(vni evpn.VNI, mac evpn.MAC) (dataplane.KernelView, error) {
	return k.held[evpn.MACKey{VNI: vni, MAC: mac}], nil
}

func (k *toldKernel) InspectNeigh(evpn.VNI, netip.Addr) (dataplane.KernelView, error) {
	return dataplane.KernelView{Differs: "the kernel has no entry for it"}, nil
}

func (k *toldKernel) NeighEntry(vni evpn.VNI, ip netip.Addr) (state dataplane.EntryState, err error) {
	k.Read(func(r dataplane.Reader) { state, err = r.NeighEntry(vni, ip) })
	return state, err
}

func (toldReader) NeighEntry(evpn.VNI, netip.Addr) (dataplane.EntryState, error) {
	return dataplane.Installed, nil
}

func (k *toldKernel) PortName(ifindex int) (name string) {
	k.Read(func(r dataplane.Reader) { name = r.PortName(ifindex) })
	return name
}

func (toldReader) PortName(ifindex int) string {
	if ifindex == 7 {
		return "veth7"
	}
	return ""
}

func (k *toldKernel) Read(f func(dataplane.Reader)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	f(toldReader{k})
}

// toldReader is a Reader of many answers: its toldKernel is locked meanwhile.
type toldReader struct{ k *toldKernel }

func (k *toldKernel) Stats() dataplane.Stats { return dataplane.Stats{Wanted: 5, Installed: 4} }

func (k *toldKernel) Problems() []topology.Problem { return nil }

// bed is a server on a unix socket, and a client of it.
type bed struct {
	evpndv1.AdminServiceClient
	srv      *Server
	hub      *watch.Hub
	engine   *engine
	sessions *sessions
	kernel   *toldKernel
	conn     *grpc.ClientConn
	stop     func() // ends the server and waits for it
}

// newBed starts a server; look replaces the real engine unless it is nil.
func newBed(t *testing.T, ring int, look func(context.Context, func(view)) error) *bed {
	t.Helper()
	b := &bed{hub: watch.New(ring), sessions: &sessions{}, kernel: &toldKernel{macs: make(map[evpn.MACKey]entry)}}
	b.engine = newEngine(b.hub)
	b.sessions.peers = []bgp.PeerStatus{{
		Address: addr("10.90.1.254"), Port: 179, AS: 65000, LocalAS: 65000, State: bgp.Established,
		Since: time.Now().Add(-time.Minute), Advertised: 3,
	}, {Address: addr("10.90.1.2"), AS: 65000, State: bgp.Active, LastError: "connection refused"}}
	b.sessions.peers[0].Routes.Discarded[wire.DiscardMAC] = 2
	b.kernel.devices = []dataplane.DeviceStatus{
		{Device: topology.Device{VNI: 200, Name: "vxlan200", Bridge: "br200", Served: true, Made: true, MTU: 1450, Port: 4789}},
		{Device: topology.Device{VNI: 300, Name: "vxlan300", Problems: []topology.Problem{
			{Kind: topology.NoBridge, VNI: 300, Device: "vxlan300", Text: "it is in no bridge: ip link set vxlan300 master BRIDGE"},
		}}},
	}
	d := Deps{
		Core: b.engine, Sessions: b.sessions, Kernel: b.kernel, Hub: b.hub,
		Info: func() Info {
			return Info{Version: "1.2.3", Started: time.Now().Add(-time.Hour), RouterID: addr("172.30.0.1"), AS: 65000}
		},
	}
	if look != nil {
		b.srv = newServer(d, look)
	} else {
		b.srv = New(d)
	}
	path := filepath.Join(t.TempDir(), "s", "evpnd.sock")
	l, err := Listen(ListenConfig{Address: unixAt(path), Mode: 0o660})
	if err != nil {
		t.Fatal(err)
	}
	b.serve(t, l)
	b.dial(t, path)
	return b
}

func (b *bed) serve(t *testing.T, l net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	srv := b.srv
	go func() { done <- srv.Serve(ctx, l) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(b.stop)
}

func (b *bed) dial(t *testing.T, path string) {
	conn, err := grpc.NewClient("unix://"+path, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	b.conn, b.AdminServiceClient = conn, evpndv1.NewAdminServiceClient(conn)
}

// serving makes VNI 200 served with one local host and one remote.
func (b *bed) serving() {
	b.engine.step(
		&evpn.BDUp{VNI: 200, VTEP: addr("172.30.0.1")},
		&evpn.PeerUp{Peer: addr("10.90.1.254"), RouterID: addr("10.90.1.254"), Internal: true},
		&evpn.LocalMAC{VNI: 200, MAC: hostMAC(1), Port: 7},
		&evpn.LocalIP{VNI: 200, MAC: hostMAC(1), IP: addr("172.18.0.10")},
		remote(200, hostMAC(2), "172.18.0.11", "172.30.0.2", 4),
	)
}

// collect reads a list to its end and returns the objects and the largest
// page.
func collect[Res, T any](t *testing.T, stream grpc.ServerStreamingClient[Res], err error, page func(*Res) []T) (all []T, largest int) {
	t.Helper()
	for err == nil {
		var res *Res
		if res, err = stream.Recv(); err == nil {
			all = append(all, page(res)...)
			largest = max(largest, len(page(res)))
		}
	}
	if status.Code(err) != codes.Unknown || err.Error() != "EOF" {
		t.Fatalf("list: %v", err)
	}
	return all, largest
}

// wantError checks the code of an error and that its text has all words.
func wantError(t *testing.T, err error, code codes.Code, words ...string) {
	t.Helper()
	if status.Code(err) != code {
		t.Errorf("error %v, want code %v", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(status.Convert(err).Message(), w) {
			t.Errorf("error %q does not say %q", status.Convert(err).Message(), w)
		}
	}
}
