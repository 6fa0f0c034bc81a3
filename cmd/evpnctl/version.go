package main

import (
	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type versionView struct {
	Evpnctl string `json:"evpnctl"`
	Evpnd   string `json:"evpnd"` // empty: it cannot be reached
	Error   string `json:"error"` // why
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the versions of evpnctl and of evpnd",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := versionView{Evpnctl: version}
			err := a.with(func(c *client) error {
				res, err := call(cmd.Context(), c, admin.GetStatus, &evpndv1.GetStatusRequest{})
				v.Evpnd = res.GetStatus().GetVersion()
				return err
			})
			if err != nil {
				v.Error = err.Error()
			}
			return one(a, v, func(b *block, v versionView) {
				b.add("evpnctl", v.Evpnctl)
				b.add("evpnd", v.Evpnd+v.Error)
			})
		},
	}
}
