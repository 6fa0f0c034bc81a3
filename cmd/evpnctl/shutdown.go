package main

import (
	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type shutdownView struct {
	Withdrawn bool   `json:"withdrawn"`
	Warning   string `json:"warning"`
}

func (a *app) shutdownCommand() *cobra.Command {
	var withdraw bool
	c := &cobra.Command{
		Use:   "shutdown [--withdraw]",
		Short: "End evpnd; the kernel goes on forwarding",
		Long: `End evpnd, as SIGTERM does: the peers are told nothing, so that those with
graceful restart keep our routes for bgp.restart-time, and an evpnd that starts
within it is not missed.

With --withdraw say goodbye to the peers first (CEASE, administrative shutdown):
they drop our routes at once, and send nothing here any more. For a host that
leaves for good or for longer.

Either way the entries in the kernel stay as they are, and hosts behind this
VTEP can still send. systemd does not start evpnd again after this.`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(c *client) error {
				a.tell.say("waiting for evpnd to say goodbye to its peers")
				res, err := call(cmd.Context(), c, admin.Shutdown, &evpndv1.ShutdownRequest{Withdraw: withdraw})
				if err != nil {
					return err
				}
				return one(a, shutdownView{Withdrawn: withdraw, Warning: res.GetWarning()}, showShutdown)
			})
		},
	}
	c.Flags().BoolVar(&withdraw, "withdraw", false, "say goodbye to the peers, who drop our routes at once")
	return c
}

func showShutdown(b *block, v shutdownView) {
	if v.Withdrawn {
		b.text("evpnd has said goodbye to its peers and ends")
	} else {
		b.text("evpnd ends; peers with graceful restart keep its routes for now")
	}
	if v.Warning != "" {
		b.text("warning: " + v.Warning)
	}
}
