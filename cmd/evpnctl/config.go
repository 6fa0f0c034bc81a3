package main

import (
	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type reloadView struct {
	Changes       []string `json:"changes" yaml:"changes"`
	RestartNeeded []string `json:"restart_needed" yaml:"restart_needed"`
}

func (a *app) configCommand() *cobra.Command {
	return group("config", "The configuration of evpnd",
		&cobra.Command{
			Use:   "reload",
			Short: "Make evpnd read its configuration file again",
			Long: `Make evpnd read its configuration file again and apply what changed. When the
file is wrong nothing changes, and the answer says what is wrong.`,
			Args: args(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return a.with(func(c *client) error {
					res, err := call(cmd.Context(), c, c.ReloadConfig, &evpndv1.ReloadConfigRequest{})
					if err != nil {
						return err
					}
					v := reloadView{Changes: orEmpty(res.GetChanges()), RestartNeeded: orEmpty(res.GetRestartNeeded())}
					return one(a, v, showReload)
				})
			},
		}, a.diffCommand())
}

func showReload(b *block, r *reloadView) {
	if len(r.Changes)+len(r.RestartNeeded) == 0 {
		b.text("nothing changed")
	}
	for _, c := range r.Changes {
		b.text(c)
	}
	for _, c := range r.RestartNeeded {
		b.text(c + " (needs a restart)")
	}
}
