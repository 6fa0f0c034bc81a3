package main

import (
	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

func (a *app) configCommand() *cobra.Command {
	return group("config", "The configuration of evpnd",
		&cobra.Command{
			Use:   "reload",
			Short: "Make evpnd read its configuration file again",
			Long: `Make evpnd read its configuration file again and apply what changed. When the
file is wrong nothing changes, and the answer says what is wrong.`,
			Args: args(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return show(cmd, a, admin.ReloadConfig, &evpndv1.ReloadConfigRequest{}, same, showReload)
			},
		}, a.diffCommand())
}

// same is the object of an answer that is one.
func same[T any](answer T) T { return answer }

func showReload(b *block, r *evpndv1.ReloadConfigResponse) {
	if len(r.GetChanges())+len(r.GetRestartNeeded()) == 0 {
		b.text("nothing changed")
	}
	for _, c := range r.GetChanges() {
		b.text(c)
	}
	for _, c := range r.GetRestartNeeded() {
		b.text(c + " (needs a restart)")
	}
}
