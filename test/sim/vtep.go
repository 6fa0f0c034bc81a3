package main

import (
	"context"
	"io"
	"log/slog"
	"net/netip"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	"github.com/evpnd/evpnd/evpn/run"
)

// vtep is the real one: sessions, engine and plane.
type vtep struct {
	kernel  *watchedKernel
	plane   *dataplane.Plane
	speaker *bgp.Speaker
	runner  *run.Runner
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
		kernel: k, plane: dataplane.New(k, dataplane.Config{}, log),
	}
	v.runner = run.New(evpn.New(ecfg), v.plane, func([]evpn.Change) {})
	if v.speaker, err = bgp.New(cfg, log); err != nil {
		return nil, err
	}
	fail := make(chan error, 3)
	go func() { fail <- v.plane.Run(ctx) }()
	go func() { fail <- v.runner.Run(ctx) }()
	select {
	case <-v.plane.Ready():
	case err := <-fail:
		return nil, err
	}
	go func() { fail <- v.speaker.Run(ctx) }()
	select {
	case <-v.speaker.Ready():
		return v, v.runner.Attach(ctx, v.speaker)
	case err := <-fail:
		return nil, err
	}
}

// do runs f on the engine's goroutine.
func (v *vtep) do(f func(*evpn.Engine)) { _ = v.runner.Do(context.Background(), f) }
