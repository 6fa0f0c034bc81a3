package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// DeviceStatus is one VXLAN device that was seen.
type DeviceStatus struct {
	topology.Device
	Wanted  int // entries desired
	Held    int // of them in the kernel
	Foreign int // entries that evpnd did not make and leaves alone
}

// Devices returns the VXLAN devices that were seen, by VNI and index. Any
// goroutine may call it.
func (p *Plane) Devices() (out []DeviceStatus) {
	p.requests.ask(func() {
		for _, dev := range p.bds.topo.Devices {
			out = append(out, p.bds.status(dev))
		}
	})
	return out
}

func (b *bds) status(dev topology.Device) DeviceStatus {
	st := DeviceStatus{Device: dev}
	st.Problems = slices.Clone(dev.Problems)
	d := b.get(dev.VNI)
	if !dev.Attachable() || d == nil {
		return st
	}
	st.Wanted, st.Held = d.counts()
	st.Foreign = d.foreign()
	if len(d.vlans) > 0 {
		st.Problems = append(st.Problems, topology.Problem{
			Kind: topology.VLAN, VNI: d.vni, Device: dev.Name,
			Text: fmt.Sprintf("bridge %s has %d entries with a VLAN, which are left out", dev.Bridge, len(d.vlans)),
		})
	}
	return st
}

// maxEntryProblems bounds how many failed entries of one VNI Problems lists;
// the rest are counted in one line.
const maxEntryProblems = 100

// Problems returns the problems that stand, in a stable order. Any goroutine
// may call it.
func (p *Plane) Problems() (out []topology.Problem) {
	p.requests.ask(func() {
		out = p.problems.sorted()
		now := time.Now()
		for _, d := range p.bds.sorted() {
			if b, broken := d.local.Broken(now); broken {
				out = append(out, topology.Problem{Kind: ProblemHosts, VNI: d.vni, Device: d.name, Text: p.snooper.boundText(b) + "; the rest is not announced"})
			}
			for _, text := range d.failures() {
				out = append(out, topology.Problem{Kind: ProblemEntry, VNI: d.vni, Device: d.name, Text: text})
			}
		}
	})
	return out
}

// failures says of the entries that failed what is wrong with them.
func (d *bdState) failures() (texts []string) {
	for _, k := range d.kinds() {
		k.failures(func(text string, f entries.Failure) {
			if !errors.Is(f.Err, errTaken) || f.Tries > 1 { // else the engine is about to answer
				texts = append(texts, text+": "+advice(f.Err))
			}
		})
	}
	slices.Sort(texts)
	if n := len(texts) - maxEntryProblems; n > 0 {
		texts = append(texts[:maxEntryProblems], fmt.Sprintf("and %d entries more", n))
	}
	return texts
}

// EntryState is how a desired entry stands.
type EntryState = entries.State

// The states of an entry.
const (
	Absent    = entries.Absent
	Adopted   = entries.Adopted
	Pending   = entries.Pending
	Installed = entries.Installed
	FailedNow = entries.Failed
)

// Reader tells how entries stand, as the writer knows it.
type Reader interface {
	// Entry, NeighEntry and FloodEntry tell how far a remote MAC, the address of
	// a remote host, and a destination of a flood list have come, with the
	// error of one that failed.
	Entry(evpn.VNI, evpn.MAC) (EntryState, error)
	NeighEntry(evpn.VNI, netip.Addr) (EntryState, error)
	FloodEntry(evpn.VNI, evpn.Via) (EntryState, error)
	// PortName returns the name of a device, as last read, or its number when it
	// is gone.
	PortName(ifindex int) string
}

// A Plane is a Reader of one answer at a time, for any goroutine.
var _ Reader = (*Plane)(nil)

// Read calls f once with a Reader of many answers: each request costs a turn of
// the loop, and this is one. The loop does nothing else meanwhile. So f takes no
// longer than some milliseconds, calls nothing of p, and does not keep the
// Reader. Any goroutine may call Read.
func (p *Plane) Read(f func(Reader)) { p.requests.ask(func() { f(reader{p.bds}) }) }

// Entry implements Reader.
func (p *Plane) Entry(vni evpn.VNI, mac evpn.MAC) (state EntryState, err error) {
	p.Read(func(r Reader) { state, err = r.Entry(vni, mac) })
	return state, err
}

// NeighEntry implements Reader.
func (p *Plane) NeighEntry(vni evpn.VNI, ip netip.Addr) (state EntryState, err error) {
	p.Read(func(r Reader) { state, err = r.NeighEntry(vni, ip) })
	return state, err
}

// FloodEntry implements Reader.
func (p *Plane) FloodEntry(vni evpn.VNI, dest evpn.Via) (state EntryState, err error) {
	p.Read(func(r Reader) { state, err = r.FloodEntry(vni, dest) })
	return state, err
}

// PortName implements Reader.
func (p *Plane) PortName(ifindex int) (name string) {
	p.Read(func(r Reader) { name = r.PortName(ifindex) })
	return name
}

// reader is the Reader of the loop's goroutine.
type reader struct{ bds *bds }

func (r reader) Entry(vni evpn.VNI, mac evpn.MAC) (EntryState, error) {
	if d := r.bds.get(vni); d != nil {
		return d.fdb.State(mac)
	}
	return Absent, nil
}

func (r reader) NeighEntry(vni evpn.VNI, ip netip.Addr) (EntryState, error) {
	if d := r.bds.get(vni); d != nil {
		return d.neigh.State(ip)
	}
	return Absent, nil
}

func (r reader) FloodEntry(vni evpn.VNI, dest evpn.Via) (EntryState, error) {
	if d := r.bds.get(vni); d != nil {
		return d.flood.State(dest)
	}
	return Absent, nil
}

func (r reader) PortName(ifindex int) string { return r.bds.portName(ifindex) }

// Stats returns counts. Any goroutine may call it.
func (p *Plane) Stats() (st Stats) {
	p.requests.ask(func() {
		st = p.counters.Stats
		st.Counters = p.bds.hosts.Counters()
		st.Written, st.Refused = p.counters.written.shown(), maps.Clone(st.Refused)
		st.Lag = p.writer.lag()
		for _, d := range p.bds.all {
			desired, installed := d.counts()
			st.Wanted += desired
			st.Installed += installed
			for _, k := range d.kinds() {
				st.Failed += k.Failed()
			}
		}
	})
	return st
}
