package dataplane

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// The kinds of problems that are not of a device's place: what does not work.
const (
	ProblemHosts topology.ProblemKind = "hosts"
	ProblemFlags topology.ProblemKind = "flags"
	ProblemEntry topology.ProblemKind = "entry"
	ProblemWrite topology.ProblemKind = "write"
	ProblemRead  topology.ProblemKind = "read"
)

type troubleKey struct {
	kind   topology.ProblemKind
	vni    evpn.VNI
	device string
}

// setTrouble records a problem and returns whether it is new.
func (p *Plane) setTrouble(t topology.Problem) bool {
	k := troubleKey{t.Kind, t.VNI, t.Device}
	old, ok := p.trouble[k]
	p.trouble[k] = t
	if (!ok || old.Text != t.Text) && t.Kind != ProblemRead && t.Kind != ProblemWrite {
		p.log.Warn(t.Text, "vni", t.VNI, "device", t.Device)
	}
	return !ok
}

func (p *Plane) clearTrouble(kind topology.ProblemKind, vni evpn.VNI, device string) {
	delete(p.trouble, troubleKey{kind, vni, device})
}

// DeviceStatus is one VXLAN device that was seen.
type DeviceStatus struct {
	topology.Device
	Wanted  int // entries wished
	Held    int // of them in the kernel
	Foreign int // entries that evpnd did not make and leaves alone
}

// Devices returns the VXLAN devices that were seen, by VNI and index. Any
// goroutine may call it.
func (p *Plane) Devices() []DeviceStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]DeviceStatus, len(p.topo.Devices))
	for i, dev := range p.topo.Devices {
		st := &out[i]
		st.Device = dev
		st.Problems = slices.Clone(dev.Problems)
		d := p.domains[dev.VNI]
		if !dev.Attachable() || d == nil {
			continue
		}
		st.Wanted, st.Held = d.counts()
		st.Foreign = d.foreign()
		if len(d.vlans) > 0 {
			st.Problems = append(st.Problems, topology.Problem{
				Kind: topology.VLAN, VNI: d.vni, Device: dev.Name,
				Text: fmt.Sprintf("bridge %s has %d entries with a VLAN, which are left out", dev.Bridge, len(d.vlans)),
			})
		}
	}
	return out
}

// counts returns how many entries of d are desired, and how many of those the
// kernel has.
func (d *domain) counts() (desired, installed int) {
	for _, k := range d.kinds() {
		desired += k.Desired()
		installed += k.Installed()
	}
	return desired, installed
}

// foreign counts the entries that are not ours and stay.
func (d *domain) foreign() (n int) {
	for _, by := range d.fdb.AllForeign() {
		n += count(by&entries.ForeignDevice != 0)
	}
	for range d.neigh.AllForeign() {
		n++
	}
	return n
}

// maxEntryProblems bounds how many failed entries of one VNI Problems lists;
// the rest are counted in one line.
const maxEntryProblems = 100

// Problems returns the troubles that stand, in a stable order. Any goroutine
// may call it.
func (p *Plane) Problems() []topology.Problem {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []topology.Problem
	for _, t := range p.trouble {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b topology.Problem) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.VNI, b.VNI), cmp.Compare(a.Device, b.Device))
	})
	for _, d := range p.sorted() {
		if b, broken := d.local.Broken(time.Now()); broken {
			out = append(out, topology.Problem{Kind: ProblemHosts, VNI: d.vni, Device: d.name, Text: p.boundText(b) + "; the rest is not announced"})
		}
		var texts []string
		for _, k := range d.kinds() {
			k.failures(func(text string, f entries.Failure) {
				if !errors.Is(f.Err, errTaken) || f.Tries > 1 { // else the engine is about to answer
					texts = append(texts, text+": "+advice(f.Err))
				}
			})
		}
		slices.Sort(texts)
		for i, t := range texts {
			if i == maxEntryProblems {
				t = fmt.Sprintf("and %d entries more", len(texts)-i)
			}
			out = append(out, topology.Problem{Kind: ProblemEntry, VNI: d.vni, Device: d.name, Text: t})
			if i == maxEntryProblems {
				break
			}
		}
	}
	return out
}

