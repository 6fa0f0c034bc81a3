package daemon

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// sessions is the BGP side as the API sees it. It has no speaker before there is
// a router id.
type sessions struct {
	mu      sync.Mutex
	speaker *bgp.Speaker
	id      netip.Addr
	secrets []string // files that others must not be able to read
}

func (s *sessions) set(sp *bgp.Speaker, id netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.speaker, s.id = sp, id
}

// get returns the speaker, nil while there is none.
func (s *sessions) get() *bgp.Speaker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.speaker
}

func (s *sessions) routerID() netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Peers implements api.Sessions.
func (s *sessions) Peers() []bgp.PeerStatus {
	if sp := s.get(); sp != nil {
		return sp.Peers()
	}
	return nil
}

// Problems implements api.Sessions.
func (s *sessions) Problems() []bgp.Problem {
	if sp := s.get(); sp != nil {
		return sp.Problems()
	}
	return nil
}

// Reset implements api.Sessions.
func (s *sessions) Reset(peer netip.Addr, soft bool) error {
	if sp := s.get(); sp != nil {
		return sp.Reset(peer, soft)
	}
	return errNoRouterID
}

// Capture implements api.Sessions.
func (s *sessions) Capture(ctx context.Context, match func(*evpn.Route, *evpn.Attrs) bool, progress func(int)) (bgp.Capture, error) {
	if sp := s.get(); sp != nil {
		return sp.Capture(ctx, match, progress)
	}
	return bgp.Capture{}, nil // there is no peer
}

// setSecrets says which files hold secrets.
func (s *sessions) setSecrets(files []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets = files
}

// alarms returns what is wrong with what the sessions need: the files with
// their passwords, and the router id.
func (s *sessions) alarms() []*evpndv1.Alarm {
	s.mu.Lock()
	speaker, secrets := s.speaker, s.secrets
	s.mu.Unlock()
	out := exposed(secrets) // asks a file system, which may take its time
	if speaker == nil {
		out = append(out, &evpndv1.Alarm{Kind: "no-router-id", Object: "bgp", Text: errNoRouterID.Error()})
	}
	return out
}

var errNoRouterID = errors.New("no session can begin without a router id: " +
	"set bgp.router-id, or give a VXLAN device a local IPv4 address, or the loopback interface an address besides 127.0.0.1")

// identityEvery is how often a router id is looked for.
const identityEvery = 500 * time.Millisecond

// startSpeaker waits for a router id, starts the sessions and returns when
// they are configured.
func (d *Daemon) startSpeaker(ctx context.Context, g *errgroup.Group) error {
	id, err := d.awaitRouterID(ctx)
	if err != nil {
		return err
	}
	d.mu.Lock()
	cfg := d.cfg
	if now := configuredID(cfg); now.IsValid() {
		id = now // a reload came in between
	}
	if err := d.core.Do(ctx, func(e *evpn.Engine) { e.Step(&evpn.Configure{Config: engineConfig(cfg, id)}) }); err != nil {
		d.mu.Unlock()
		return err
	}
	sp, err := bgp.New(bgpConfig(cfg, id), d.log)
	if err != nil {
		d.mu.Unlock()
		return err
	}
	d.sessions.set(sp, id)
	d.mu.Unlock()
	g.Go(func() error { return sp.Run(ctx) })
	if err := d.core.Attach(ctx, sp); err != nil {
		return err
	}
	select {
	case <-sp.Ready():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitRouterID returns the router id, as soon as there is one.
func (d *Daemon) awaitRouterID(ctx context.Context) (netip.Addr, error) {
	tick := time.NewTicker(identityEvery)
	defer tick.Stop()
	for said := false; ; {
		d.mu.Lock()
		id := routerID(d.cfg, d.plane.Devices())
		d.mu.Unlock()
		if id.IsValid() {
			return id, nil
		}
		if !said {
			said = true
			d.log.Error(errNoRouterID.Error())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return netip.Addr{}, ctx.Err()
		}
	}
}

// routerID returns the configured router id, else the VTEP address, else the
// local address of the first served device that has one, else that of the
// loopback interface: the first that is IPv4.
func routerID(cfg *config.Config, devices []dataplane.DeviceStatus) netip.Addr {
	if a := configuredID(cfg); a.IsValid() {
		return a
	}
	for _, d := range devices {
		if d.Served && d.Local.Is4() {
			return d.Local
		}
	}
	if a := loopback(); a.Is4() {
		return a
	}
	return netip.Addr{}
}

// configuredID returns the router id that cfg gives; invalid when cfg gives
// none.
func configuredID(cfg *config.Config) netip.Addr {
	for _, a := range []netip.Addr{cfg.BGP.RouterID, cfg.VTEP.Address} {
		if a.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// nextID returns the router id under next, after id under cfg. One that was
// found stays: devices come and go, and with another id every session would
// begin anew.
func nextID(id netip.Addr, cfg, next *config.Config, devices []dataplane.DeviceStatus) netip.Addr {
	if id.IsValid() && !configuredID(cfg).IsValid() && !configuredID(next).IsValid() {
		return id
	}
	if a := routerID(next, devices); a.IsValid() {
		return a
	}
	return id
}

// loopback returns the address that the loopback interface has besides those
// every host has, the usual place of a router's own address; IPv4 first.
func loopback() netip.Addr {
	var found netip.Addr
	ifs, err := net.Interfaces()
	if err != nil {
		return found
	}
	for _, i := range ifs {
		if i.Flags&net.FlagLoopback == 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err != nil || !p.Addr().IsGlobalUnicast() {
				continue
			}
			if !found.IsValid() || p.Addr().Is4() && !found.Is4() {
				found = p.Addr()
			}
		}
	}
	return found
}
