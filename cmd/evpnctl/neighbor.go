package main

import (
	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

var neighborColumns = []column[*evpndv1.Neighbor]{
	{name: "VNI", text: num((*evpndv1.Neighbor).GetVni)},
	{name: "IP", text: (*evpndv1.Neighbor).GetIp},
	{name: "MAC", text: (*evpndv1.Neighbor).GetMac},
	{name: "ORIGIN", text: func(n *evpndv1.Neighbor) string { return word(n.GetOrigin()) }},
	{name: "VTEP", text: (*evpndv1.Neighbor).GetVtep},
	{name: "FLAGS", text: neighborFlags},
	{name: "STATE", text: func(n *evpndv1.Neighbor) string { return withError(n.GetState(), n.GetError()) }},
}

func neighborFlags(n *evpndv1.Neighbor) string {
	return marks(mark{n.GetRouter(), "router"}, mark{n.GetFrozen(), "frozen"})
}

func (a *app) neighborCommand() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the addresses of hosts and whose they are",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			vni, origin, err := at.read(cmd)
			if err != nil {
				return err
			}
			req := &evpndv1.ListNeighborsRequest{Vni: vni, Vtep: at.vtep, Origin: origin}
			return list(cmd, a, neighborColumns, admin.ListNeighbors, req, (*evpndv1.ListNeighborsResponse).GetNeighbors)
		},
	}
	at.flags(cmd)
	return group("neighbor", "IP addresses of hosts", cmd, a.unfreezeCommand())
}
