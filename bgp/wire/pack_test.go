package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/evpnd/evpnd/evpn"
)

// whole makes a message of the body of an UPDATE.
func whole(body []byte) []byte { return finish(append(begin(nil, TypeUpdate), body...), 0) }

// numbered is the NLRI of a type 2 route by number: half have an IP address.
func numbered(n int) []byte {
	r := evpn.Route{NLRI: key1, Label: 200}
	binary.BigEndian.PutUint32(r.MAC[2:], uint32(n))
	if n%2 == 1 {
		r.IP = netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
	}
	return AppendNLRI(nil, &r)
}

// announceOne announces a route with one of several sets of attributes.
func announceOne(t testing.TB, n, attrs int) []byte {
	m := good(t).with(0x80, 4, []string{"00000000", "00000001", "00000002"}[attrs])
	m.attrs = append(m.attrs, attrBytes(0x80, 14, append(dump(t, nh4), numbered(n)...)))
	return whole(m.with(0xc0, 22, "00 06 0000c8 c0000209").body())
}

func withdrawOne(n int) []byte {
	return whole(body(attrBytes(0x80, 15, append(bytes.Clone(evpnFamily), numbered(n)...))))
}

// messages cuts a stream.
func messages(t testing.TB, b []byte) (out [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n, bad := Split(b)
		if n == 0 {
			t.Fatalf("not a message: % x (%v)", b[:min(len(b), 64)], bad)
		}
		out, b = append(out, b[:n]), b[n:]
	}
	return out
}

// told is what a receiver hears of each route, in order: the MED, or gone.
func told(t testing.TB, msgs [][]byte) map[evpn.NLRI][]int {
	t.Helper()
	const gone = -1
	r, out := reader(), make(map[evpn.NLRI][]int)
	for _, m := range msgs {
		if TypeOf(m) != TypeUpdate {
			continue
		}
		u, _, bad := r.Update(Body(m))
		if bad != nil {
			t.Fatalf("%v: % x", bad, m)
		}
		for _, n := range u.Withdrawn {
			out[n] = append(out[n], gone)
		}
		for i := range u.Reach {
			out[u.Reach[i].NLRI] = append(out[u.Reach[i].NLRI], int(u.Attrs.MED))
		}
	}
	return out
}

// TestPack: many routes with three sets of attributes go out in as few UPDATEs
// as can be, each route as it was.
func TestPack(t *testing.T) {
	const n = 3000
	var p Packer
	var in, out []byte
	for i := range n {
		m := announceOne(t, i, i%3)
		in = append(in, m...)
		out = p.Add(out, m)
	}
	if out = p.Flush(out); p.Waiting() {
		t.Error("something waits after Flush")
	}
	msgs := messages(t, out)
	if per := len(numbered(0)) + len(numbered(1)); len(msgs) > n*per/2/(MaxLen-200)+4 {
		t.Errorf("%d routes take %d UPDATEs", n, len(msgs))
	}
	if got, want := told(t, msgs), told(t, messages(t, in)); !maps.EqualFunc(got, want, slices.Equal) || len(got) != n {
		t.Errorf("%d routes come out otherwise than they went in", len(got))
	}
	out = out[:0]
	for i := range n {
		out = p.Add(out, withdrawOne(i))
	}
	if msgs = messages(t, p.Flush(out)); len(msgs) > n*41/(MaxLen-40)+2 || len(told(t, msgs)) != n {
		t.Errorf("%d routes are withdrawn by %d UPDATEs: %d", n, len(msgs), len(told(t, msgs)))
	}
}

// TestPackManyAttributes: routes that share their attributes share an UPDATE
// after so many other attributes that these had to go first.
func TestPackManyAttributes(t *testing.T) {
	var p Packer
	var out []byte
	announce := func(n, med int) {
		m := good(t).with(0x80, 4, fmt.Sprintf("%08x", med))
		m.attrs = append(m.attrs, attrBytes(0x80, 14, append(dump(t, nh4), numbered(n)...)))
		out = p.Add(out, whole(m.body()))
	}
	for n := range maxPacked {
		announce(n, n)
	}
	if len(out) > 0 {
		t.Fatalf("%d UPDATEs before there are too many attributes", len(messages(t, out)))
	}
	for n := range 10 {
		announce(maxPacked+n, maxPacked)
	}
	out = p.Flush(out)
	if got := len(messages(t, out)); got != maxPacked+1 {
		t.Errorf("%d UPDATEs, want %d", got, maxPacked+1)
	}
	if got := len(told(t, messages(t, out))); got != maxPacked+10 {
		t.Errorf("%d routes, want %d", got, maxPacked+10)
	}
}

// TestPackAlone: a route that comes alone goes out as it came.
func TestPackAlone(t *testing.T) {
	var p Packer
	for _, m := range [][]byte{announceOne(t, 1, 1), withdrawOne(1)} {
		if out := p.Flush(p.Add(nil, m)); !bytes.Equal(out, m) {
			t.Errorf("in\n% x\nout\n% x", m, out)
		}
	}
}

