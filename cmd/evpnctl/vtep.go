package main

import (
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type vtepView struct {
	Address string   `json:"address" yaml:"address"`
	VNIs    []uint32 `json:"vnis" yaml:"vnis"`
	MACs    uint64   `json:"macs" yaml:"macs"`
}

// vnisShown is how many VNIs a table names before it stops.
const vnisShown = 8

var vtepColumns = []column[vtepView]{
	{name: "ADDRESS", text: func(v *vtepView) string { return v.Address }},
	{name: "MACS", text: func(v *vtepView) string { return number(v.MACs) }},
	{name: "VNIS", text: func(v *vtepView) string { return vniNumbers(v.VNIs) }},
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
	list := &cobra.Command{
		Use:   "list",
		Short: "List the remote VTEPs",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			n, err := parseVNIFlag(cmd, vni)
			if err != nil {
				return err
			}
			return a.with(func(c *client) error {
				p := newPrinter(a, vtepColumns)
				err := each(cmd.Context(), c, c.ListVTEPs, &evpndv1.ListVTEPsRequest{Vni: n}, func(page *evpndv1.ListVTEPsResponse) error {
					return addAll(p, page.GetVteps(), viewVTEP)
				})
				if err != nil {
					return err
				}
				return p.close()
			})
		},
	}
	list.Flags().StringVar(&vni, "vni", "", "only those on the flood list of this VNI")
	return group("vtep", "Remote tunnel endpoints", list)
}

func viewVTEP(v *evpndv1.VTEP) vtepView {
	return vtepView{Address: v.GetAddress(), VNIs: orEmpty(v.GetVnis()), MACs: v.GetMacs()}
}
