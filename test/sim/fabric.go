package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/test/peer"
)

const (
	asn      = 65000
	firstVNI = 100
)

// site is the size of a fabric.
type site struct {
	VTEPs int // with the real one
	MACs  int // all of them behind the others
	VNIs  int // each on every VTEP
	Seed  uint64
}

// fabric is what all VTEPs but the real one have to say.
type fabric struct {
	site
	rand *rand.Rand
	at   []uint16 // the VTEP of each MAC, from 1
	seq  []uint16 // its mobility sequence (RFC 7432 §7.7)
	turn []int    // the order in which MACs move
	next int      // in turn
}

// newFabric spreads the MACs evenly over VTEPs and VNIs.
func newFabric(s site) *fabric {
	f := &fabric{site: s, rand: rand.New(rand.NewPCG(s.Seed, 0)), at: make([]uint16, s.MACs), seq: make([]uint16, s.MACs)}
	for i := range f.at {
		f.at[i] = uint16(1 + i%(s.VTEPs-1))
	}
	return f
}

// vtepAddr is the address of a VTEP; number 0 is the real one.
func vtepAddr(n uint16) netip.Addr { return netip.AddrFrom4([4]byte{10, 128, byte(n >> 8), byte(n)}) }

func (f *fabric) vni(mac int) evpn.VNI { return firstVNI + evpn.VNI(mac/(f.VTEPs-1)%f.VNIs) }

// rd is that of a VTEP for a VNI.
func rd(vtep uint16, vni evpn.VNI) evpn.RD { return evpn.NewRD(vtepAddr(vtep), uint16(vni-firstVNI+1)) }

func (f *fabric) nlri(dst []byte, mac int, vtep uint16) []byte {
	return wire.AppendNLRI(dst, &evpn.Route{
		NLRI:  evpn.NLRI{Type: evpn.MACIP, RD: rd(vtep, f.vni(mac)), MAC: peer.MAC(mac)},
		Label: f.vni(mac),
	})
}

// reflected is the attributes that a reflector puts on a route of a VTEP (RFC
// 4456 §8). Reflector 0 puts none: it is the VTEP itself that sends.
func reflected(vtep uint16, reflector byte) []byte {
	if reflector == 0 {
		return nil
	}
	return append(peer.Attr(0x80, 9, vtepAddr(vtep).AsSlice()), peer.Attr(0x80, 10, []byte{192, 0, 2, reflector})...)
}

// reach is an UPDATE of routes of one VTEP in one VNI.
func reach(vtep uint16, vni evpn.VNI, seq uint16, reflector byte, nlri []byte) []byte {
	s := peer.Source{AS: asn, VTEP: vtepAddr(vtep), VNI: vni, Sequence: uint32(seq)}
	return peer.Update(s.MPReach(nlri), s.Common(), reflected(vtep, reflector))
}

// flood is the UPDATE of the type 3 route of a VTEP in a VNI.
func flood(vtep uint16, vni evpn.VNI, reflector byte) []byte {
	s := peer.Source{AS: asn, VTEP: vtepAddr(vtep), VNI: vni}
	nlri := wire.AppendNLRI(nil, &evpn.Route{NLRI: evpn.NLRI{Type: evpn.InclusiveMulticast, RD: rd(vtep, vni), IP: s.VTEP}})
	pmsi := wire.PMSI(&evpn.PMSI{Present: true, Type: evpn.IngressReplication, Label: vni, Endpoint: s.VTEP})
	return peer.Update(s.MPReach(nlri), s.Common(), peer.Attr(0xc0, 22, pmsi), reflected(vtep, reflector))
}

