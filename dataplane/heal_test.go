package dataplane

import (
	"log/slog"
	"testing"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// TestReleaseWritesAtOnce has a wish fail for long because others hold its
// key, so that its next try is far away: when they let go it is written
// without waiting for that.
func TestReleaseWritesAtOnce(t *testing.T) {
	p := New(nil, Config{}, slog.New(slog.DiscardHandler))
	d := p.bds.make(200)
	mac, now := evpn.MAC{2, 0, 0, 0, 0, 1}, time.Now()
	d.fdb.Occupy(mac, entries.ForeignDevice)
	d.fdb.Want(mac, entries.FDB{})
	for range 10 {
		d.fdb.Next(false, now)
		d.fdb.Fail(mac, entries.ForeignError{By: entries.ForeignDevice}, now)
	}
	p.observer.release(d, mac, entries.ForeignDevice)
	if c, ok := d.fdb.Next(false, now); !ok || c.Key != mac {
		t.Error("the entry waits for its next try, though nobody holds its key any more")
	}
}

// TestTwoHolders has two foreign entries in the way of one MAC: the wish
// waits until both are gone.
func TestTwoHolders(t *testing.T) {
	p := New(nil, Config{}, slog.New(slog.DiscardHandler))
	d := p.bds.make(200)
	d.at = topology.Attachment{VNI: 200, Bridge: 2, VXLAN: 3, SVI: 2}
	p.bds.index.Add(d.at, d)
	mac := evpn.MAC{2, 0, 0, 0, 0, 1}
	atPort := kernel.Entry{Family: kernel.Bridge, Ifindex: 4, Bridge: 2, MAC: mac, State: kernel.NoARP}
	inDevice := kernel.Entry{Family: kernel.Bridge, Ifindex: 3, MAC: mac, State: kernel.NoARP, Flags: kernel.Self}
	for _, order := range [][2]kernel.Entry{{atPort, inDevice}, {inDevice, atPort}} {
		p.observer.entry(&order[0], false)
		p.observer.entry(&order[1], false)
		p.observer.entry(&order[1], true)
		if d.fdb.Foreign(mac) == 0 {
			t.Errorf("nobody holds the MAC, though %+v is there", order[0])
		}
		p.observer.entry(&order[0], true)
		if by := d.fdb.Foreign(mac); by != 0 {
			t.Errorf("%v holds the MAC, though both are gone", by)
		}
	}
}
