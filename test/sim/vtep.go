package main

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
)

// vtep is the real one: sessions, engine and plane.
type vtep struct {
	kernel  *kernel
	engine  *evpn.Engine
	plane   *dataplane.Plane
	speaker *bgp.Speaker
	calls   chan func()
}

// startVTEP starts everything, and returns when the kernel has been read.
func startVTEP(ctx context.Context, vnis int, reflectors []netip.AddrPort) (*vtep, error) {
	k, err := newKernel(vnis)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	cfg := bgp.DefaultConfig(asn, vtepAddr(0))
	cfg.Listen = nil
	ecfg := evpn.DefaultConfig(asn, vtepAddr(0))
	for _, r := range reflectors {
		p := bgp.DefaultPeer(r.Addr(), asn)
		p.Port = r.Port()
		cfg.Peers = append(cfg.Peers, p)
		ecfg.ConfiguredPeers = append(ecfg.ConfiguredPeers, r.Addr())
	}
	v := &vtep{
		kernel: k, engine: evpn.New(ecfg), plane: dataplane.New(k, dataplane.Config{}, log),
		calls: make(chan func()),
	}
	if v.speaker, err = bgp.New(cfg, log); err != nil {
		return nil, err
	}
	fail := make(chan error, 2)
	go func() { fail <- v.plane.Run(ctx) }()
	go v.run(ctx)
	select {
	case <-v.plane.Ready():
	case err := <-fail:
		return nil, err
	}
	go func() { fail <- v.speaker.Run(ctx) }()
	select {
	case <-v.speaker.Ready():
		return v, nil
	case err := <-fail:
		return nil, err
	}
}

// do runs f on the engine's goroutine.
func (v *vtep) do(f func()) {
	done := make(chan struct{})
	v.calls <- func() { defer close(done); f() }
	<-done
}

// run is what the daemon's core does: it owns the engine, and hands on what
// the consumers can take.
func (v *vtep) run(ctx context.Context) {
	const batch, tickEvery = 4096, 10 * time.Millisecond
	var (
		delta   evpn.Delta
		adverts []evpn.Advert
		ticked  time.Time
		swept   bool
		timer   = time.NewTimer(0)
	)
	defer timer.Stop()
	tick := func() {
		if now := time.Now(); now.Sub(ticked) >= tickEvery {
			ticked = now
			v.engine.Step(&evpn.Tick{Now: now})
		}
	}
	tick()
	for {
		if delta.Empty() {
			delta = v.engine.Kernel(batch)
		}
		if delta.Empty() && v.engine.Synced() && !swept {
			swept = true
			v.plane.Sweep()
		}
		if len(adverts) == 0 {
			adverts = v.engine.Adverts(batch)
		}
		if v.engine.Refresh() {
			v.speaker.Refresh()
		}
		for len(v.engine.Changes(batch)) > 0 { // nobody watches
		}
		if at, ok := v.engine.Deadline(); ok {
			timer.Reset(max(time.Millisecond, time.Until(at)))
		} else {
			timer.Stop()
		}
		var (
			deltas chan<- evpn.Delta
			out    chan<- []evpn.Advert
		)
		if !delta.Empty() {
			deltas = v.plane.Deltas()
		}
		if len(adverts) > 0 {
			out = v.speaker.Adverts()
		}
		select {
		case <-ctx.Done():
			return
		case evs := <-v.plane.Events():
			tick()
			for _, ev := range evs {
				v.engine.Step(ev)
			}
		case ev := <-v.speaker.Events():
			tick()
			v.engine.Step(ev)
		case f := <-v.calls:
			tick()
			f()
		case deltas <- delta:
			delta = evpn.Delta{}
		case out <- adverts:
			adverts = nil
		case <-timer.C:
			ticked = time.Time{}
			tick()
		}
	}
}
