package linux

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/evpn"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Frames field by field, as RFC 826 and RFC 4861 have them. The ICMPv6
// checksums were worked out by another implementation (see neighborFrame).
const (
	arpRequest = `ffffffffffff 0242ac000001 0806 0001 0800 06 04 0001
		0242ac000001 ac12000b 000000000000 ac12000c`
	arpGratuitous = `ffffffffffff 0242ac000001 0806 0001 0800 06 04 0001
		0242ac000001 ac12000b 000000000000 ac12000b`
	arpReply = `0242ac000002 0242ac000001 0806 0001 0800 06 04 0002
		0242ac000001 ac12000b 0242ac000002 ac12000c`
)

// neighborFrame makes an ND frame from its parts and adds the checksum by
// summing 16-bit words with end-around carry (RFC 1071 §1), word by word.
func neighborFrame(t testing.TB, mac, src, dst, icmp string) []byte {
	t.Helper()
	body := unhex(t, icmp)
	s, d := netip.MustParseAddr(src).As16(), netip.MustParseAddr(dst).As16()
	pseudo := append(append(s[:], d[:]...), 0, 0, 0, byte(len(body)), 0, 0, 0, 58)
	sum := 0
	for _, b := range [][]byte{pseudo, body} {
		for i := 0; i < len(b); i += 2 {
			sum += int(b[i])<<8 | int(b[i+1])
			if sum >= 1<<16 {
				sum -= 1<<16 - 1
			}
		}
	}
	sum = 0xffff - sum
	body[2], body[3] = byte(sum>>8), byte(sum)
	b := append(unhex(t, "333300000001"+mac+"86dd 60000000 00"), byte(len(body)), 58, 255)
	return append(append(append(b, s[:]...), d[:]...), body...)
}

const hostMAC = "0242ac000001"

func TestParseFrame(t *testing.T) {
	ns := func(src, opts string) []byte {
		return neighborFrame(t, hostMAC, src, "ff02::1:ff00:c", "87000000 00000000 20010db800000000000000000000000c"+opts)
	}
	na := func(flags, dst, opts string) []byte {
		return neighborFrame(t, hostMAC, "fe80::1", dst, "88000000"+flags+"000000 20010db800000000000000000000000b"+opts)
	}
	const sll, tll = "0101" + hostMAC, "0201" + hostMAC
	edit := func(b []byte, at int, v byte) []byte { b[at] = v; return b }
	v4 := hosts.Claim{Kind: hosts.ClaimARP, IP: netip.MustParseAddr("172.18.0.11"), MAC: evpn.MAC{2, 0x42, 0xac, 0, 0, 1}}
	solicit := hosts.Claim{Kind: hosts.ClaimNS, IP: netip.MustParseAddr("2001:db8::b"), MAC: v4.MAC}
	advert := hosts.Claim{Kind: hosts.ClaimNA, IP: netip.MustParseAddr("2001:db8::b"), MAC: v4.MAC}
	router, override := advert, advert
	router.Router, override.Override = true, true
	for _, c := range []struct {
		name  string
		frame []byte
		says  verdict
		claim hosts.Claim
	}{
		{"ARP request", unhex(t, arpRequest), aClaim, v4},
		{"gratuitous ARP", unhex(t, arpGratuitous), aClaim, v4},
		{"ARP reply with padding", append(unhex(t, arpReply), make([]byte, 18)...), aClaim, v4},
		{"ARP probe", unhex(t, strings.Replace(arpRequest, "ac12000b", "00000000", 1)), noClaim, v4},
		{"ARP of a link-local address", unhex(t, strings.Replace(arpRequest, "ac12000b", "a9fe0001", 1)), noClaim, v4},
		{"ARP of a group", unhex(t, strings.Replace(arpRequest, "ac12000b", "e0000001", 1)), malformed, v4},
		{"ARP of broadcast", unhex(t, strings.Replace(arpRequest, "ac12000b", "ffffffff", 1)), malformed, v4},
		{"ARP of another's MAC", edit(unhex(t, arpReply), 27, 9), malformed, v4},
		{"ARP from a group MAC", edit(unhex(t, arpReply), 6, 3), malformed, v4},
		{"RARP", edit(unhex(t, arpReply), 21, 3), noClaim, v4},
		{"ARP of other lengths", edit(unhex(t, arpReply), 18, 8), malformed, v4},
		{"short ARP", unhex(t, arpReply)[:41], malformed, v4},
		{"NS", ns("2001:db8::b", sll), aClaim, solicit},
		{"DAD", ns("::", ""), noClaim, solicit},
		{"DAD with nonce", ns("::", "0e01010203040506"), noClaim, solicit},
		{"NS without option", ns("2001:db8::b", ""), noClaim, solicit},
		{"NS of another's MAC", ns("2001:db8::b", "01010242ac000009"), malformed, solicit},
		{"NS with an option too long", ns("2001:db8::b", "01020242ac000001"), malformed, solicit},
		{"NS with an empty option", ns("2001:db8::b", "01000242ac000001"), malformed, solicit},
		{"NS with two addresses", ns("2001:db8::b", sll+sll), malformed, solicit},
		{"NS with another option before", ns("2001:db8::b", "0e01010203040506"+sll), aClaim, solicit},
		{"unsolicited NA", na("20", "ff02::1", tll), aClaim, override},
		{"NA of a router", na("c0", "fe80::2", tll), aClaim, router},
		{"NA to a unicast solicitation", na("40", "fe80::2", ""), aClaim, advert},
		{"unsolicited NA without option", na("20", "ff02::1", ""), noClaim, advert},
		{"solicited NA to all", na("60", "ff02::1", tll), malformed, advert},
		{"NA of another's MAC", na("20", "ff02::1", "02010242ac000009"), malformed, advert},
		{"NA over a router", edit(na("20", "ff02::1", tll), 21, 254), malformed, advert},
		{"NA with a wrong checksum", edit(na("20", "ff02::1", tll), 77, 9), malformed, advert},
		{"NA with code", edit(na("20", "ff02::1", tll), 55, 1), malformed, advert},
		{"short NA", na("20", "ff02::1", tll)[:80], malformed, advert},
		{"NA longer than it says", append(na("20", "ff02::1", tll), 0, 0), aClaim, override},
		{"IPv4", edit(unhex(t, arpReply), 13, 0), noClaim, v4},
		{"nothing", nil, malformed, v4},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got hosts.Claim
			if w := parseFrame(c.frame, &got); w != c.says {
				t.Fatalf("has the verdict %d, want %d: %x", w, c.says, c.frame)
			}
			if c.says == aClaim && got != c.claim {
				t.Errorf("claims %+v, want %+v", got, c.claim)
			}
		})
	}
}

