package main

import (
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// vnisShown is how many VNIs a table names before it stops.
const vnisShown = 8

var vtepColumns = []column[*evpndv1.VTEP]{
	{name: "ADDRESS", text: (*evpndv1.VTEP).GetAddress},
	{name: "MACS", text: num((*evpndv1.VTEP).GetMacs)},
	{name: "VNIS", text: func(v *evpndv1.VTEP) string { return vniNumbers(v.GetVnis()) }},
}

func vniNumbers(vnis []uint32) string {
	var s []string
	for i, n := range vnis {
		if i == vnisShown {
			s = append(s, "... ("+number(len(vnis))+" in all)")
			break
		}
		s = append(s, number(n))
	}
	return strings.Join(s, ",")
}

func (a *app) vtepCommand() *cobra.Command {
	var vni string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the remote VTEPs",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := parseVNIFlag(cmd, vni)
			if err != nil {
				return err
			}
			return list(cmd, a, vtepColumns, admin.ListVTEPs, &evpndv1.ListVTEPsRequest{Vni: n}, (*evpndv1.ListVTEPsResponse).GetVteps)
		},
	}
	cmd.Flags().StringVar(&vni, "vni", "", "only those on the flood list of this VNI")
	return group("vtep", "Remote tunnel endpoints", cmd)
}