// TestPackOrder: what is announced goes before what is withdrawn, one route's
// messages and all others stay in their order.
func TestPackOrder(t *testing.T) {
	a1, a2, b1, w1, w9 := announceOne(t, 1, 0), announceOne(t, 2, 0), announceOne(t, 1, 1), withdrawOne(1), withdrawOne(9)
	both := whole(body(attrBytes(0x80, 15, append(bytes.Clone(evpnFamily), numbered(5)...)), attrBytes(0x80, 14, append(dump(t, nh4), numbered(6)...))))
	unknown := whole(good(t).with(0x80, 14, nh4+"06 03 010203").body())
	alive, end := AppendKeepalive(nil), AppendEndOfRIB(nil)
	for name, c := range map[string]struct{ in, want [][]byte }{
		"make before break":       {[][]byte{w9, a1}, [][]byte{a1, w9}},
		"replaced":                {[][]byte{a1, b1}, [][]byte{a1, b1}},
		"announced and withdrawn": {[][]byte{a1, w1}, [][]byte{a1, w1}},
		"withdrawn and announced": {[][]byte{w1, a1}, [][]byte{w1, a1}},
		"End-of-RIB":              {[][]byte{w9, a1, end, b1}, [][]byte{a1, w9, end, b1}},
		"KEEPALIVE":               {[][]byte{a1, alive, a2}, [][]byte{a1, alive, a2}},
		"both in one":             {[][]byte{a1, both, a2}, [][]byte{a1, both, a2}},
		"an unknown route type":   {[][]byte{a1, unknown, a2}, [][]byte{a1, unknown, a2}},
	} {
		var p Packer
		var out []byte
		for _, m := range c.in {
			out = p.Add(out, m)
		}
		if out = p.Flush(out); !bytes.Equal(out, bytes.Join(c.want, nil)) {
			t.Errorf("%s:\n got % x\nwant % x", name, out, bytes.Join(c.want, nil))
		}
	}
}

// TestPackAnything: whatever is said in whatever order, a receiver hears the
// same of each route, and as much of it before each message of another kind.
func TestPackAnything(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var p Packer
		var in, out []byte
		ends := 0
		for range rapid.IntRange(1, 400).Draw(r, "messages") {
			n := rapid.IntRange(0, 150).Draw(r, "route")
			m := announceOne(t, n, n%3)
			switch rapid.IntRange(0, 20).Draw(r, "kind") {
			case 0:
				m = AppendEndOfRIB(nil)
				ends++
			case 1:
				m = AppendKeepalive(nil)
			case 2, 3, 4:
				m = withdrawOne(n)
			case 5:
				m = announceOne(t, n, (n+1)%3)
			case 6:
				out = p.Flush(out)
			}
			in, out = append(in, m...), p.Add(out, m)
		}
		out = p.Flush(out)
		was, is := messages(t, in), messages(t, out)
		if len(is) > len(was) {
			r.Fatalf("%d messages became %d", len(was), len(is))
		}
		for range ends + 1 {
			i, j := endOf(was), endOf(is)
			if a, b := told(t, was[:i]), told(t, is[:j]); !maps.EqualFunc(a, b, slices.Equal) {
				r.Fatalf("in:  %v\nout: %v", a, b)
			}
			if i < len(was) != (j < len(is)) {
				r.Fatal("an End-of-RIB is missing")
			}
			was, is = was[min(i+1, len(was)):], is[min(j+1, len(is)):]
		}
	})
}

// endOf returns the index of the first End-of-RIB, or the length.
func endOf(msgs [][]byte) int {
	for i, m := range msgs {
		if TypeOf(m) == TypeUpdate && IsEndOfRIB(Body(m)) {
			return i
		}
	}
	return len(msgs)
}

// FuzzPacker: whatever bytes come, what goes out is made of whole messages, and
// says the same of every route that can be read.
func FuzzPacker(f *testing.F) {
	f.Add(slices.Concat(announceOne(f, 1, 0), announceOne(f, 2, 0), withdrawOne(1), AppendEndOfRIB(nil)))
	f.Add(slices.Concat(withdrawOne(1), announceOne(f, 1, 2), AppendKeepalive(nil), announceOne(f, 3, 2)))
	f.Add(whole(good(f).with(0x80, 15, "0019 46"+mac1).with(0x80, 14, nh4+mac2+imet).body()))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packer
		var out []byte
		var in [][]byte
		for {
			n, _ := Split(b)
			if n == 0 {
				break
			}
			in, b = append(in, b[:n]), b[n:]
			out = p.Add(out, in[len(in)-1])
		}
		is := messages(t, p.Flush(out))
		if len(is) > len(in) {
			t.Fatalf("%d messages became %d", len(in), len(is))
		}
		a, bad := heard(in)
		if got, _ := heard(is); !bad && !maps.EqualFunc(a, got, slices.Equal) {
			t.Fatalf("in:  %v\nout: %v", a, got)
		}
	})
}

// heard is told for messages that may be broken: bad when one ends the session.
func heard(msgs [][]byte) (out map[evpn.NLRI][]bool, ended bool) {
	r := NewReader(true, true, 65000, netip.MustParseAddr("10.0.0.1"))
	out = make(map[evpn.NLRI][]bool)
	for _, m := range msgs {
		if TypeOf(m) != TypeUpdate {
			continue
		}
		u, _, bad := r.Update(Body(m))
		if bad != nil {
			return out, true
		}
		for _, n := range u.Withdrawn {
			out[n] = append(out[n], false)
		}
		for i := range u.Reach {
			out[u.Reach[i].NLRI] = append(out[u.Reach[i].NLRI], true)
		}
	}
	return out, false
}

// BenchmarkPacker gathers 10,000 type 2 routes of one set of attributes.
func BenchmarkPacker(b *testing.B) {
	msgs := make([][]byte, 10_000)
	for i := range msgs {
		msgs[i] = announceOne(b, i, 0)
	}
	var p Packer
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = out[:0]
		for _, m := range msgs {
			out = p.Add(out, m)
		}
		out = p.Flush(out)
	}
	b.ReportMetric(float64(len(messages(b, out))), "UPDATEs")
}