// TestProbeFrame holds probes to RFC 5227 §2.1.1 and RFC 4861 §4.3. Nobody
// may take a binding from either but the one asked.
func TestProbeFrame(t *testing.T) {
	q := hosts.ProbeRequest{
		From: evpn.MAC{0x0e, 0xff, 0, 0, 0, 1}, MAC: evpn.MAC{2, 0x42, 0xac, 0, 0, 1}, IP: netip.MustParseAddr("172.18.0.11"),
	}
	want := unhex(t, `0242ac000001 0eff00000001 0806 0001 0800 06 04 0001 0eff00000001 00000000 000000000000 ac12000b`)
	want = append(want, make([]byte, 18)...)
	if got := putProbe(nil, &q); hex.EncodeToString(got) != hex.EncodeToString(want) {
		t.Errorf("ARP\n%x, want\n%x", got, want)
	}
	q.IP = netip.MustParseAddr("2001:db8::b")
	want = neighborFrame(t, "0eff00000001", "fe80::cff:ff:fe00:1", "2001:db8::b",
		"87000000 00000000 20010db800000000000000000000000b 0101 0eff00000001")
	copy(want, unhex(t, hostMAC))
	if got := putProbe(nil, &q); hex.EncodeToString(got) != hex.EncodeToString(want) {
		t.Errorf("ND\n%x, want\n%x", got, want)
	}
}

// FuzzParseFrame gives the parser anything. What it takes for a claim must
// be of one host, and of the sender of the frame.
func FuzzParseFrame(f *testing.F) {
	f.Add(unhex(f, arpRequest))
	f.Add(unhex(f, arpReply))
	f.Add(neighborFrame(f, hostMAC, "fe80::1", "ff02::1", "88000000 20000000 20010db800000000000000000000000b 0201"+hostMAC))
	f.Add(neighborFrame(f, hostMAC, "fe80::1", "ff02::1", "87000000 00000000 20010db800000000000000000000000b 0101"+hostMAC))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c hosts.Claim
		if parseFrame(b, &c) != aClaim {
			return
		}
		if len(b) < ethLen+arpLen || c.MAC != evpn.MAC(b[6:12]) || !c.MAC.IsHost() {
			t.Errorf("%+v of %x", c, b)
		}
		if !c.IP.IsValid() || c.IP.IsUnspecified() || c.IP.IsMulticast() || c.Kind == 0 {
			t.Errorf("claims %+v", c)
		}
	})
}
