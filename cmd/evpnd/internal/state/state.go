// Package state keeps what the engine must know again after a restart in a
// small file.
//
// The file is written whole to another name, synced and renamed, so that
// after a crash or a power cut either the old one or the new one is there.
// It holds nothing that cannot be done without: where it is lost or damaged,
// sequences begin at what the kernel and the peers tell, and what was frozen
// is judged anew.
package state

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// name is that of the file in the state directory, and damaged that of one
// that could not be read: it is kept for whoever wants to know why.
const (
	name    = "state.json"
	damaged = "state.json.damaged"
)

// version is of the format. A file with another one is not read.
const version = 1

// maxSize is more than the sequences of a million MACs need.
const maxSize = 128 << 20

// The file, as JSON. Lists are sorted, so that two files compare.
type file struct {
	Version   int         `json:"version"`
	RDs       []rd        `json:"rds"`
	Sequences []sequence  `json:"sequences"`
	MACs      []frozenMAC `json:"frozen_macs"`
	IPs       []frozenIP  `json:"frozen_ips"`
	Bindings  []bound     `json:"bindings"`
}

type rd struct {
	VNI   uint32 `json:"vni"`
	Index uint16 `json:"index"`
}

type sequence struct {
	VNI uint32 `json:"vni"`
	MAC string `json:"mac"`
	Seq uint32 `json:"sequence"`
}

type frozenMAC struct {
	VNI   uint32     `json:"vni"`
	MAC   string     `json:"mac"`
	VTEP  netip.Addr `json:"vtep"` // empty: here
	Since time.Time  `json:"since"`
}

type frozenIP struct {
	VNI   uint32     `json:"vni"`
	IP    netip.Addr `json:"ip"`
	MAC   string     `json:"mac"`
	Since time.Time  `json:"since"`
}

type bound struct {
	VNI       uint32     `json:"vni"`
	IP        netip.Addr `json:"ip"`
	MAC       string     `json:"mac"`
	Router    bool       `json:"router,omitempty"`
	Override  bool       `json:"override,omitempty"`
	Immutable bool       `json:"immutable,omitempty"`
}

// Load reads what was saved in dir. Without a file it returns an empty
// state and an error that is fs.ErrNotExist. A file that makes no sense is
// put aside, and the error says where.
func Load(dir string) (evpn.PersistentState, error) {
	path := filepath.Join(dir, name)
	m, err := read(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return m, err
	}
	aside := filepath.Join(dir, damaged)
	if rerr := os.Rename(path, aside); rerr != nil {
		aside = path
	}
	return evpn.PersistentState{}, fmt.Errorf("the state file %s makes no sense and is not used (it is in %s): "+
		"mobility sequences and frozen addresses of the last run are forgotten: %w", path, aside, err)
}

func read(path string) (evpn.PersistentState, error) {
	f, err := os.Open(path)
	if err != nil {
		return evpn.PersistentState{}, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return evpn.PersistentState{}, err
	}
	if len(text) > maxSize {
		return evpn.PersistentState{}, fmt.Errorf("it has more than %d bytes", maxSize)
	}
	var x file
	if err := json.Unmarshal(text, &x); err != nil {
		return evpn.PersistentState{}, err
	}
	return x.state()
}

