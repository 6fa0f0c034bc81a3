package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

var vniColumns = []column[*evpndv1.VNI]{
	{name: "VNI", text: num((*evpndv1.VNI).GetVni)},
	{name: "DEVICE", text: (*evpndv1.VNI).GetDevice},
	{name: "BRIDGE", text: (*evpndv1.VNI).GetBridge},
	{name: "VTEP", text: (*evpndv1.VNI).GetVtep},
	{name: "RD", text: (*evpndv1.VNI).GetRd},
	{name: "EXPORT", wide: true, text: commas((*evpndv1.VNI).GetExportTargets)},
	{name: "IMPORT", wide: true, text: commas((*evpndv1.VNI).GetImportTargets)},
	{name: "LOCAL MACS", text: num((*evpndv1.VNI).GetLocalMacs)},
	{name: "REMOTE MACS", text: num((*evpndv1.VNI).GetRemoteMacs)},
	{name: "VTEPS", text: num((*evpndv1.VNI).GetVteps)},
	{name: "MTU", wide: true, text: num((*evpndv1.VNI).GetMtu)},
	{name: "PORT", wide: true, text: num((*evpndv1.VNI).GetPort)},
	{name: "STATE", text: vniState},
}

func vniState(v *evpndv1.VNI) string {
	switch {
	case v.GetServed():
		return "served"
	case v.GetReason() != "":
		return "not served: " + v.GetReason()
	}
	return "not served"
}

func (a *app) vniCommand() *cobra.Command {
	return group("vni", "VXLAN networks",
		&cobra.Command{
			Use:   "list",
			Short: "List the VNIs, also those that are seen and not served",
			Args:  args(),
			RunE: func(cmd *cobra.Command, _ []string) error {
				return list(cmd, a, vniColumns, admin.ListVNIs, &evpndv1.ListVNIsRequest{}, (*evpndv1.ListVNIsResponse).GetVnis)
			},
		},
		&cobra.Command{
			Use:   "show VNI",
			Short: "Show one VNI",
			Args:  args("the VNI"),
			RunE: func(cmd *cobra.Command, args []string) error {
				vni, err := parseVNI(args[0])
				if err != nil {
					return err
				}
				return show(cmd, a, admin.GetVNI, &evpndv1.GetVNIRequest{Vni: vni}, (*evpndv1.GetVNIResponse).GetVni, showVNI)
			},
		})
}

func showVNI(b *block, v *evpndv1.VNI) {
	b.add("vni", number(v.GetVni()))
	b.add("state", vniState(v))
	b.add("device", v.GetDevice())
	b.add("bridge", v.GetBridge())
	b.add("made by evpnd", yesNo(v.GetManaged()))
	b.add("vtep", v.GetVtep())
	b.count("port", v.GetPort())
	b.count("mtu", v.GetMtu())
	b.add("rd", v.GetRd())
	b.add("export targets", strings.Join(v.GetExportTargets(), ", "))
	b.add("import targets", strings.Join(v.GetImportTargets(), ", "))
	if v.GetServed() {
		b.add("macs", fmt.Sprintf("%d local, %d remote", v.GetLocalMacs(), v.GetRemoteMacs()))
		b.add("neighbors", fmt.Sprintf("%d local, %d remote", v.GetLocalNeighbors(), v.GetRemoteNeighbors()))
		b.add("remote vteps", number(v.GetVteps()))
	}
	for _, n := range v.GetNotes() {
		b.add("note", n)
	}
}
