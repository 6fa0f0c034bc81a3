package wire

import (
	"bytes"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/evpnd/evpnd/evpn"
)

const marker = "ffffffffffffffffffffffffffffffff "

// TestSplit holds the header checks of RFC 4271 §6.1.
func TestSplit(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		n    int
		want *Notification
	}{
		"nothing":           {"", 0, nil},
		"part of a marker":  {"ffff", 0, nil},
		"part of a header":  {marker + "0013", 0, nil},
		"keepalive":         {marker + "0013 04", 19, nil},
		"two":               {marker + "0013 04" + marker, 19, nil},
		"part of a message": {marker + "0017 02 0000", 0, nil},
		"bad marker":        {"fffe", 0, &Notification{Code: 1, Subcode: 1}},
		"length 18":         {marker + "0012 04", 0, &Notification{Code: 1, Subcode: 2, Data: []byte{0, 18}}},
		"length 4097":       {marker + "1001 02", 0, &Notification{Code: 1, Subcode: 2, Data: []byte{0x10, 1}}},
		"type 0":            {marker + "0013 00", 0, &Notification{Code: 1, Subcode: 3, Data: []byte{0}}},
		"type 6":            {marker + "0013 06", 0, &Notification{Code: 1, Subcode: 3, Data: []byte{6}}},
		"short open":        {marker + "001c 01", 0, &Notification{Code: 1, Subcode: 2, Data: []byte{0, 28}}},
		"short update":      {marker + "0016 02", 0, &Notification{Code: 1, Subcode: 2, Data: []byte{0, 22}}},
		"short notify":      {marker + "0014 03", 0, &Notification{Code: 1, Subcode: 2, Data: []byte{0, 20}}},
		"long keepalive":    {marker + "0014 04 00", 0, &Notification{Code: 1, Subcode: 2, Data: []byte{0, 20}}},
	} {
		n, bad := Split(dump(t, c.in))
		if n != c.n || cmp.Diff(c.want, bad) != "" {
			t.Errorf("%s: %d %v, want %d %v", name, n, bad, c.n, c.want)
		}
	}
}

func TestMessages(t *testing.T) {
	for name, c := range map[string]struct {
		got  []byte
		want string
	}{
		"keepalive":     {AppendKeepalive(nil), marker + "0013 04"},
		"route refresh": {AppendRouteRefresh(nil), marker + "0017 05 0019 00 46"},
		"notification":  {(&Notification{Code: 6, Subcode: 2, Data: []byte{1, 'x'}}).Append(nil), marker + "0017 03 06 02 01 78"},
		"behind others": {AppendKeepalive([]byte{1, 2})[2:], marker + "0013 04"},
	} {
		if want := dump(t, c.want); !bytes.Equal(c.got, want) {
			t.Errorf("%s: % x, want % x", name, c.got, want)
		}
	}
}

func TestNotification(t *testing.T) {
	for _, c := range []struct {
		n     Notification
		text  string
		final bool
	}{
		{Notification{Code: 6, Subcode: 2, Data: []byte("\x05hello")}, `cease: administrative shutdown ("hello")`, true},
		{Notification{Code: 6, Subcode: 2, Data: []byte("\xffhello")}, "cease: administrative shutdown", true},
		{Notification{Code: 6, Subcode: 3}, "cease: peer de-configured", true},
		{Notification{Code: 6, Subcode: 4}, "cease: administrative reset", false},
		{Notification{Code: 6, Subcode: 9, Data: []byte{6, 2}}, "cease: hard reset", true},
		{Notification{Code: 6, Subcode: 9, Data: []byte{6, 4}}, "cease: hard reset", false},
		{Notification{Code: 6, Subcode: 9}, "cease: hard reset", true},
		{Notification{Code: 4}, "hold timer expired", false},
		{Notification{Code: 3, Subcode: 77}, "UPDATE message error: subcode 77", false},
		{Notification{Code: 99, Subcode: 1}, "code 99: subcode 1", false},
	} {
		if c.n.Error() != c.text || c.n.Final() != c.final {
			t.Errorf("%+v: %q %v, want %q %v", c.n, c.n.Error(), c.n.Final(), c.text, c.final)
		}
		if got := ParseNotification(Body(c.n.Append(nil))); got.Code != c.n.Code || got.Subcode != c.n.Subcode || !bytes.Equal(got.Data, c.n.Data) {
			t.Errorf("round trip of %+v gives %+v", c.n, got)
		}
	}
	if in := (&Notification{Code: 6, Subcode: 9, Data: []byte{6, 4, 1}}).Inner(); in.Code != 6 || in.Subcode != 4 || len(in.Data) != 1 {
		t.Errorf("inner of a hard reset is %+v", in)
	}
}