// advice says what an error means and what to do.
func advice(err error) string {
	var foreign entries.ForeignError
	switch {
	case errors.As(err, &foreign) && foreign.By&entries.OwnAddress != 0:
		return fmt.Sprintf("%v: another node announces it as well; give one of the two another address", err)
	case errors.As(err, &foreign) && foreign.By == entries.StaticNeighbor:
		return fmt.Sprintf("%v: remove that one (ip neigh del)", err)
	case errors.As(err, &foreign):
		return fmt.Sprintf("%v: remove that one (bridge fdb del) or have it announced nowhere else", err)
	case errors.Is(err, syscall.EPERM):
		return fmt.Sprintf("%v: evpnd needs CAP_NET_ADMIN in this network namespace", err)
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ENOSPC):
		return fmt.Sprintf("%v: the kernel is short of memory, or a table is full (net.ipv4.neigh.default.gc_thresh3, bridge fdb_max_learned)", err)
	case errors.Is(err, syscall.ENODEV):
		return fmt.Sprintf("%v: the device went away; it is written when it is back", err)
	case errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EINVAL):
		return fmt.Sprintf("%v: the device may be of the other IP version than the remote address", err)
	case errors.Is(err, syscall.EEXIST):
		return fmt.Sprintf("%v: something else holds this entry; see bridge fdb show", err)
	}
	return err.Error()
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

// Entry returns how the FDB wish for a MAC stands, with the error when it
// failed. Any goroutine may call it.
func (p *Plane) Entry(vni evpn.VNI, mac evpn.MAC) (EntryState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.domains[vni]; d != nil {
		return d.fdb.State(mac)
	}
	return Absent, nil
}

// NeighEntry is Entry for a neighbor.
func (p *Plane) NeighEntry(vni evpn.VNI, ip netip.Addr) (EntryState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.domains[vni]; d != nil {
		return d.neigh.State(ip)
	}
	return Absent, nil
}

// FloodEntry is Entry for a destination of a flood list.
func (p *Plane) FloodEntry(vni evpn.VNI, dest evpn.Via) (EntryState, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if d := p.domains[vni]; d != nil {
		return d.flood.State(dest)
	}
	return Absent, nil
}

// PortName returns the name of a device, as last read, or its number when it
// is gone. Any goroutine may call it.
func (p *Plane) PortName(ifindex int) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.portName(ifindex)
}

func (p *Plane) portName(ifindex int) string {
	if l := p.topo.Link(ifindex); l != nil {
		return l.Name
	}
	return fmt.Sprintf("if%d", ifindex)
}

// Stats are counts since the start, but for the first three and Hosts.
type Stats struct {
	Wanted    int // entries wished
	Installed int // of them in the kernel
	Failed    int // of them failed, waiting for another try

	Writes   uint64 // messages written
	Failures uint64 // of them refused, with those that were not even tried
	Resyncs  uint64 // times that notices were lost and the tables were looked at again

	// Repaired are entries of ours that somebody removed or changed and that
	// were written again; after a loss those that were missing. Flood entries
	// that were missing after a loss are not counted where a bridge was checked
	// and not read (check.go): it is not known which were.
	Repaired uint64
	Mended   uint64 // times that flags of a device were put right

	// By kind and whether they were removed, of the entries that the kernel
	// took; and by kind and error, of those that it refused, errno by name.
	// The maps are copies.
	Written map[Writing]uint64
	Refused map[Refusal]uint64

	Batch  Histogram // how long the kernel took for one batch of messages
	Behind Histogram // from a peer's message to all that follows from it in the kernel; see Lag
	// Lag is how old the first message is that the kernel is not yet as it
	// says; 0: it is as all say, but for what it refused.
	Lag time.Duration

	Claims  uint64 // ARP and ND messages of hosts that were snooped
	Ignored uint64 // and that were malformed or contradicted themselves
	hosts.Counters
}

// Stats returns counts. Any goroutine may call it.
func (p *Plane) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stats
	st.Counters = p.hosts.Counters()
	st.Written, st.Refused = p.written.shown(), maps.Clone(st.Refused)
	if !p.since.IsZero() {
		st.Lag = time.Since(p.since)
	}
	for _, d := range p.domains {
		w, h := d.counts()
		st.Wanted += w
		st.Installed += h
		for _, k := range d.kinds() {
			st.Failed += k.Failed()
		}
	}
	return st
}
