package main

import (
	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

var macColumns = []column[*evpndv1.MAC]{
	{name: "VNI", text: num((*evpndv1.MAC).GetVni)},
	{name: "MAC", text: (*evpndv1.MAC).GetMac},
	{name: "ORIGIN", text: func(m *evpndv1.MAC) string { return word(m.GetOrigin()) }},
	{name: "INTERFACE/VTEP", text: func(m *evpndv1.MAC) string { return m.GetInterface() + m.GetVtep() }},
	{name: "SEQ", text: num((*evpndv1.MAC).GetSequence)},
	{name: "FLAGS", text: macFlags},
	{name: "STATE", text: func(m *evpndv1.MAC) string { return withError(m.GetState(), m.GetError()) }},
	{name: "PATHS", wide: true, text: num((*evpndv1.MAC).GetPaths)},
	{name: "IPS", text: commas((*evpndv1.MAC).GetIps)},
	{name: "CHOSEN BECAUSE", wide: true, text: (*evpndv1.MAC).GetReason},
}

func macFlags(m *evpndv1.MAC) string {
	return marks(mark{m.GetSticky(), "sticky"}, mark{m.GetFrozen(), "frozen"})
}

// withError is a state with what the kernel said to it.
func withError(state evpndv1.EntryState, err string) string {
	if err == "" {
		return word(state)
	}
	return word(state) + ": " + err
}

func (a *app) macCommand() *cobra.Command {
	var at place
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the MACs and where they are",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			vni, origin, err := at.read(cmd)
			if err != nil {
				return err
			}
			req := &evpndv1.ListMACsRequest{Vni: vni, Vtep: at.vtep, Origin: origin}
			return list(cmd, a, macColumns, admin.ListMACs, req, (*evpndv1.ListMACsResponse).GetMacs)
		},
	}
	at.flags(cmd)
	return group("mac", "MAC addresses", cmd, a.macShowCommand(), a.historyCommand(), a.unfreezeCommand())
}
