//go:build !race

package bench

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

// addVNIs gives a node VNIs 1 to n, as AddVNI does one, and returns their
// VXLAN devices.
func addVNIs(b lab.T, node *lab.Node, n int) []int {
	b.Helper()
	var batch strings.Builder
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&batch, "link add br%d mtu 1450 type bridge mcast_snooping 0\n", i)
		fmt.Fprintf(&batch, "link add vxlan%d mtu 1450 type vxlan id %[1]d local %v dstport 4789 nolearning\n", i, node.VTEP)
		fmt.Fprintf(&batch, "link set vxlan%d master br%[1]d up\nlink set br%[1]d up\n", i)
	}
	file := filepath.Join(node.Dir(), "links")
	if err := os.WriteFile(file, []byte(batch.String()), 0o644); err != nil {
		b.Fatalf("%v", err)
	}
	node.IP("-batch", file)
	devs := make([]int, n)
	for i := range devs {
		devs[i] = index(b, node.NS, fmt.Sprintf("vxlan%d", i+1))
	}
	return devs
}

// million: MACs over 100 VNIs, first 1,000 and then 10,000 in each.
func million(b lab.T, c contender, rec *record) {
	b.Helper()
	const vnis = 100
	var devs []int
	r := newRig(b, c, func(n *lab.Node) { devs = addVNIs(b, n, vnis) })
	t := tallyOn(b, r.node.NS, "", "")
	each := rec.size(10_000)
	upTo := 0
	add := func(what string, to int) {
		b.Helper()
		var said []byte
		var written rawChange
		for i, dev := range devs {
			s := peer.Source{AS: asn, VNI: evpn.VNI(i + 1), VTEP: first.VTEP, Number: uint16(i + 1)}
			if r.speak != nil {
				said = append(said, s.Announce(upTo, to)...)
			} else {
				written = append(written, entries(to-upTo, func(b []byte, j int) []byte { return rawMAC(b, dev, peer.MAC(upTo+j), s.VTEP) })...)
			}
		}
		n := vnis * (to - upTo)
		took := r.time(what, t, change{said: said, written: written}, func() bool { return t.added[first.VTEP] >= n })
		upTo = to
		rec.seconds(what, took)
		rec.settle(r)
	}
	add("100,000 over 100 VNIs", each/10)
	add("900,000 more", each)
	if c.name != evpnd.name {
		return
	}
	rec.bytes("memory of a million", r.status("VmRSS"))
	page, lookup := ask(b, r.node)
	rec.millis("API: first page of MACs", page)
	rec.millis("API: one MAC", lookup)
}

// ask returns how long evpnd's API takes to its first page of MACs and to one
// MAC, each the median of some.
func ask(b lab.T, n *lab.Node) (page, lookup time.Duration) {
	b.Helper()
	conn, err := grpc.NewClient("unix://"+filepath.Join(n.Dir(), "evpnd.sock"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatalf("API: %v", err)
	}
	defer conn.Close()
	client := evpndv1.NewAdminServiceClient(conn)
	var pages, lookups []float64
	for i := range 9 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		begin := time.Now()
		s, err := client.ListMACs(ctx, &evpndv1.ListMACsRequest{})
		if err == nil {
			_, err = s.Recv()
		}
		if err != nil {
			b.Fatalf("API: list of MACs: %v", err)
		}
		pages = append(pages, time.Since(begin).Seconds())
		begin = time.Now()
		if _, err := client.GetMAC(ctx, &evpndv1.GetMACRequest{Vni: 50, Mac: peer.MAC(i).String()}); err != nil {
			b.Fatalf("API: one MAC: %v", err)
		}
		lookups = append(lookups, time.Since(begin).Seconds())
		cancel()
	}
	return seconds(median(pages)), seconds(median(lookups))
}

// withoutHold is evpnd that stops to flood to a VTEP as soon as its route is
// withdrawn. By itself it goes on for bgp.flood-hold.
var withoutHold = contender{evpnd.name, evpnd.needs, func(n *lab.Node, peers ...netip.Addr) []*lab.Proc {
	return []*lab.Proc{evpndOn(n, "  flood-hold: 0s\n", peers...).Proc}
}}

// floods: 300 VTEPs take part in each of 100 VNIs, then in each of 1,000, and
// then one of them dies.
func floods(b lab.T, c contender, rec *record) {
	b.Helper()
	vnis, vteps := rec.size(1000), 300
	var devs []int
	r := newRig(b, c, func(n *lab.Node) { devs = addVNIs(b, n, vnis) })
	t := tallyOn(b, r.node.NS, "", "")
	vtep := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 91, byte(i >> 8), byte(i)}) }
	source := func(vni, i int) peer.Source {
		return peer.Source{AS: asn, VNI: evpn.VNI(vni + 1), VTEP: vtep(i), Number: uint16(vni + 1)}
	}
	join := func(what string, from, to int) {
		b.Helper()
		var said []byte
		for v := from; v < to; v++ {
			for i := range vteps {
				said = append(said, source(v, i).Flood()...)
			}
		}
		n := (to - from) * vteps
		written := entries(n, func(b []byte, j int) []byte { return rawFlood(b, devs[from+j/vteps], vtep(j%vteps)) })
		took := r.time(what, t, change{said: said, written: written}, func() bool { return t.total() >= n })
		rec.seconds(what, took)
		rec.settle(r)
	}
	join("300 VTEPs in 100 VNIs", 0, vnis/10)
	join("300 VTEPs in 900 VNIs more", vnis/10, vnis)
	var said []byte
	for v := range vnis {
		said = append(said, peer.Unreach(source(v, 7).IMET())...)
	}
	took := r.time("dies", t, change{
		said:    said,
		written: entries(vnis, func(b []byte, i int) []byte { return rawNoFlood(b, devs[i], vtep(7)) }),
	}, func() bool { return t.gone >= vnis })
	rec.seconds("a VTEP leaves 1,000 lists", took)
}
