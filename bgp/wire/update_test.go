package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/evpnd/evpnd/evpn"
)

var cmpAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// dump reads hex with spaces.
func dump(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(string(bytes.Join(bytes.Fields([]byte(s)), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func attrBytes(flags, typ byte, v []byte) []byte { return appendAttr(nil, flags, typ, v) }

// body makes the body of an UPDATE.
func body(attrs ...[]byte) []byte {
	b := bytes.Join(attrs, nil)
	return append(binary.BigEndian.AppendUint16([]byte{0, 0}, uint16(len(b))), b...)
}

const (
	rd   = "0001 0a000009 0007 "
	esi0 = "00000000000000000000 "
	nh4  = "0019 46 04 c0000209 00 "
	mac1 = "02 21 " + rd + esi0 + "00000000 30 0242ac12000a 00 0000c8 "
	mac2 = "02 25 " + rd + esi0 + "00000000 30 0242ac12000b 20 ac12000b 0000c8 "
	imet = "03 11 " + rd + "00000000 20 c0000209 "
)

type msg struct {
	t     testing.TB
	attrs [][]byte
}

func (m msg) with(flags, typ byte, v string) msg {
	m.attrs = append(m.attrs[:len(m.attrs):len(m.attrs)], attrBytes(flags, typ, dump(m.t, v)))
	return m
}
func (m msg) body() []byte { return body(m.attrs...) }

// good is an UPDATE with what every iBGP one has, but no routes.
func good(t testing.TB) msg {
	return msg{t: t}.with(0x40, 1, "00").with(0x40, 2, "").with(0x40, 5, "00000064").
		with(0xc0, 16, "0002fde8000000c8 030c000000000008")
}

func reader() *Reader { return NewReader(true, true, 65000, netip.MustParseAddr("10.0.0.1")) }

var key1 = evpn.NLRI{
	Type: evpn.MACIP, RD: evpn.RD{0, 1, 10, 0, 0, 9, 0, 7}, MAC: evpn.MAC{2, 0x42, 0xac, 0x12, 0, 10},
}

// TestRoutes reads each layout of RFC 7432 §7.2 and §7.3.
func TestRoutes(t *testing.T) {
	ip := func(n evpn.NLRI, s string) evpn.NLRI { n.IP = netip.MustParseAddr(s); return n }
	for _, c := range []struct {
		name string
		nlri string
		want evpn.Route
	}{
		{"MAC only", mac1, evpn.Route{NLRI: key1, Label: 200}},
		{
			"IPv4", "02 25 " + rd + esi0 + "00000000 30 0242ac12000a 20 ac12000a 0000c8",
			evpn.Route{NLRI: ip(key1, "172.18.0.10"), Label: 200},
		},
		{
			"IPv6", "02 31 " + rd + esi0 + "00000000 30 0242ac12000a 80 fd000000000000000000000000000001 ffffff",
			evpn.Route{NLRI: ip(key1, "fd00::1"), Label: evpn.MaxVNI},
		},
		{
			"two labels", "02 28 " + rd + esi0 + "00000000 30 0242ac12000a 20 ac12000a 0000c8 000fa0",
			evpn.Route{NLRI: ip(key1, "172.18.0.10"), Label: 200, L3Label: 4000},
		},
		{"MAC only, two labels", "02 24 " + rd + esi0 + "00000000 30 0242ac12000a 00 0000c8 000fa0", evpn.Route{NLRI: key1, Label: 200, L3Label: 4000}},
		{
			"segment and tag", "02 21 " + rd + "03440000000000000001 00000064 30 0242ac12000a 00 0000c8",
			evpn.Route{
				NLRI: evpn.NLRI{Type: evpn.MACIP, RD: key1.RD, Tag: 100, MAC: key1.MAC},
				ESI:  evpn.ESI{3, 0x44, 9: 1}, Label: 200,
			},
		},
		{"type 3", imet, evpn.Route{NLRI: evpn.NLRI{Type: evpn.InclusiveMulticast, RD: key1.RD, IP: netip.MustParseAddr("192.0.2.9")}}},
		{
			"type 3, IPv6", "03 1d " + rd + "00000000 80 20010db8000000000000000000000009",
			evpn.Route{NLRI: evpn.NLRI{Type: evpn.InclusiveMulticast, RD: key1.RD, IP: netip.MustParseAddr("2001:db8::9")}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			u, end, bad := reader().Update(good(t).with(0x80, 14, nh4+c.nlri).body())
			if bad != nil || end {
				t.Fatal(bad, end)
			}
			if len(u.Reach) != 1 || len(u.Withdrawn) != 0 {
				t.Fatalf("got %+v", u)
			}
			if diff := cmp.Diff(c.want, u.Reach[0], cmpAddr); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			// What is written is what was read.
			if got, want := AppendNLRI(nil, &u.Reach[0]), dump(t, c.nlri); !bytes.Equal(got, want) {
				t.Errorf("written % x\nwant    % x", got, want)
			}
			gone, _, bad := reader().Update(body(attrBytes(0x80, 15, dump(t, "0019 46"+c.nlri))))
			if bad != nil || len(gone.Withdrawn) != 1 || gone.Withdrawn[0] != c.want.NLRI {
				t.Errorf("withdrawn: %+v %v", gone, bad)
			}
		})
	}
}

// TestAttributes reads every attribute that counts.
func TestAttributes(t *testing.T) {
	m := msg{t: t}.with(0x80, 14, nh4+mac1+imet).
		with(0x40, 1, "02").
		with(0x40, 2, "02 02 00010001 0000fdea 01 02 0000fdeb 0000fdec").
		with(0x80, 4, "00000005").with(0x40, 5, "000000c8").
		with(0x80, 9, "0a000005").with(0x80, 10, "0a0000fe 0a0000fd").
		with(0xc0, 22, "00 06 0000c8 c0000209").
		with(0xc0, 16, "0002 fde8 000000c8  0102 0a000009 00c8  0202 00010001 00c8"+
			"030c 00000000 0008  030c 00000000 0002  0600 01 00 00000007  0603 0242aabbccdd"+
			"0608 0b 0000000000  030d 000000000000  0606 000000000000  8006 0000 47c35000").
		with(0xe0, 200, "0102")
	r := reader()
	u, _, bad := r.Update(m.body())
	if bad != nil || len(u.Reach) != 2 {
		t.Fatalf("%+v %v", u, bad)
	}
	want := &evpn.Attrs{
		NextHop: netip.MustParseAddr("192.0.2.9"),
		Targets: []evpn.RT{
			{0, 2, 0xfd, 0xe8, 0, 0, 0, 200}, {1, 2, 10, 0, 0, 9, 0, 200}, {2, 2, 0, 1, 0, 1, 0, 200},
		},
		Encap:     evpn.EncapVXLAN | evpn.EncapOther,
		Mobility:  evpn.Mobility{Seq: 7, Sticky: true},
		PMSI:      evpn.PMSI{Present: true, Type: 6, Label: 200, Endpoint: netip.MustParseAddr("192.0.2.9")},
		ND:        evpn.ND{Present: true, Router: true, Override: true, Immutable: true},
		RouterMAC: evpn.MAC{2, 0x42, 0xaa, 0xbb, 0xcc, 0xdd}, DefaultGateway: true,
		Origin: 2, ASPathLen: 3, LocalPref: 200, MED: 5,
		OriginatorID: netip.MustParseAddr("10.0.0.5"), ClusterLen: 2,
		Other: [][8]byte{{6, 6}, {0x80, 6, 0, 0, 0x47, 0xc3, 0x50, 0}},
	}
	if diff := cmp.Diff(want, u.Attrs, cmpAddr); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if r.Counts.AttrsUnknown != 1 {
		t.Errorf("unknown attributes: %d, want 1", r.Counts.AttrsUnknown)
	}
	again, _, _ := r.Update(m.body())
	if again.Attrs != u.Attrs {
		t.Error("equal bytes give other attributes, want the same ones")
	}
	other, _, _ := r.Update(good(t).with(0x80, 14, nh4+mac1).body())
	if other.Attrs == u.Attrs {
		t.Error("other bytes give the same attributes")
	}
}

func TestNextHop(t *testing.T) {
	for nh, want := range map[string]string{
		"04 c0000209":                         "192.0.2.9",
		"10 20010db8000000000000000000000009": "2001:db8::9",
		"20 20010db8000000000000000000000009 fe800000000000000000000000000009": "2001:db8::9",
	} {
		u, _, bad := reader().Update(good(t).with(0x80, 14, "0019 46 "+nh+"00"+mac1).body())
		if bad != nil || u.Attrs == nil || u.Attrs.NextHop != netip.MustParseAddr(want) {
			t.Errorf("next hop %s: %+v %v, want %s", nh, u.Attrs, bad, want)
		}
	}
}

// TestMixed: what is good in an UPDATE is used, whatever is beside it
// (RFC 7606 §5.4).
func TestMixed(t *testing.T) {
	for name, c := range map[string]struct {
		nlri string
		want Discard
	}{
		"type 1":                   {"01 19 " + rd + esi0 + "00000000 000000", DiscardEthernetAD},
		"type 4":                   {"04 17 " + rd + esi0 + "20 0a000009", DiscardEthernetSegment},
		"type 5":                   {"05 22 " + rd + esi0 + "00000000 18 0a000000 00000000 0000c8", DiscardPrefix},
		"type 6":                   {"06 03 010203", DiscardUnknownType},
		"type 11, empty":           {"0b 00", DiscardUnknownType},
		"type 255":                 {"ff 01 00", DiscardUnknownType},
		"type 2, empty":            {"02 00", DiscardMalformed},
		"type 2, cut":              {"02 20 " + rd + esi0 + "00000000 30 0242ac12000a 00 0000", DiscardMalformed},
		"type 2, no label":         {"02 1e " + rd + esi0 + "00000000 30 0242ac12000a 00", DiscardMalformed},
		"type 2, too long":         {"02 22 " + rd + esi0 + "00000000 30 0242ac12000a 00 0000c8 00", DiscardMalformed},
		"type 2, MAC length 40":    {"02 21 " + rd + esi0 + "00000000 28 0242ac12000a 00 0000c8", DiscardMalformed},
		"type 2, IP length 24":     {"02 24 " + rd + esi0 + "00000000 30 0242ac12000a 18 ac1200 0000c8", DiscardMalformed},
		"type 2, IP length lies":   {"02 21 " + rd + esi0 + "00000000 30 0242ac12000a 80 0000c8", DiscardMalformed},
		"type 2, IP length 255":    {"02 21 " + rd + esi0 + "00000000 30 0242ac12000a ff 0000c8", DiscardMalformed},
		"type 2, broadcast":        {"02 21 " + rd + esi0 + "00000000 30 ffffffffffff 00 0000c8", DiscardMAC},
		"type 2, zero MAC":         {"02 21 " + rd + esi0 + "00000000 30 000000000000 00 0000c8", DiscardMAC},
		"type 3, empty":            {"03 00", DiscardMalformed},
		"type 3, IP length lies":   {"03 11 " + rd + "00000000 80 c0000209", DiscardMalformed},
		"type 3, cut":              {"03 10 " + rd + "00000000 20 c00002", DiscardMalformed},
		"type 3, without a router": {"03 0d " + rd + "00000000 00", DiscardMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			r := reader()
			u, _, bad := r.Update(good(t).with(0x80, 14, nh4+mac1+c.nlri+mac2).body())
			if bad != nil {
				t.Fatal(bad)
			}
			if len(u.Reach) != 2 || u.Reach[0].MAC[5] != 10 || u.Reach[1].MAC[5] != 11 || len(u.Withdrawn) != 0 {
				t.Errorf("got %+v", u)
			}
			if r.Counts.Discarded[c.want] != 1 {
				t.Errorf("discarded %v, want one for %v", r.Counts.Discarded, c.want)
			}
		})
	}
}

// TestTreatAsWithdraw: attributes that cannot be used withdraw the routes
// (RFC 7606 §7), and so do those that say that a route has come back.
func TestTreatAsWithdraw(t *testing.T) {
	base := func() msg { return msg{t: t} }
	for name, c := range map[string]struct {
		m    msg
		want Discard
	}{
		"no ORIGIN":              {base().with(0x40, 2, ""), DiscardAttrMissing},
		"no AS_PATH":             {base().with(0x40, 1, "00"), DiscardAttrMissing},
		"ORIGIN 3":               {base().with(0x40, 1, "03").with(0x40, 2, ""), DiscardAttrValue},
		"ORIGIN of two bytes":    {base().with(0x40, 1, "0000").with(0x40, 2, ""), DiscardAttrLength},
		"ORIGIN optional":        {base().with(0xc0, 1, "00").with(0x40, 2, ""), DiscardAttrFlags},
		"AS_PATH segment type 9": {base().with(0x40, 1, "00").with(0x40, 2, "09 01 00000001"), DiscardASPath},
		"AS_PATH segment cut":    {base().with(0x40, 1, "00").with(0x40, 2, "02 02 00000001"), DiscardASPath},
		"AS_PATH segment empty":  {base().with(0x40, 1, "00").with(0x40, 2, "02 00"), DiscardASPath},
		"AS_PATH one byte":       {base().with(0x40, 1, "00").with(0x40, 2, "02"), DiscardASPath},
		"own AS":                 {base().with(0x40, 1, "00").with(0x40, 2, "02 02 00000001 0000fde8"), DiscardASLoop},
		"own originator":         {good(t).with(0x80, 9, "0a000001"), DiscardOriginator},
		"own cluster":            {good(t).with(0x80, 10, "0a000005 0a000001"), DiscardCluster},
		"MED of three bytes":     {good(t).with(0x80, 4, "000000"), DiscardAttrLength},
		"COMMUNITIES of 5 bytes": {good(t).with(0xc0, 8, "0000000000"), DiscardAttrLength},
		"ext. communities empty": {base().with(0x40, 1, "00").with(0x40, 2, "").with(0xc0, 16, ""), DiscardAttrLength},
		"ext. communities of 7":  {base().with(0x40, 1, "00").with(0x40, 2, "").with(0xc0, 16, "00020000000000"), DiscardAttrLength},
		"PMSI of 4 bytes":        {good(t).with(0xc0, 22, "00060000"), DiscardAttrLength},
		"PMSI endpoint of 5":     {good(t).with(0xc0, 22, "00 06 0000c8 c000020900"), DiscardAttrLength},
		"unknown well-known":     {good(t).with(0x40, 99, "00"), DiscardAttrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			for _, first := range []bool{true, false} {
				m := c.m
				if first { // RFC 7606 §5.1 wants the routes first, others put them last
					m.attrs = append([][]byte{attrBytes(0x80, 14, dump(t, nh4+mac1))}, m.attrs...)
				} else {
					m = m.with(0x80, 14, nh4+mac1)
				}
				r := reader()
				for range 2 { // the second time out of the cache
					u, _, bad := r.Update(m.body())
					if bad != nil || len(u.Reach) != 0 || len(u.Withdrawn) != 1 || u.Withdrawn[0] != key1 {
						t.Fatalf("got %+v %v", u, bad)
					}
				}
				if r.Counts.Discarded[c.want] != 2 {
					t.Errorf("discarded %v, want two for %v", r.Counts.Discarded, c.want)
				}
			}
		})
	}
	for nh, want := range map[string]Discard{"04 00000000": DiscardNextHop, "04 e0000001": DiscardNextHop} {
		r := reader()
		u, _, bad := r.Update(good(t).with(0x80, 14, "0019 46 "+nh+"00"+mac1).body())
		if bad != nil || len(u.Withdrawn) != 1 || r.Counts.Discarded[want] != 1 {
			t.Errorf("next hop %s: %+v %v", nh, u, bad)
		}
	}
	// An attribute that overruns costs the routes found before it
	// (RFC 7606 §4).
	m := msg{t: t}.with(0x80, 14, nh4+mac1)
	b := append(m.attrs[0], 0x40, 1, 9, 0)
	u, _, bad := reader().Update(body(b))
	if bad != nil || len(u.Withdrawn) != 1 {
		t.Errorf("overrun: %+v %v", u, bad)
	}
}

// TestIgnored: attributes whose errors, or presence, cost nothing.
func TestIgnored(t *testing.T) {
	for name, m := range map[string]msg{
		"ATOMIC_AGGREGATE with content": good(t).with(0x40, 6, "01"), // RFC 7606 §7.6
		"AGGREGATOR of one byte":        good(t).with(0xc0, 7, "01"), // §7.7
		"NEXT_HOP":                      good(t).with(0x40, 3, "00"), // RFC 4760 §3
		"ORIGIN twice":                  good(t).with(0x40, 1, "03"), // §3 g
		"unknown optional":              good(t).with(0x80, 99, "0102"),
	} {
		u, _, bad := reader().Update(m.with(0x80, 14, nh4+mac1).body())
		if bad != nil || len(u.Reach) != 1 {
			t.Errorf("%s: %+v %v", name, u, bad)
		}
	}
	// From an external peer LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST are
	// nothing (RFC 7606 §7.5, §7.9, §7.10).
	r := NewReader(true, false, 65000, netip.MustParseAddr("10.0.0.1"))
	u, _, bad := r.Update(msg{t: t}.with(0x40, 1, "00").with(0x40, 2, "02 01 0000fde9").with(0x40, 5, "00").
		with(0x80, 9, "0a000001").with(0x80, 10, "00").with(0x80, 14, nh4+mac1).body())
	if bad != nil || len(u.Reach) != 1 || u.Attrs.LocalPref != 100 || u.Attrs.OriginatorID.IsValid() {
		t.Errorf("external: %+v %v", u, bad)
	}
}

func TestTwoByteAS(t *testing.T) {
	r := NewReader(false, false, 4200000001, netip.MustParseAddr("10.0.0.1"))
	m := msg{t: t}.with(0x40, 1, "00").with(0x40, 2, "02 02 fde9 5ba0").with(0x80, 14, nh4+mac1)
	u, _, bad := r.Update(m.body())
	if bad != nil || len(u.Reach) != 1 || u.Attrs.ASPathLen != 2 {
		t.Errorf("2-byte AS_PATH: %+v %v", u, bad)
	}
	u, _, bad = r.Update(m.with(0xc0, 17, "02 01 fa56ea01").body())
	if bad != nil || len(u.Withdrawn) != 1 || r.Counts.Discarded[DiscardASLoop] != 1 {
		t.Errorf("own AS in AS4_PATH: %+v %v", u, bad)
	}
}

// TestReset: only where the routes cannot be found is the session given up.
func TestReset(t *testing.T) {
	for name, c := range map[string]struct {
		b    []byte
		want Notification
	}{
		"too short":               {[]byte{0, 0, 0}, Notification{Code: 3, Subcode: 1}},
		"withdrawn overruns":      {[]byte{0, 9, 0, 0}, Notification{Code: 3, Subcode: 1}},
		"attributes overrun":      {[]byte{0, 0, 0, 9, 0}, Notification{Code: 3, Subcode: 1}},
		"attribute cut":           {body([]byte{0x40, 1}), Notification{Code: 3, Subcode: 1}},
		"extended attribute cut":  {body([]byte{0x50, 1, 0}), Notification{Code: 3, Subcode: 1}},
		"MP_REACH twice":          {good(t).with(0x80, 14, nh4+mac1).with(0x80, 14, nh4+mac2).body(), Notification{Code: 3, Subcode: 1}},
		"MP_UNREACH twice":        {good(t).with(0x80, 15, "0019 46"+mac1).with(0x80, 15, "0019 46"+mac2).body(), Notification{Code: 3, Subcode: 1}},
		"MP_REACH of two bytes":   {good(t).with(0x80, 14, "0019").body(), Notification{Code: 3, Subcode: 9}},
		"MP_REACH of three bytes": {good(t).with(0x80, 14, "0019 46").body(), Notification{Code: 3, Subcode: 9}},
		"next hop overruns":       {good(t).with(0x80, 14, "0019 46 ff c0000209 00").body(), Notification{Code: 3, Subcode: 9}},
		"next hop of no bytes":    {good(t).with(0x80, 14, "0019 46 00 00"+mac1).body(), Notification{Code: 3, Subcode: 9}}, // RFC 7606 §7.11
		"next hop of 5 bytes":     {good(t).with(0x80, 14, "0019 46 05 c000020901 00"+mac1).body(), Notification{Code: 3, Subcode: 9}},
		"next hop of 24 bytes":    {good(t).with(0x80, 14, "0019 46 18"+rd+"20010db8000000000000000000000009 00"+mac1).body(), Notification{Code: 3, Subcode: 9}},
		// RFC 7606 §5.2: an error where no route is announced leaves unsure
		// whether all were found.
		"error beside a withdrawal": {msg{t: t}.with(0x40, 1, "09").with(0x80, 15, "0019 46"+mac1).body(), Notification{Code: 3, Subcode: 1}},
		"error without a route":     {msg{t: t}.with(0x40, 2, "02 02 00000001").body(), Notification{Code: 3, Subcode: 1}},
		"error, MP_REACH empty":     {good(t).with(0x80, 4, "00").with(0x80, 14, nh4).body(), Notification{Code: 3, Subcode: 1}},
		"overrun after MP_UNREACH":  {body(append(attrBytes(0x80, 15, dump(t, "0019 46"+mac1)), 0x40, 1, 9, 0)), Notification{Code: 3, Subcode: 1}},
		"route overruns":            {good(t).with(0x80, 14, nh4+mac1+"02 22 00").body(), Notification{Code: 3, Subcode: 9}},
		"route of one byte":         {good(t).with(0x80, 14, nh4+mac1+"02").body(), Notification{Code: 3, Subcode: 9}},
		"withdrawn route overruns":  {good(t).with(0x80, 15, "0019 46 03 ff 00").body(), Notification{Code: 3, Subcode: 9}},
	} {
		u, end, bad := reader().Update(c.b)
		if bad == nil || bad.Code != c.want.Code || bad.Subcode != c.want.Subcode || end || len(u.Reach)+len(u.Withdrawn) != 0 {
			t.Errorf("%s: %+v %v %v, want %v", name, u, end, bad, &c.want)
		}
	}
}

// TestNothingAnnounced: attributes without a route are no error by themselves,
// nor are errors that cost the attribute alone (RFC 7606 §5.2).
func TestNothingAnnounced(t *testing.T) {
	for name, b := range map[string][]byte{
		"ORIGIN beside a withdrawal":      msg{t: t}.with(0x40, 1, "00").with(0x80, 15, "0019 46"+mac1).body(),
		"bad AGGREGATOR and a withdrawal": msg{t: t}.with(0xc0, 7, "01").with(0x80, 15, "0019 46"+mac1).body(),
		"own AS beside a withdrawal":      msg{t: t}.with(0x40, 2, "02 01 0000fde8").with(0x80, 15, "0019 46"+mac1).body(),
		"error in another family":         msg{t: t}.with(0x40, 1, "09").with(0x80, 15, "0019 46"+mac1).with(0x80, 14, "0001 01 04 c0000209 00 18 0a0000").body(),
	} {
		u, end, bad := reader().Update(b)
		if bad != nil || end || len(u.Withdrawn) != 1 || len(u.Reach) != 0 {
			t.Errorf("%s: %+v %v %v, want one route withdrawn", name, u, end, bad)
		}
	}
}

func TestOtherFamilies(t *testing.T) {
	r := reader()
	u, end, bad := r.Update(good(t).with(0x80, 14, "0001 01 04 c0000209 00 18 0a0000").body())
	if bad != nil || end || len(u.Reach) != 0 {
		t.Errorf("IPv4 unicast: %+v %v", u, bad)
	}
	// IPv4 routes in the old fields, and an End-of-RIB for IPv4.
	u, end, bad = r.Update(dump(t, "0002 08 0a 0000 08 0b"))
	if bad != nil || end || len(u.Reach)+len(u.Withdrawn) != 0 {
		t.Errorf("IPv4 fields: %+v %v", u, bad)
	}
	if _, end, bad = r.Update([]byte{0, 0, 0, 0}); end || bad != nil {
		t.Errorf("End-of-RIB of IPv4: %v %v", end, bad)
	}
	if r.Counts.OtherFamily != 2 {
		t.Errorf("counted %d, want 2", r.Counts.OtherFamily)
	}
}

func TestEndOfRIB(t *testing.T) {
	for _, s := range []string{"0000 0006 80 0f 03 0019 46", "0000 0007 90 0f 0003 0019 46"} {
		if _, end, bad := reader().Update(dump(t, s)); !end || bad != nil {
			t.Errorf("%s: end %v, %v", s, end, bad)
		}
	}
	if got, want := AppendEndOfRIB(nil), dump(t, "ffffffffffffffffffffffffffffffff 001d 02 0000 0006 80 0f 03 0019 46"); !bytes.Equal(got, want) {
		t.Errorf("written % x, want % x", got, want)
	}
	for _, s := range []string{"0000 0006 80 0f 03 0001 46", "0000 0006 80 0e 03 0019 46"} {
		if IsEndOfRIB(dump(t, s)) {
			t.Errorf("%s is none", s)
		}
	}
}

// TestChunks: routes handed over stay as they are, however many follow.
func TestChunks(t *testing.T) {
	r := reader()
	var all []evpn.Update
	for i := range 2000 {
		m := good(t).with(0x80, 14, nh4+mac1+mac2)
		b := m.body()
		b[len(b)-len(dump(t, mac2))-5] = byte(i) // low byte of the first MAC
		if i%3 == 0 {
			m = msg{t: t}.with(0x80, 15, "0019 46"+mac1).with(0x80, 14, nh4+mac2)
			b = m.body() // no ORIGIN: both withdrawn
		}
		u, _, bad := r.Update(b)
		if bad != nil {
			t.Fatal(bad)
		}
		all = append(all, u)
	}
	for i, u := range all {
		if i%3 == 0 {
			if len(u.Withdrawn) != 2 || len(u.Reach) != 0 || u.Withdrawn[0] != key1 || u.Withdrawn[1].MAC[5] != 11 {
				t.Fatalf("update %d: %+v", i, u)
			}
		} else if len(u.Reach) != 2 || u.Reach[0].MAC[5] != byte(i) || u.Reach[1].MAC[5] != 11 || u.Reach[1].IP.String() != "172.18.0.11" {
			t.Fatalf("update %d: %+v", i, u)
		}
	}
}

// TestCommunities: of the communities (RFC 1997) two mean something, by RFC
// 9494 §3.2 and §3.3.
func TestCommunities(t *testing.T) {
	for in, want := range map[string][2]bool{
		"fde80064":                   {false, false},
		"ffff0006":                   {true, false},
		"ffff0007":                   {false, true},
		"fde80064 ffff0007 ffff0006": {true, true},
		"ffff0005 ffff0008 0006ffff": {false, false}, // neighbors of theirs in the registry, and the bytes turned
	} {
		u, _, bad := reader().Update(good(t).with(0xc0, 8, in).with(0x80, 14, nh4+mac1).body())
		if bad != nil || len(u.Reach) != 1 {
			t.Fatalf("%s: %+v %v", in, u, bad)
		}
		if got := [2]bool{u.Attrs.LongLivedStale, u.Attrs.NoLongLived}; got != want {
			t.Errorf("communities %s: stale and not long-lived %v, want %v", in, got, want)
		}
	}
}
