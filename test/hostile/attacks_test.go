package hostile

import (
	"fmt"
	"slices"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/test/peer"
)

// attacks are those that try all of something, or take more than bytes.
var attacks = []struct {
	name, rule string
	run        func(*world) string
}{
	{"every-type-and-length", "RFC 7606 §5.4: routes of any type and length, whole, before a good one", everyTypeAndLength},
	{"truncated-types", "RFC 7606 §5.3: a route that is cut, of each type that there is", truncatedTypes},
	{"every-optional-attribute", "RFC 4271 §5: every type that is not known, with all flags that an optional one has", everyOptional},
	{"every-well-known-attribute", "RFC 7606 §3 i: every type that is not known, as well-known", everyWellKnown},
	{"every-extended-community", "RFC 4360 §3: all 65,536 types and sub-types", everyCommunity},
	{"every-pmsi-length", "RFC 6514 §5: PMSI tunnel attributes of every kind and length", everyPMSI},
	{"every-capability", "RFC 5492 §3: every capability, of 0 to 3 bytes", everyCapability},
	{"open-a-byte-at-a-time", "RFC 4271 §3: TCP is a stream, and slow is not wrong", slowOpen},
	{"update-a-byte-at-a-time", "RFC 4271 §4.4: bytes that never become a message are no sign of life", slowUpdate},
	{"silent-connections", "RFC 4271 §8: connections on which no OPEN comes", silentConnections},
	{"two-connections", "RFC 4271 §6.8: two connections at the same time", twoConnections},
	{"collision", "RFC 4271 §6.8: both ends connect, and that of the higher identifier stays", collision},
	{"connection-flood", "RFC 4271 §6.8: 300 more connections of a peer that has one", connectionFlood},
	{"stranger-flood", "RFC 4271 §8.2.1: 1,000 connections from an address that is no peer", strangerFlood},
	{"session-flood", "RFC 4271 §8: 100 sessions that end at once", sessionFlood},
	{"long-message", "RFC 8654 §4: a message of 64 KB, which was not agreed on, whole", longMessage},
	{"withdraw-flood", "RFC 4271 §9.1: 100,000 withdrawals of routes that are not there", withdrawFlood},
	{"refresh-flood", "RFC 2918 §4: 20,000 requests for all routes, of a peer that reads none", refreshFlood},
	{"million-unwanted", "RFC 7432 §7.10: a million routes that no VNI imports", millionUnwanted},
	{"million-stop", "RFC 4271 §6.7: a million routes of a peer that may have 1,000", millionStop},
	{"million-reset", "RFC 4486 §4: more routes than a peer may have, which is to be reset", millionReset},
}

// everyTypeAndLength sends each type with each length up to 64, in front of a
// good route in the same attribute.
func everyTypeAndLength(w *world) string {
	const lengths = 65
	s, first := w.session(), w.macs(257)
	before := w.status(attacker)
	macip := append(slices.Clone(bad.MACRoute(first + 256)[2:]), make([]byte, lengths)...)
	imet := append(slices.Clone(bad.IMET()[2:]), make([]byte, lengths)...)
	var out []byte
	for typ := range 256 {
		fill := macip
		if typ == 3 {
			fill = imet
		}
		for n := range lengths {
			odd := append([]byte{byte(typ), byte(n)}, fill[:n]...)
			out = append(out, bad.Reach(odd, bad.MACRoute(first+typ))...)
		}
	}
	w.write(s, out)
	w.after(s)
	w.used(first, first+257)
	// RFC 7432 §7.2 and §7.3: a type 2 route without an IP address has 33 bytes,
	// or 36 with a second label; a type 3 route of an IPv4 router 17.
	for reason, n := range map[string]uint64{
		"unknown-route-type": 251 * lengths, "ethernet-ad": lengths, "ethernet-segment": lengths, "prefix": lengths,
		"malformed-nlri": 2*lengths - 3,
	} {
		if got := w.status(attacker).Discarded[reason] - before.Discarded[reason]; got != n {
			w.t.Errorf("%d counted as %s, want %d", got, reason, n)
		}
	}
	return fmt.Sprintf("%d routes left out, %d good ones used", 256*lengths-3, 257)
}

func truncatedTypes(w *world) string {
	types := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255}
	for _, typ := range types {
		s, first := w.session(), w.macs(1)
		w.write(s, bad.Reach(bad.MACRoute(first)))
		w.used(first, first+1)
		w.write(s, bad.Reach(bad.MACRoute(first+1), []byte{typ, 33, 0, 1, 2, 3}))
		w.ends(s, &wire.Notification{Code: wire.CodeUpdate, Subcode: 9})
		w.used(first, first+1)
	}
	w.after(w.session())
	return fmt.Sprintf("%d sessions ended, routes kept as stale", len(types))
}

// knownAttrs are the attributes that evpnd reads, or ignores by their name.
var knownAttrs = []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 22, 25, 32}

// unknownAttrs calls f for each type of attribute that is none of these.
func unknownAttrs(f func(n int, typ byte)) (count int) {
	for typ := range 256 {
		if !slices.Contains(knownAttrs, typ) {
			f(count, byte(typ))
			count++
		}
	}
	return count
}