func (x *file) state() (evpn.PersistentState, error) {
	m := evpn.PersistentState{
		RDs: make(map[evpn.VNI]uint16), Sequences: make(map[evpn.MACKey]uint32),
		MACs: make(map[evpn.MACKey]evpn.FrozenMAC), IPs: make(map[evpn.IPKey]evpn.FrozenIP),
		Bindings: make(map[evpn.IPKey]evpn.Bound),
	}
	if x.Version != version {
		return m, fmt.Errorf("its format is version %d, and this evpnd reads version %d", x.Version, version)
	}
	for _, r := range x.RDs {
		v, err := vni(r.VNI)
		if err != nil {
			return m, err
		}
		m.RDs[v] = r.Index
	}
	for _, s := range x.Sequences {
		key, err := macKey(s.VNI, s.MAC)
		if err != nil {
			return m, err
		}
		m.Sequences[key] = s.Seq
	}
	for _, f := range x.MACs {
		key, err := macKey(f.VNI, f.MAC)
		if err != nil {
			return m, err
		}
		m.MACs[key] = evpn.FrozenMAC{VTEP: f.VTEP, Since: f.Since}
	}
	for _, f := range x.IPs {
		key, mac, err := ipKey(f.VNI, f.IP, f.MAC)
		if err != nil {
			return m, err
		}
		m.IPs[key] = evpn.FrozenIP{MAC: mac, Since: f.Since}
	}
	for _, b := range x.Bindings {
		key, mac, err := ipKey(b.VNI, b.IP, b.MAC)
		if err != nil {
			return m, err
		}
		m.Bindings[key] = evpn.Bound{MAC: mac, ND: evpn.ND{
			Present: b.Router || b.Override || b.Immutable, Router: b.Router, Override: b.Override, Immutable: b.Immutable,
		}}
	}
	return m, nil
}

func ipKey(n uint32, ip netip.Addr, mac string) (evpn.IPKey, evpn.MAC, error) {
	key, err := macKey(n, mac)
	if err == nil && !ip.IsValid() {
		err = errors.New("an address is missing")
	}
	return evpn.IPKey{VNI: key.VNI, IP: ip}, key.MAC, err
}

func vni(n uint32) (evpn.VNI, error) {
	if v := evpn.VNI(n); n <= math.MaxInt32 && v.Valid() {
		return v, nil
	}
	return 0, fmt.Errorf("%d is no VNI", n)
}

func macKey(n uint32, mac string) (evpn.MACKey, error) {
	v, err := vni(n)
	if err != nil {
		return evpn.MACKey{}, err
	}
	m, err := evpn.ParseMAC(mac)
	return evpn.MACKey{VNI: v, MAC: m}, err
}

// Save replaces what is in dir by m. The file is for its owner alone.
func Save(dir string, m evpn.PersistentState) error {
	text, err := json.Marshal(fileOf(m))
	if err != nil {
		return err
	}
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename last (fsync(2)).
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func fileOf(m evpn.PersistentState) *file {
	x := &file{Version: version}
	for v, i := range m.RDs {
		x.RDs = append(x.RDs, rd{uint32(v), i})
	}
	for k, seq := range m.Sequences {
		x.Sequences = append(x.Sequences, sequence{uint32(k.VNI), k.MAC.String(), seq})
	}
	for k, f := range m.MACs {
		x.MACs = append(x.MACs, frozenMAC{uint32(k.VNI), k.MAC.String(), f.VTEP, f.Since.Round(0)})
	}
	for k, f := range m.IPs {
		x.IPs = append(x.IPs, frozenIP{uint32(k.VNI), k.IP, f.MAC.String(), f.Since.Round(0)})
	}
	for k, b := range m.Bindings {
		x.Bindings = append(x.Bindings, bound{uint32(k.VNI), k.IP, b.MAC.String(), b.ND.Router, b.ND.Override, b.ND.Immutable})
	}
	slices.SortFunc(x.Bindings, func(a, b bound) int { return cmp.Or(cmp.Compare(a.VNI, b.VNI), a.IP.Compare(b.IP)) })
	slices.SortFunc(x.RDs, func(a, b rd) int { return cmp.Compare(a.VNI, b.VNI) })
	slices.SortFunc(x.Sequences, func(a, b sequence) int { return cmp.Or(cmp.Compare(a.VNI, b.VNI), cmp.Compare(a.MAC, b.MAC)) })
	slices.SortFunc(x.MACs, func(a, b frozenMAC) int { return cmp.Or(cmp.Compare(a.VNI, b.VNI), cmp.Compare(a.MAC, b.MAC)) })
	slices.SortFunc(x.IPs, func(a, b frozenIP) int { return cmp.Or(cmp.Compare(a.VNI, b.VNI), a.IP.Compare(b.IP)) })
	return x
}
