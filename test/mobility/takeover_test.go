package mobility

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// A virtual address goes from a host behind one VTEP to a host behind another,
// which announces it (as VRRP does, RFC 5798 §6.4.3). The first host lives on,
// and says nothing. It is asked, does not answer for the address, and within
// seconds all have it with the second, also at the VTEP of the first, and
// although that has the lower address and so wins a tie.
func TestAddressTakenOver(t *testing.T) {
	s := newSite(t, full)
	vip := netip.MustParseAddr("172.18.0.200")
	first := s.h1.Container("first", full, "02:42:ac:12:00:a1", netip.MustParsePrefix("172.18.0.161/16"))
	second := s.h3.Container("second", full, "02:42:ac:12:00:a2", netip.MustParsePrefix("172.18.0.162/16"))
	takes := func(c *lab.Container) {
		c.IP("addr", "add", vip.String()+"/16", "dev", "eth0")
		c.AnnounceAs(c.MAC, vip)
	}
	belongs := func(to *lab.Container, within time.Duration) {
		t.Helper()
		begin := time.Now()
		for _, n := range []*lab.Node{s.h1, s.h3, s.h4} {
			s.Until(within, fmt.Sprintf("%s has %v with %s", n.Short, vip, to.Short), func() (bool, string) {
				seen := ""
				for _, m := range s.on(n).MACs(full.VNI) {
					for _, ip := range m.IPs {
						if ip == vip {
							seen += m.MAC + " "
						}
					}
				}
				return seen == to.MAC+" ", seen + "\n" + s.on(n).Ctl("explain", "ip", fmt.Sprint(full.VNI), vip.String(), "--refresh", "never")
			})
		}
		t.Logf("all have it with %s after %v", to.Short, time.Since(begin).Round(time.Millisecond))
	}
	first.Announce()
	second.Announce()
	takes(first)
	belongs(first, 10*time.Second)

	first.IP("addr", "del", vip.String()+"/16", "dev", "eth0")
	takes(second)
	belongs(second, 10*time.Second)

	// And back.
	second.IP("addr", "del", vip.String()+"/16", "dev", "eth0")
	takes(first)
	belongs(first, 10*time.Second)
}
