package daemon

import (
	"net/netip"
	"time"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/api"
	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// beginWait bounds how long the sessions wait for the local routes.
const beginWait = 5 * time.Second

func engineConfig(cfg *config.Config, routerID netip.Addr) evpn.Config {
	if !routerID.Is4() {
		routerID = netip.IPv4Unspecified() // nobody is told before there is one
	}
	c := evpn.Config{
		AS: cfg.BGP.ASN, RouterID: routerID,
		Targets: cfg.VNIs.Targets.Form, TargetAS: cfg.VNIs.Targets.Fixed,
		BDs:       make(map[evpn.VNI]evpn.BDConfig),
		Duplicate: duplicate(&cfg.VNIs.Rules), Limits: limits(&cfg.VNIs.Rules), NoFlood: !cfg.VNIs.Flood,
		EndOfRIBWait: cfg.BGP.EndOfRIBWait, StaleHold: cfg.BGP.StaleHold, FloodHold: cfg.BGP.FloodHold,
	}
	for _, v := range cfg.VNIs.Settings {
		n := evpn.BDConfig{RD: v.RD, Import: v.Import, Export: v.Export, Sticky: v.Sticky, Gateways: v.Gateways}
		if d := duplicate(&v.Rules); d != c.Duplicate {
			n.Duplicate = &d
		}
		if l := limits(&v.Rules); l != c.Limits {
			n.Limits = &l
		}
		if off := !v.Flood; off != c.NoFlood {
			n.NoFlood = &off
		}
		c.BDs[v.VNI] = n
	}
	for _, p := range cfg.BGP.Peers {
		c.ConfiguredPeers = append(c.ConfiguredPeers, p.Address)
	}
	return c
}

func duplicate(r *config.Rules) evpn.DuplicateConfig {
	d := r.Duplicates
	return evpn.DuplicateConfig{Off: !d.Detect, Moves: d.Moves, Window: d.Window, Recover: d.Recover}
}

func limits(r *config.Rules) evpn.Limits {
	return evpn.Limits{LocalMACs: r.Limits.LocalMACs, IPsPerMAC: r.Limits.IPsPerMAC}
}

func hostsConfig(r *config.Rules) hosts.Config {
	h := r.Hosts
	return hosts.Config{Off: !h.Listen, NoProbe: !h.Probe, ProbeInterval: h.ProbeInterval, ProbeRate: h.ProbeRate}
}

func bgpConfig(cfg *config.Config, routerID netip.Addr) bgp.Config {
	c := bgp.Config{
		AS: cfg.BGP.ASN, RouterID: routerID, Listen: cfg.BGP.Listen,
		Retain: cfg.BGP.Retain, RestartTime: cfg.BGP.RestartTime, LongLivedTime: cfg.BGP.LongLivedStaleTime, Hold: beginWait,
	}
	for _, p := range cfg.BGP.Peers {
		s := session(p.ASN, p.Session)
		s.Passive, s.ConnectRetry = p.Passive, p.ConnectRetry
		c.Peers = append(c.Peers, bgp.Peer{Address: p.Address, Port: p.Port, Description: p.Description, Session: s})
	}
	for _, p := range cfg.BGP.Dynamic {
		c.Dynamic = append(c.Dynamic, bgp.Dynamic{Range: p.Range, Limit: p.Limit, Session: session(p.ASN, p.Session)})
	}
	return c
}

func session(as uint32, s config.Session) bgp.Session {
	return bgp.Session{
		AS: as, LocalAS: s.LocalASN, LocalAddress: s.LocalAddress, Interface: s.Interface, Password: s.Password.Reveal(),
		TTLSecurity: s.TTLSecurity, Multihop: s.Multihop, HoldTime: s.HoldTime, Keepalive: s.Keepalive,
		RouteLimit: evpn.PeerLimit{Routes: s.MaxRoutes, Reset: s.MaxRoutesAction == config.LimitReset},
	}
}

func planeConfig(cfg *config.Config) dataplane.Config {
	c := dataplane.Config{Hosts: hostsConfig(&cfg.VNIs.Rules), VNIHosts: make(map[evpn.VNI]hosts.Config)}
	t := &c.Topology
	if t.VTEP = cfg.VTEP.Address; !t.VTEP.IsValid() {
		t.VTEP = loopback()
	}
	for _, s := range cfg.VNIs.Select {
		if s.Device != "" {
			t.Select.Devices = append(t.Select.Devices, s.Device)
		} else {
			t.Select.Ranges = append(t.Select.Ranges, topology.Range{First: s.First, Last: s.Last})
		}
	}
	for _, v := range cfg.VNIs.Settings {
		if h := hostsConfig(&v.Rules); h != c.Hosts {
			c.VNIHosts[v.VNI] = h
		}
		if n := v.Create; n != nil {
			local := n.Local
			if !local.IsValid() {
				local = t.VTEP
			}
			t.Declared = append(t.Declared, topology.Declared{
				VNI: v.VNI, Bridge: n.Bridge, Device: n.Device, Local: local, Port: n.Port, MTU: n.MTU, Ports: n.Ports,
			})
		}
	}
	return c
}

func apiConfig(cfg *config.Config) []api.ListenConfig {
	var out []api.ListenConfig
	for _, e := range cfg.API.Listen {
		c := api.ListenConfig{Address: e}
		if e.Network == "tcp" {
			c.CertFile, c.KeyFile, c.ClientCAFile = cfg.API.TLS.Cert, cfg.API.TLS.Key, cfg.API.TLS.ClientCA
		} else {
			c.Group, c.Mode = cfg.API.Group, cfg.API.Mode
		}
		out = append(out, c)
	}
	return out
}