// table is everything that a reflector sends when a session comes up, packed
// as full as its attributes allow, with the End-of-RIB. The VTEPs come in an
// order of the reflector's own.
func (f *fabric) table(reflector byte) []byte {
	order := rand.New(rand.NewPCG(f.Seed, uint64(reflector))).Perm(f.VTEPs)
	macs := make([]int, f.MACs)
	for i := range macs {
		macs[i] = i
	}
	same := func(a, b int) int {
		return cmp.Or(cmp.Compare(order[f.at[a]], order[f.at[b]]), cmp.Compare(f.vni(a), f.vni(b)), cmp.Compare(f.seq[a], f.seq[b]))
	}
	slices.SortStableFunc(macs, same)
	var out bytes.Buffer
	for v := 1; v < f.VTEPs; v++ {
		for n := range f.VNIs {
			out.Write(flood(uint16(v), firstVNI+evpn.VNI(n), reflector))
		}
	}
	var nlri []byte
	for i, m := range macs {
		nlri = f.nlri(nlri, m, f.at[m])
		if i+1 < len(macs) && same(m, macs[i+1]) == 0 && len(nlri) < peer.PerUpdate*35 {
			continue
		}
		out.Write(reach(f.at[m], f.vni(m), f.seq[m], reflector, nlri))
		nlri = nlri[:0]
	}
	out.Write(peer.Unreach())
	return out.Bytes()
}

// move is one MAC that goes from one VTEP to another.
type move struct {
	mac      int
	from, to uint16
	seq      uint16
}

// moves draws the next n moves. Every MAC moves once before any moves again,
// so that none is taken for a duplicate (RFC 7432 §15.1).
func (f *fabric) moves(n int) []move {
	out := make([]move, n)
	for i := range out {
		if f.next%f.MACs == 0 {
			f.turn, f.next = f.rand.Perm(f.MACs), 0
		}
		m := f.turn[f.next]
		f.next++
		// Any other VTEP, each as likely.
		to := uint16(1 + (int(f.at[m])+f.rand.IntN(f.VTEPs-2))%(f.VTEPs-1))
		out[i] = move{mac: m, from: f.at[m], to: to, seq: f.seq[m] + 1}
		f.at[m], f.seq[m] = to, f.seq[m]+1
	}
	return out
}

// announce and withdraw are the two UPDATEs of a move: the new VTEP says that
// it has the MAC, the old one, which hears it, that it has it no more.
func (f *fabric) announce(m move, reflector byte) []byte {
	return reach(m.to, f.vni(m.mac), m.seq, reflector, f.nlri(nil, m.mac, m.to))
}

func (f *fabric) withdraw(m move) []byte { return peer.Unreach(f.nlri(nil, m.mac, m.from)) }

// digest is of a set of entries, whatever their order: the sum of the hashes
// of its members.
type digest uint64

func (d *digest) add(vni evpn.VNI, mac evpn.MAC, vtep netip.Addr) {
	h := fnv.New64a()
	var b [14]byte
	binary.BigEndian.PutUint32(b[:], uint32(vni))
	copy(b[4:], mac[:])
	a := vtep.As4()
	copy(b[10:], a[:])
	_, _ = h.Write(b[:])
	*d += digest(h.Sum64())
}

// Held is what a kernel is to hold, or holds.
type Held struct {
	Bridge, Device digest // of the MACs in the bridges, and in the VXLAN devices with their VTEPs
	Flood          digest
	Entries        int // in all three
}

// want is what the routes say that the kernel is to hold.
func (f *fabric) want() (h Held) {
	for i, v := range f.at {
		h.Device.add(f.vni(i), peer.MAC(i), vtepAddr(v))
		h.Bridge.add(f.vni(i), peer.MAC(i), vtepAddr(0))
	}
	for v := 1; v < f.VTEPs; v++ {
		for n := range f.VNIs {
			h.Flood.add(firstVNI+evpn.VNI(n), evpn.MAC{}, vtepAddr(uint16(v)))
		}
	}
	h.Entries = 2*f.MACs + f.VNIs*(f.VTEPs-1)
	return h
}

// installed is how many entries the Plane counts then: a MAC is one.
func (f *fabric) installed() int { return f.MACs + f.VNIs*(f.VTEPs-1) }
