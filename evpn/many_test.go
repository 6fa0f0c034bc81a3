package evpn

import (
	"net/netip"
	"testing"
	"time"
)

// hostNumber returns an address of a /64.
func hostNumber(i int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
}

// timeFor returns how long the engine is busy with n addresses of one MAC: they
// come one by one as routes of a remote host, which then moves; a local host
// takes as many.
func timeFor(n int) time.Duration {
	e := loaded()
	start := time.Now()
	routes := func(vtep netip.Addr, seq uint32) *Routes {
		ev := load(1, vtep, seq)
		u := &ev.Updates[0]
		for i := range n {
			r := u.Reach[0]
			r.IP = hostNumber(i)
			u.Reach = append(u.Reach, r)
		}
		return ev
	}
	e.Step(routes(there2, 0))
	drain(e)
	e.Step(routes(there3, 1))
	drain(e)
	e.Step(&LocalMAC{VNI: 200, MAC: MAC{2, 9}, Port: 3})
	for i := range n {
		e.Step(&LocalIP{VNI: 200, MAC: MAC{2, 9}, IP: hostNumber(i)})
		drain(e)
	}
	return time.Since(start)
}

// TestManyAddressesOfOneMAC holds the time to the square of the number: it was
// the cube, so that one host with some thousand addresses, in earnest or not,
// stopped the engine for minutes.
func TestManyAddressesOfOneMAC(t *testing.T) {
	const n = 200
	least := time.Duration(1 << 62)
	for range 10 { // other work on the machine makes the ratio larger, never the cube's smaller
		few, many := min(timeFor(n), timeFor(n), timeFor(n)), timeFor(4*n)
		t.Logf("%d addresses: %v, %d: %v", n, few, 4*n, many)
		if least = min(least, many/few); least <= 32 { // the square is 16, the cube 64
			return
		}
	}
	t.Errorf("4 times the addresses take %d times as long", least)
}
