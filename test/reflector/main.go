// Command reflector is a BGP route reflector for EVPN that knows graceful
// restart: GoBGP as a library, with nothing added. The fault suite needs one,
// since FRR 8.4 has no graceful restart for EVPN.
//
//	reflector -as 65000 -id 10.90.1.254 [-restarting] client...
//
// Every client is a neighbor of the same AS that connects by itself. SIGHUP
// resets all sessions, SIGTERM ends the program with a CEASE to each.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"

	api "github.com/osrg/gobgp/v3/api"
	gobgplog "github.com/osrg/gobgp/v3/pkg/log"
	gobgp "github.com/osrg/gobgp/v3/pkg/server"
)

// options are what the command line says.
type options struct {
	as, restart, longLived, hold, idle uint
	id, listen                         string
	port                               int
	restarting                         bool
}

func main() {
	var o options
	flag.UintVar(&o.as, "as", 65000, "AS of the reflector and its clients")
	flag.StringVar(&o.id, "id", "", "router id")
	flag.StringVar(&o.listen, "listen", "0.0.0.0", "address to listen on")
	flag.IntVar(&o.port, "port", 179, "port to listen on")
	flag.UintVar(&o.restart, "restart-time", 120, "seconds that clients are to wait for a restart (RFC 4724)")
	flag.UintVar(&o.longLived, "long-lived", 0, "seconds that stale routes are kept for after that (RFC 9494); 0 is off")
	flag.UintVar(&o.hold, "hold", 90, "hold time in seconds")
	flag.UintVar(&o.idle, "idle", 30, "seconds that a client is refused after a reset, GoBGP's own default")
	flag.BoolVar(&o.restarting, "restarting", false, "say that this is a restart, and wait for the clients before routes are sent (RFC 4724 §4.1)")
	flag.Parse()
	if err := run(&o, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(o *options, clients []string) error {
	logger := gobgplog.NewDefaultLogger()
	logger.SetLevel(gobgplog.InfoLevel)
	s := gobgp.NewBgpServer(gobgp.LoggerOption(logger))
	go s.Serve() // never returns; GoBGP has no way to end it
	ctx := context.Background()
	// The signals first: one that comes early is not lost.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM)
	if err := s.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{
		Asn: uint32(o.as), RouterId: o.id, ListenPort: int32(o.port), ListenAddresses: []string{o.listen},
	}}); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	for _, c := range clients {
		if err := s.AddPeer(ctx, &api.AddPeerRequest{Peer: o.client(c)}); err != nil {
			return fmt.Errorf("client %s: %w", c, err)
		}
	}
	for sig := range signals {
		if sig == syscall.SIGTERM {
			return s.StopBgp(ctx, &api.StopBgpRequest{})
		}
		for _, c := range clients {
			if err := s.ResetPeer(ctx, &api.ResetPeerRequest{Address: c}); err != nil {
				log.Printf("reset %s: %v", c, err)
			}
		}
	}
	return nil
}

// client is a neighbor that connects by itself, with graceful restart as far
// as GoBGP knows it.
func (o *options) client(addr string) *api.Peer {
	return &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: addr, PeerAsn: uint32(o.as)},
		Transport: &api.Transport{PassiveMode: true},
		Timers: &api.Timers{Config: &api.TimersConfig{
			HoldTime: uint64(o.hold), KeepaliveInterval: uint64(max(o.hold/3, 1)), IdleHoldTimeAfterReset: uint64(o.idle),
		}},
		RouteReflector: &api.RouteReflector{RouteReflectorClient: true, RouteReflectorClusterId: o.id},
		GracefulRestart: &api.GracefulRestart{
			Enabled: true, RestartTime: uint32(o.restart), DeferralTime: 10, NotificationEnabled: true,
			LocalRestarting: o.restarting, LonglivedEnabled: o.longLived > 0,
		},
		AfiSafis: []*api.AfiSafi{{
			Config: &api.AfiSafiConfig{
				Family: &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}, Enabled: true,
			},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: true}},
			LongLivedGracefulRestart: &api.LongLivedGracefulRestart{Config: &api.LongLivedGracefulRestartConfig{
				Enabled: o.longLived > 0, RestartTime: uint32(o.longLived),
			}},
		}},
	}
}
