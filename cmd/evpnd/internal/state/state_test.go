package state

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/evpnd/evpnd/evpn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	macA = evpn.MAC{2, 0x42, 0xac, 0x12, 0, 0x0a}
	macB = evpn.MAC{2, 0x42, 0xac, 0x12, 0, 0x0b}
	then = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
)

func full() evpn.PersistentState {
	return evpn.PersistentState{
		RDs:       map[evpn.VNI]uint16{200: 200, 65736: 201},
		Sequences: map[evpn.MACKey]uint32{{VNI: 200, MAC: macA}: 7, {VNI: 200, MAC: macB}: 4294967295},
		MACs: map[evpn.MACKey]evpn.FrozenMAC{
			{VNI: 200, MAC: macA}: {Since: then},
			{VNI: 201, MAC: macA}: {VTEP: netip.MustParseAddr("2001:db8::1"), Since: then},
		},
		IPs: map[evpn.IPKey]evpn.FrozenIP{{VNI: 200, IP: netip.MustParseAddr("172.18.0.10")}: {MAC: macB, Since: then}},
		Bindings: map[evpn.IPKey]evpn.Bound{
			{VNI: 200, IP: netip.MustParseAddr("172.18.0.10")}: {MAC: macA},
			{VNI: 200, IP: netip.MustParseAddr("fe80::1")}:     {MAC: macA, ND: evpn.ND{Present: true, Router: true, Override: true}},
		},
	}
}

var addrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("an empty directory: %v", err)
	}
	if err := Save(dir, full()); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(full(), got, addrs); diff != "" {
		t.Errorf("what was read is not what was saved (-saved +read):\n%s", diff)
	}
	fi, err := os.Stat(filepath.Join(dir, name))
	if err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: want 0600", fi.Mode(), err)
	}
	// The last version stays when the next cannot be written.
	if err := os.Mkdir(filepath.Join(dir, name+".new"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Save(dir, evpn.PersistentState{}); err == nil {
		t.Error("saved over a directory")
	}
	if got, err := Load(dir); err != nil || len(got.RDs) != 2 {
		t.Errorf("after a save that failed: %v, %v", got, err)
	}
}

// TestDamaged: whatever is in the file, the start is not in danger; the file
// is put aside, and the text says so.
func TestDamaged(t *testing.T) {
	for _, text := range []string{
		"", "{", "null", "[]", "{}", `{"version":2}`, strings.Repeat("[", 100000),
		`{"version":1,"rds":[{"vni":0,"index":1}]}`, `{"version":1,"rds":[{"vni":16777216,"index":1}]}`,
		`{"version":1,"rds":[{"vni":1,"index":70000}]}`, `{"version":1,"rds":[{"vni":4294967297,"index":1}]}`,
		`{"version":1,"sequences":[{"vni":200,"mac":"02:42","sequence":1}]}`,
		`{"version":1,"sequences":[{"vni":200,"mac":"02:42:ac:12:00:0a","sequence":-1}]}`,
		`{"version":1,"frozen_macs":[{"vni":200,"mac":"02:42:ac:12:00:0a","vtep":"10.0.0"}]}`,
		`{"version":1,"frozen_ips":[{"vni":200,"mac":"02:42:ac:12:00:0a"}]}`,
		`{"version":1,"bindings":[{"vni":200,"mac":"02:42:ac:12:00:0a"}]}`,
		`{"version":1,"bindings":[{"vni":200,"ip":"172.18.0.300","mac":"02:42:ac:12:00:0a"}]}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		k, m := NewSaver(dir, slog.New(slog.DiscardHandler))
		if diff := cmp.Diff(evpn.PersistentState{}, m); diff != "" {
			t.Errorf("%.60q: something is remembered:\n%s", text, diff)
		}
		if p := k.Problem(); !strings.Contains(p, damaged) || !strings.Contains(p, "forgotten") {
			t.Errorf("%.60q: the problem is %q", text, p)
		}
		if kept, err := os.ReadFile(filepath.Join(dir, damaged)); err != nil || string(kept) != text {
			t.Errorf("%.60q: not put aside: %v", text, err)
		}
		// The next save ends the trouble.
		k.Last(evpn.New(evpn.Config{}))
		if p := k.Problem(); p != "" {
			t.Errorf("%.60q: after a save: %q", text, p)
		}
	}
}

// TestNowhereToSave: a directory that cannot be is a problem, not a failure.
func TestNowhereToSave(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	k, _ := NewSaver(filepath.Join(file, "state"), slog.New(slog.DiscardHandler))
	k.Last(evpn.New(evpn.Config{}))
	if p := k.Problem(); !strings.Contains(p, "state.directory") {
		t.Errorf("the problem is %q", p)
	}
	// One that is only missing is made.
	dir := filepath.Join(t.TempDir(), "a", "b")
	k, _ = NewSaver(dir, slog.New(slog.DiscardHandler))
	k.Last(evpn.New(evpn.Config{}))
	if _, err := Load(dir); err != nil || k.Problem() != "" {
		t.Errorf("a new directory: %v, %q", err, k.Problem())
	}
}

// TestReadsOfBefore reads a file as evpnd wrote it when a VNI was all at once: the
// number, the broadcast domain and its MAC-VRF. An engine goes on with it, and
// saves the same again.
func TestReadsOfBefore(t *testing.T) {
	text, err := os.ReadFile("testdata/v1.json")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	mac := func(last byte) evpn.MAC { return evpn.MAC{2, 0x42, 0xac, 0x12, 0, last} }
	at := func(second int) time.Time { return time.Date(2026, 8, 1, 12, 0, second, 0, time.UTC) }
	want := evpn.PersistentState{
		RDs:       map[evpn.VNI]uint16{200: 200, 65736: 201},
		Sequences: map[evpn.MACKey]uint32{{VNI: 200, MAC: mac(1)}: 4, {VNI: 200, MAC: mac(3)}: 25},
		MACs: map[evpn.MACKey]evpn.FrozenMAC{
			{VNI: 200, MAC: mac(2)}: {VTEP: netip.MustParseAddr("192.0.2.2"), Since: at(6)},
			{VNI: 200, MAC: mac(3)}: {Since: at(9)},
		},
		IPs: map[evpn.IPKey]evpn.FrozenIP{{VNI: 200, IP: netip.MustParseAddr("172.18.0.44")}: {MAC: mac(7), Since: at(15)}},
		Bindings: map[evpn.IPKey]evpn.Bound{
			{VNI: 200, IP: netip.MustParseAddr("172.18.0.11")}:  {MAC: mac(1)},
			{VNI: 200, IP: netip.MustParseAddr("2001:db8::11")}: {MAC: mac(1), ND: evpn.ND{Present: true, Router: true, Override: true}},
			{VNI: 65736, IP: netip.MustParseAddr("172.19.0.9")}: {MAC: mac(9), ND: evpn.ND{Present: true, Immutable: true}},
		},
	}
	if diff := cmp.Diff(want, got, addrs); diff != "" {
		t.Errorf("what was read is not what was saved (-saved +read):\n%s", diff)
	}
	own := netip.MustParseAddr("192.0.2.1")
	e := evpn.New(evpn.DefaultConfig(65000, own))
	e.Restore(got)
	e.Step(&evpn.Tick{Now: at(20)})
	e.Step(&evpn.BDUp{VNI: 65736, VTEP: own})
	if bd, _ := e.BD(65736); bd.RD != evpn.NewRD(own, 201) {
		t.Errorf("the route distinguisher is %v, want the one of before, 201", bd.RD)
	}
	if err := Save(dir, e.PersistentState()); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(again) != string(text) {
		t.Errorf("saved again: %v\n%s", err, again)
	}
}
