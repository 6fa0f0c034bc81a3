package dataplane_test

import (
	"testing"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/kernel"
)

// twins is a kernel that was built with VLAN filtering, on a bridge that has
// it switched off: a static entry made without a VLAN has a twin in the
// port's default VLAN (br_fdb_add goes over the port's VLANs).
type twins struct{ dataplane.Kernel }

func (k twins) FDB(bridge int, yield func(*kernel.Entry)) error {
	return k.Kernel.FDB(bridge, func(e *kernel.Entry) {
		yield(e)
		if e.Bridge != 0 && e.State&kernel.NoARP != 0 {
			c := *e
			c.VLAN = 1
			yield(&c)
		}
	})
}

// TestVLANTwins has a static host at a port before the start: its twin does
// not hide it.
func TestVLANTwins(t *testing.T) {
	w := newPretend()
	plain(w)
	k := w.Open()
	e := kernel.Entry{
		Family: kernel.Bridge, Flags: kernel.Master, State: kernel.NoARP | kernel.Reachable, MAC: mac(2),
	}
	links, err := k.Links()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.Name == "p0" {
			e.Ifindex = l.Index
		}
	}
	errs := make([]error, 1)
	if err := k.Write([]kernel.Op{{Verb: kernel.Replace, Entry: e}}, errs); err != nil || errs[0] != nil {
		t.Fatal(err, errs)
	}
	r := start(t, w, twins{w.Open()}, dataplane.Config{})
	r.knows(200, mac(2))
}