func everyOptional(w *world) string {
	s, first := w.session(), w.macs(256)
	before := w.status(attacker)
	n := unknownAttrs(func(i int, typ byte) {
		route := bad.MPReach(bad.MACRoute(first + i))
		for _, flags := range []byte{0x80, 0xc0, 0xe0} {
			w.write(s, peer.Update(bad.Common(), peer.Attr(flags, typ, []byte{1, 2, 3}), route))
		}
		w.write(s, peer.Update(bad.Common(), []byte{0xd0, typ, 0, 0}, route))
	})
	w.after(s)
	w.used(first, first+n)
	w.counted(before, "")
	return fmt.Sprintf("%d types passed over, routes used", n)
}

func everyWellKnown(w *world) string {
	s, first := w.session(), w.macs(256)
	w.write(s, bad.Announce(first, first+256))
	w.used(first, first+256)
	before := w.status(attacker)
	n := unknownAttrs(func(i int, typ byte) {
		w.write(s, peer.Update(bad.Common(), peer.Attr(0x40, typ, []byte{1}), bad.MPReach(bad.MACRoute(first+i))))
	})
	w.after(s)
	w.gone(first, first+n)
	if got := w.status(attacker).Discarded["attribute-unrecognized"] - before.Discarded["attribute-unrecognized"]; got != uint64(n) {
		w.t.Errorf("%d counted, want %d", got, n)
	}
	return fmt.Sprintf("%d routes withdrawn: attribute-unrecognized", n)
}

// gone waits until the kernel has none of the MACs.
func (w *world) gone(from, to int) {
	w.t.Helper()
	w.Until(10*time.Second, "the routes are not in the kernel", func() (bool, string) {
		for i := from; i < to; i++ {
			if a := w.where(i); a.IsValid() {
				return false, fmt.Sprintf("MAC %v is behind %v", peer.MAC(i), a)
			}
		}
		return true, ""
	})
}

func everyCommunity(w *world) string {
	const perUpdate = 400
	updates := (1<<16 + perUpdate - 1) / perUpdate
	s, first := w.session(), w.macs(updates)
	before := w.status(attacker)
	for i := range updates {
		ext := []byte{0, 2, asn >> 8, asn & 0xff, 0, 0, 0, byte(vni.VNI), 3, 0x0c, 0, 0, 0, 0, 0, 8}
		for j := i * perUpdate; j < min((i+1)*perUpdate, 1<<16); j++ {
			ext = append(ext, byte(j>>8), byte(j), 0, 0, 0, 0, 0, 0)
		}
		w.write(s, peer.Update(bad.MPReach(bad.MACRoute(first+i)), peer.Attr(0x40, 1, []byte{0}), peer.Attr(0x40, 2, nil),
			peer.Attr(0x40, 5, []byte{0, 0, 0, 100}), peer.Attr(0xc0, 16, ext)))
	}
	w.after(s)
	w.used(first, first+updates)
	w.counted(before, "")
	return "routes used"
}

func everyPMSI(w *world) string {
	const lengths = 41
	tunnels := []byte{0, 1, 2, 3, 4, 5, 6, 7, 255}
	s, first := w.session(), w.macs(lengths*len(tunnels))
	before := w.status(attacker)
	var good []int
	for i, tunnel := range tunnels {
		for n := range lengths {
			mac := first + i*lengths + n
			v := append([]byte{0, tunnel, 0, 0, byte(vni.VNI), 192, 0, 2, 1}, make([]byte, lengths)...)
			w.write(s, peer.Update(bad.Common(), peer.Attr(0xc0, 22, v[:n]), bad.MPReach(bad.MACRoute(mac))))
			// An identifier is an address where it is one of ingress replication.
			if n >= 5 && (tunnel != 6 || n == 5+4 || n == 5+16) {
				good = append(good, mac)
			}
		}
	}
	w.after(s)
	for _, mac := range good {
		w.used(mac, mac+1)
	}
	want := uint64(lengths*len(tunnels) - len(good))
	if got := w.status(attacker).Discarded["attribute-length"] - before.Discarded["attribute-length"]; got != want {
		w.t.Errorf("%d counted as attribute-length, want %d", got, want)
	}
	return fmt.Sprintf("%d routes withdrawn: attribute-length, %d used", want, len(good))
}

func everyCapability(w *world) string {
	const perOpen = 40
	opens := 0
	for length := range 4 {
		for code := 0; code < 256; code += perOpen {
			caps := []byte{1, 4, 0, wire.AFIL2VPN, 0, wire.SAFIEVPN}
			for c := code; c < min(code+perOpen, 256); c++ {
				caps = append(append(caps, byte(c), byte(length)), make([]byte, length)...)
			}
			body := append([]byte{4, asn >> 8, asn & 0xff, 0, 90}, attacker.AsSlice()...)
			body = append(append(body, byte(len(caps)+2), 2, byte(len(caps))), caps...)
			w.playOpen(peer.Message(wire.TypeOpen, body), "established", "")
			opens++
		}
	}
	return fmt.Sprintf("%d sessions up", opens)
}
