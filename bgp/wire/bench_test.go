package wire

import (
	"encoding/binary"
	"testing"

	"github.com/evpnd/evpnd/evpn"
)

// stream makes UPDATEs with n MAC-only routes, per of them in each.
func stream(tb testing.TB, n, per int) [][]byte {
	var bodies [][]byte
	for i := 0; i < n; i += per {
		var nlri []byte
		for j := i; j < min(i+per, n); j++ {
			r := evpn.Route{NLRI: key1, Label: evpn.VNI(200)}
			binary.BigEndian.PutUint32(r.MAC[2:], uint32(j))
			nlri = AppendNLRI(nlri, &r)
		}
		m := good(tb)
		m.attrs = append([][]byte{attrBytes(0x80, 14, append(dump(tb, nh4), nlri...))}, m.attrs...)
		bodies = append(bodies, m.body())
	}
	return bodies
}

// BenchmarkReader reads 100,000 type 2 routes, packed as FRR packs them and
// one an UPDATE as GoBGP sends them.
func BenchmarkReader(b *testing.B) {
	for name, per := range map[string]int{"packed": 100, "single": 1} {
		bodies := stream(b, 100_000, per)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := reader()
				routes := 0
				for _, body := range bodies {
					u, _, bad := r.Update(body)
					if bad != nil {
						b.Fatal(bad)
					}
					routes += len(u.Reach)
				}
				if routes != 100_000 {
					b.Fatalf("%d routes", routes)
				}
			}
		})
	}
}

// TestAllocations: a route costs next to no allocation.
func TestAllocations(t *testing.T) {
	bodies := stream(t, 10_000, 1)
	r := reader()
	n := testing.AllocsPerRun(5, func() {
		for _, body := range bodies {
			if u, _, _ := r.Update(body); len(u.Reach) != 1 {
				t.Fatal("a route is missing")
			}
		}
	})
	if per := n / float64(len(bodies)); per > 0.02 {
		t.Errorf("%.3f allocations a route, want at most 0.02", per)
	}
}