// TestOpen reads an OPEN as FRR sends it, and writes ours.
func TestOpen(t *testing.T) {
	frr := dump(t, "04 fde8 00b4 0a0000fe 45"+
		"02 06 01 04 0019 00 46"+ // multiprotocol
		"02 02 80 00  02 02 02 00  02 02 46 00"+ // route refresh, twice, enhanced
		"02 06 41 04 fa56ea01"+ // 4-octet AS
		"02 02 06 00"+ // extended message
		"02 06 45 04 0019 46 01"+ // add-path
		"02 06 49 04 02 6672 00"+ // fqdn
		"02 08 40 06 c078 0019 46 80"+ // graceful restart
		"02 09 47 07 0019 46 80 000000")
	o, bad := ParseOpen(frr)
	want := Open{
		AS: 4200000001, HoldTime: 180, ID: netip.MustParseAddr("10.0.0.254"), EVPN: true, RouteRefresh: true, AS4: true,
		Restart: Restart{Present: true, Restarting: true, Notification: true, Time: 120, EVPN: true, Forwarding: true},
		// FRR 8.4 names the family with a time of 0 unless told another.
		LongLived: LongLived{Present: true, EVPN: true, Forwarding: true},
		Other:     []uint8{6, 69, 70, 73, 128},
	}
	if diff := cmp.Diff(want, o, cmpAddr); diff != "" || bad != nil {
		t.Errorf("%v (-want +got)\n%s", bad, diff)
	}
	want.Other, want.LongLived = nil, LongLived{}
	ours := dump(t, marker+"003b 01 04 5ba0 00b4 0a0000fe 1e 02 1c"+
		"01 04 0019 00 46  02 00  41 04 fa56ea01  40 06 c078 0019 46 80")
	// The parameter is 2 + 6 + 2 + 6 + 8 bytes long.
	ours[28], ours[30] = 24, 22
	ours[17] = byte(len(ours))
	if got := want.Append(nil); !bytes.Equal(got, ours) {
		t.Errorf("written % x\nwant    % x", got, ours)
	}
	back, bad := ParseOpen(Body(want.Append(nil)))
	if diff := cmp.Diff(want, back, cmpAddr); diff != "" || bad != nil {
		t.Errorf("round trip: %v (-want +got)\n%s", bad, diff)
	}
	// Extended optional parameters (RFC 9072 §2).
	long := dump(t, "04 fde8 005a 0a0000fe ff ff 0009 02 0006 01 04 0019 00 46")
	if o, bad := ParseOpen(long); bad != nil || !o.EVPN {
		t.Errorf("RFC 9072: %+v %v", o, bad)
	}
}

// TestLongLived reads and writes the capability of RFC 9494 §3.1: AFI, SAFI,
// flags and a time of 24 bits a family.
func TestLongLived(t *testing.T) {
	const head = "04 fde8 005a 0a0000fe "
	for name, c := range map[string]struct {
		capability string // as a parameter, with its length
		want       LongLived
		written    bool // just so
	}{
		"no family":          {"04 02 02 47 00", LongLived{Present: true}, true},
		"EVPN for an hour":   {"0b 02 09 47 07 0019 46 80 000e10", LongLived{true, true, true, 3600}, true},
		"without F, longest": {"0b 02 09 47 07 0019 46 00 ffffff", LongLived{true, true, false, 1<<24 - 1}, true},
		"EVPN is the second": {"12 02 10 47 0e 0001 01 80 000001 0019 46 80 015180", LongLived{true, true, true, 86400}, false},
		"unknown flags":      {"0b 02 09 47 07 0019 46 ff 000e10", LongLived{true, true, true, 3600}, false},
		"another family":     {"0b 02 09 47 07 0001 01 80 000e10", LongLived{Present: true}, false},
	} {
		o, bad := ParseOpen(dump(t, head+c.capability))
		if bad != nil || o.LongLived != c.want {
			t.Errorf("%s: %+v %v, want %+v", name, o.LongLived, bad, c.want)
		}
		out := Open{AS: 65000, HoldTime: 90, ID: netip.MustParseAddr("10.0.0.254"), LongLived: c.want}
		if got := Body(out.Append(nil)); c.written && !bytes.Equal(got, dump(t, head+c.capability)) {
			t.Errorf("%s: written % x", name, got)
		}
	}
	// A length that is none is no reason to end the session (RFC 5492 §3).
	if o, bad := ParseOpen(dump(t, head+"0a 02 08 47 06 0019 46 80 0001")); bad != nil || o.LongLived.Present || len(o.Other) != 1 {
		t.Errorf("6 bytes: %+v %v", o, bad)
	}
}

