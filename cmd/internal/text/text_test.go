package text

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

var (
	vtep = netip.MustParseAddr("192.0.2.2")
	peer = netip.MustParseAddr("10.0.0.9")
	host = netip.MustParseAddr("172.18.0.11")
	mac  = evpn.MAC{0x02, 0x42, 0xac, 0x12, 0x00, 0x0b}
	mac2 = evpn.MAC{0x02, 0x42, 0xac, 0x12, 0x00, 0x0c}
)

// TestAlarm holds each sentence against what operators, and the documents and
// scripts of theirs, have.
func TestAlarm(t *testing.T) {
	var seen []evpn.AlarmKind
	for _, c := range []struct {
		alarm evpn.Alarm
		want  string
	}{
		{
			evpn.Alarm{Kind: evpn.AlarmSequence, VNI: 200, MAC: mac},
			"MAC 02:42:ac:12:00:0b in VNI 200 has reached the highest mobility sequence, so its moves can not be told any more: stop what makes it move, then withdraw it everywhere",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmSticky, VNI: 200, MAC: mac, VTEP: vtep},
			"MAC 02:42:ac:12:00:0b in VNI 200 is sticky behind VTEP 192.0.2.2, but a local port sent from it: find the host that uses its address",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmPMSI, VNI: 200, Addr: vtep, VTEP: peer},
			"the type 3 route of VNI 200 floods to 192.0.2.2 but its next hop is 10.0.0.9: a router on the way changed the next hop; set next-hop-unchanged there",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmNextHop, Addr: peer},
			"peer 10.0.0.9 passes on routes of others with itself as next hop, so traffic for their VTEPs goes to it: set next-hop-unchanged (eBGP) or remove next-hop-self for EVPN there",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmRDExhausted, VNI: 200},
			"no route distinguisher is left for VNI 200 (65535 are in use), so it is not announced: serve fewer VNIs",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmDuplicateMAC, VNI: 200, MAC: mac, VTEP: vtep, Count: 5, Window: 3 * time.Minute},
			"MAC 02:42:ac:12:00:0b in VNI 200 moved 5 times within 3m0s, as if two hosts used it, and is frozen at VTEP 192.0.2.2: find the second host, then evpnctl mac unfreeze --vni 200 02:42:ac:12:00:0b",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmDuplicateMAC, VNI: 200, MAC: mac, Count: 5, Window: 3 * time.Minute},
			"MAC 02:42:ac:12:00:0b in VNI 200 moved 5 times within 3m0s, as if two hosts used it, and is frozen at a local port: find the second host, then evpnctl mac unfreeze --vni 200 02:42:ac:12:00:0b",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmDuplicateIP, VNI: 200, Addr: host, Holder: mac2, Count: 5, Window: 3 * time.Minute},
			"172.18.0.11 in VNI 200 changed its MAC 5 times within 3m0s, as if two hosts used it, and is frozen with 02:42:ac:12:00:0c: find the second host, then evpnctl mac unfreeze --vni 200 172.18.0.11",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmMACLimit, VNI: 200, Count: 1000},
			"VNI 200 has 1000 local MACs, its limit; more are not announced: find the host that makes them up, or raise the limit (vnis.limits.local-macs)",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmIPLimit, VNI: 200, MAC: mac, Count: 10},
			"MAC 02:42:ac:12:00:0b in VNI 200 has 10 local addresses, the limit; more are not announced: find out what it answers for, or raise the limit (vnis.limits.ips-per-mac)",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmPeerLimit, Addr: peer, Count: 100},
			"peer 10.0.0.9 sends more than 100 routes that are imported here, its limit, and no more are taken: find out who makes them up, or raise the limit (max-routes of the peer)",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmPeerLimit, Addr: peer, Count: 100, Reset: true},
			"peer 10.0.0.9 sends more than 100 routes that are imported here, its limit, and its session is reset: find out who makes them up, or raise the limit (max-routes of the peer)",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmStale, Addr: peer},
			"the session with peer 10.0.0.9 is down; what it told is used until it is back or its time is over: evpnctl peer show says when that is",
		},
		{
			evpn.Alarm{Kind: evpn.AlarmTargetTooWide},
			"automatic targets of the RFC 8365 form hold 2 bytes of AS only; ours has 4: set targets to auto or fixed, or give each VNI its own",
		},
	} {
		if got := Alarm(&c.alarm); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.alarm.Kind, got, c.want)
		}
		seen = append(seen, c.alarm.Kind)
	}
	for _, k := range evpn.AlarmKinds {
		if !slices.Contains(seen, k) {
			t.Errorf("no sentence for an alarm %s", k)
		}
	}
}
