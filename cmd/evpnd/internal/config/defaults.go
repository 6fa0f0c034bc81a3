package config

import (
	"log/slog"
	"net/netip"
	"reflect"
	"time"

	"github.com/evpnd/evpnd/bgp"
	"github.com/evpnd/evpnd/cmd/internal/apiaddr"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// defaultConfig returns what holds where the file has no key at all.
func defaultConfig() Config {
	b, e := bgp.DefaultConfig(0, netip.Addr{}), evpn.DefaultConfig(0, netip.Addr{})
	listen, err := apiaddr.ParseListen(apiaddr.Default)
	if err != nil {
		panic(err)
	}
	return Config{
		BGP: BGP{
			Listen: b.Listen, Retain: b.Retain, RestartTime: b.RestartTime, LongLivedStaleTime: b.LongLivedTime,
			EndOfRIBWait: e.EndOfRIBWait, StaleHold: e.StaleHold, FloodHold: e.FloodHold,
		},
		VNIs: VNIs{
			AuditInterval: 5 * time.Minute,
			Rules: Rules{
				Duplicates: Duplicates{
					Detect: !e.Duplicate.Off, Moves: e.Duplicate.Moves, Window: e.Duplicate.Window, Recover: e.Duplicate.Recover,
				},
				Limits: Limits{LocalMACs: e.Limits.LocalMACs, IPsPerMAC: e.Limits.IPsPerMAC},
				Hosts:  Hosts{Listen: true, Probe: true, ProbeRate: hosts.DefaultProbeRate},
				Flood:  !e.NoFlood,
			},
		},
		API:   API{Listen: []apiaddr.Addr{listen}, Mode: 0o660}, // for root and one group
		State: State{Directory: "/var/lib/evpnd"},
		Log:   Log{Level: slog.LevelInfo, Format: FormatText},
	}
}

// setDefaults gives v, an element of a list or a section that is there when it
// is asked for, what holds where the file has none of its keys. What a VNI does
// not set is as it is for all (see inherit).
func setDefaults(v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *Peer:
		d := bgp.DefaultPeer(netip.Addr{}, 0)
		*x = Peer{Port: d.Port, Passive: d.Passive, ConnectRetry: d.ConnectRetry, Session: defaultSession(&d.Session)}
	case *DynamicPeer:
		d := bgp.DefaultDynamic(netip.Prefix{}, 0)
		*x = DynamicPeer{Limit: d.Limit, Session: defaultSession(&d.Session)}
	case *Create:
		*x = Create{Port: topology.DefaultPort}
	}
}

func defaultSession(d *bgp.Session) Session {
	return Session{HoldTime: d.HoldTime, MaxRoutes: d.RouteLimit.Routes, MaxRoutesAction: LimitStop}
}
