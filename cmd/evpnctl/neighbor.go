package main

import (
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type neighborView struct {
	VNI    uint32 `json:"vni" yaml:"vni"`
	IP     string `json:"ip" yaml:"ip"`
	MAC    string `json:"mac" yaml:"mac"`
	Origin string `json:"origin" yaml:"origin"`
	VTEP   string `json:"vtep" yaml:"vtep"`
	Router bool   `json:"router" yaml:"router"`
	State  string `json:"state" yaml:"state"`
	Error  string `json:"error" yaml:"error"`
	Frozen bool   `json:"frozen" yaml:"frozen"`
}

var neighborColumns = []column[neighborView]{
	{name: "VNI", text: func(n *neighborView) string { return number(n.VNI) }},
	{name: "IP", text: func(n *neighborView) string { return n.IP }},
	{name: "MAC", text: func(n *neighborView) string { return n.MAC }},
	{name: "ORIGIN", text: func(n *neighborView) string { return n.Origin }},
	{name: "VTEP", text: func(n *neighborView) string { return n.VTEP }},
	{name: "FLAGS", text: neighborFlags},
	{name: "STATE", text: func(n *neighborView) string { return withError(n.State, n.Error) }},
}

func neighborFlags(n *neighborView) string {
	var flags []string
	if n.Router {
		flags = append(flags, "router")
	}
	if n.Frozen {
		flags = append(flags, "frozen")
	}
	return strings.Join(flags, ",")
}

func (a *app) neighborCommand() *cobra.Command {
	var at place
	list := &cobra.Command{
		Use:   "list",
		Short: "List the addresses of hosts and whose they are",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			vni, origin, err := at.read(cmd)
			if err != nil {
				return err
			}
			return a.with(func(c *client) error {
				p := newPrinter(a, neighborColumns)
				req := &evpndv1.ListNeighborsRequest{Vni: vni, Vtep: at.vtep, Origin: origin}
				err := each(cmd.Context(), c, c.ListNeighbors, req, func(page *evpndv1.ListNeighborsResponse) error {
					return addAll(p, page.GetNeighbors(), viewNeighbor)
				})
				if err != nil {
					return err
				}
				return p.close()
			})
		},
	}
	at.flags(list)
	return group("neighbor", "IP addresses of hosts", list, a.unfreezeCommand())
}

func viewNeighbor(n *evpndv1.Neighbor) neighborView {
	return neighborView{
		VNI: n.GetVni(), IP: n.GetIp(), MAC: n.GetMac(), Origin: originWord(n.GetOrigin()), VTEP: n.GetVtep(),
		Router: n.GetRouter(), State: stateWord(n.GetState()), Error: n.GetError(), Frozen: n.GetFrozen(),
	}
}
