package wire

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"

	"github.com/evpnd/evpnd/evpn"
)

// FuzzUpdate: whatever comes, the Reader neither panics nor hands over what
// the engine may not see; and a copy of the input reads the same.
func FuzzUpdate(f *testing.F) {
	for _, nlri := range []string{mac1, mac2, imet, mac1 + mac2 + imet, "06 03 010203", "02 00", mac1 + "02 ff"} {
		f.Add(good(f).with(0x80, 14, nh4+nlri).body(), true, true)
		f.Add(good(f).with(0x80, 15, "0019 46"+nlri).with(0x80, 14, nh4+mac1).body(), false, false)
	}
	f.Add(good(f).with(0x80, 9, "0a000005").with(0x80, 10, "0a0000fe").with(0xc0, 22, "00 06 0000c8 c0000209").
		with(0xc0, 17, "02 01 00000001").with(0x80, 4, "00000005").with(0x80, 14, nh4+imet).body(), false, true)
	f.Add(AppendEndOfRIB(nil)[HeaderLen:], true, true)
	f.Fuzz(func(t *testing.T, b []byte, as4, internal bool) {
		if len(b) > MaxLen-HeaderLen {
			return
		}
		r := NewReader(as4, internal, 65000, netip.MustParseAddr("10.0.0.1"))
		in := bytes.Clone(b)
		u, end, bad := r.Update(in)
		if !bytes.Equal(in, b) {
			t.Fatal("the input was changed")
		}
		clear(in) // nothing may point into it
		again, end2, bad2 := r.Update(b)
		if end != end2 || (bad == nil) != (bad2 == nil) || !reflect.DeepEqual(u, again) {
			t.Fatalf("first %+v %v %v\nthen %+v %v %v", u, end, bad, again, end2, bad2)
		}
		if bad != nil && len(u.Reach)+len(u.Withdrawn) > 0 {
			t.Fatal("routes from a session that ends")
		}
		if (len(u.Reach) > 0) != (u.Attrs != nil) {
			t.Fatalf("%d routes with attributes %v", len(u.Reach), u.Attrs)
		}
		for i := range u.Reach {
			x := &u.Reach[i]
			if x.Type == evpn.MACIP && !x.MAC.IsHost() || x.Label > evpn.MaxVNI || !u.Attrs.NextHop.IsValid() {
				t.Fatalf("route %+v", x)
			}
			typ, v, rest, bad := nextRoute(AppendNLRI(nil, x))
			var back evpn.Route
			if bad != nil || len(rest) != 0 || parseReach(typ, v, &back, false) != 0 || back != *x {
				t.Fatalf("%+v reads back as %+v", x, back)
			}
		}
	})
}

// FuzzOpen: whatever comes, ParseOpen does not panic, and what it accepts
// can be written and read again.
func FuzzOpen(f *testing.F) {
	full := Open{
		AS: 4200000001, HoldTime: 90, ID: netip.MustParseAddr("10.0.0.1"), EVPN: true, RouteRefresh: true, AS4: true,
		Restart: Restart{Present: true, Time: 120, EVPN: true, Forwarding: true},
	}
	f.Add(Body(full.Append(nil)))
	f.Add(dump(f, "04 fde8 005a 0a0000fe ff ff 0009 02 0006 01 04 0019 00 46"))
	f.Add(dump(f, "04 fde8 005a 0a0000fe 04 02 02 41 04"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, bad := ParseOpen(b)
		if bad != nil {
			return
		}
		if o.AS == 0 || o.HoldTime == 1 || o.HoldTime == 2 || !o.ID.Is4() {
			t.Fatalf("accepted %+v", o)
		}
		o.Other = nil
		if !o.AS4 && o.AS > 0xffff {
			t.Fatalf("AS %d out of two bytes", o.AS)
		}
		back, bad := ParseOpen(Body(o.Append(nil)))
		if bad != nil || !reflect.DeepEqual(o, back) {
			t.Fatalf("%+v reads back as %+v %v", o, back, bad)
		}
	})
}

// FuzzStream: however a stream is cut into reads, it splits the same.
func FuzzStream(f *testing.F) {
	f.Add(append(AppendKeepalive(AppendEndOfRIB(nil)), 0xff, 0xff), uint8(7))
	f.Add((&Notification{Code: 6, Subcode: 2}).Append(AppendRouteRefresh(nil)), uint8(19))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, step uint8) {
		split := func(step int) (lens []int, bad *Notification) {
			r := 0
			for w := 0; ; w = min(w+step, len(b)) {
				for {
					n, bad := Split(b[r:w])
					if bad != nil {
						return lens, bad
					}
					if n == 0 {
						break
					}
					if n < HeaderLen || n > MaxLen || r+n > w {
						t.Fatalf("message of %d bytes in %d", n, w-r)
					}
					if TypeOf(b[r:r+n]) == TypeNotification {
						_ = ParseNotification(Body(b[r : r+n])).Error()
					}
					lens = append(lens, n)
					r += n
				}
				if w == len(b) {
					return lens, nil
				}
			}
		}
		whole, bad := split(len(b) + 1)
		parts, bad2 := split(max(int(step), 1))
		if !reflect.DeepEqual(whole, parts) || (bad == nil) != (bad2 == nil) {
			t.Fatalf("at once %v %v, by %d %v %v", whole, bad, step, parts, bad2)
		}
	})
}