func TestBadOpen(t *testing.T) {
	for name, c := range map[string]struct {
		in        string
		code, sub uint8
	}{
		"short":                  {"04 fde8 005a 0a0000", 1, 2},
		"version 3":              {"03 fde8 005a 0a0000fe 00", 2, 1},
		"AS 0":                   {"04 0000 005a 0a0000fe 00", 2, 2},
		"identifier 0":           {"04 fde8 005a 00000000 00", 2, 3},
		"hold time 2":            {"04 fde8 0002 0a0000fe 00", 2, 6},
		"parameters cut":         {"04 fde8 005a 0a0000fe 08 02 06 01 04 0019 00", 2, 0},
		"parameters too long":    {"04 fde8 005a 0a0000fe 00 00", 2, 0},
		"parameter overruns":     {"04 fde8 005a 0a0000fe 04 02 06 01 04", 2, 0},
		"capability overruns":    {"04 fde8 005a 0a0000fe 04 02 02 41 04", 2, 0},
		"capability of one byte": {"04 fde8 005a 0a0000fe 03 02 01 41", 2, 0},
		"parameter 1":            {"04 fde8 005a 0a0000fe 0a 01 00 02 06 01 04 0019 00 46", 2, 4}, // RFC 4271 §6.2
		"extended, cut":          {"04 fde8 005a 0a0000fe ff ff 0009 02 0006 01", 2, 0},
	} {
		_, bad := ParseOpen(dump(t, c.in))
		if bad == nil || bad.Code != c.code || bad.Subcode != c.sub {
			t.Errorf("%s: %v, want %d/%d", name, bad, c.code, c.sub)
		}
	}
}

// TestPathAttrs: what is written for our own routes reads back the same.
func TestPathAttrs(t *testing.T) {
	for name, a := range map[string]evpn.Attrs{
		"plain": {NextHop: netip.MustParseAddr("192.0.2.1"), Targets: []evpn.RT{evpn.NewRT(65000, 10)}, Encap: evpn.EncapVXLAN},
		"all": {
			NextHop: netip.MustParseAddr("2001:db8::1"), Encap: evpn.EncapVXLAN, Origin: 2, MED: 5,
			Targets: []evpn.RT{evpn.NewRT(65000, 10), {1, 2, 10, 0, 0, 9, 0, 200}}, Mobility: evpn.Mobility{Seq: 1 << 31, Sticky: true},
			ND: evpn.ND{Present: true, Router: true, Immutable: true}, DefaultGateway: true, RouterMAC: evpn.MAC{2, 1: 9},
			PMSI:  evpn.PMSI{Present: true, Flags: 1, Type: 6, Label: 0xabcdef, Endpoint: netip.MustParseAddr("2001:db8::1")},
			Other: [][8]byte{{6, 6}},
		},
	} {
		r := evpn.Route{NLRI: key1, Label: 10}
		attrs := append(PathAttrs(&r, &a), attrBytes(0x40, 2, nil))
		u, _, bad := NewReader(true, false, 65000, netip.MustParseAddr("10.0.0.1")).Update(body(attrs...))
		if bad != nil || len(u.Reach) != 1 || u.Reach[0] != r {
			t.Fatalf("%s: %+v %v", name, u, bad)
		}
		a.LocalPref = 100 // what absence means
		if diff := cmp.Diff(&a, u.Attrs, cmpAddr); diff != "" {
			t.Errorf("%s: (-written +read)\n%s", name, diff)
		}
	}
	v4 := PMSI(&evpn.PMSI{Type: 6, Label: 10, Endpoint: netip.MustParseAddr("192.0.2.1")})
	v6 := PMSI(&evpn.PMSI{Type: 6, Label: 10, Endpoint: netip.MustParseAddr("2001:db8::1")})
	if len(v4) != 9 || len(v6) != 21 {
		t.Errorf("PMSI of %d and %d bytes, want 9 and 21 (RFC 6514 §5)", len(v4), len(v6))
	}
}
