package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type vniView struct {
	VNI             uint32   `json:"vni" yaml:"vni"`
	Served          bool     `json:"served" yaml:"served"`
	Reason          string   `json:"reason" yaml:"reason"`
	Device          string   `json:"device" yaml:"device"`
	Bridge          string   `json:"bridge" yaml:"bridge"`
	VTEP            string   `json:"vtep" yaml:"vtep"`
	RD              string   `json:"rd" yaml:"rd"`
	Export          []string `json:"export_targets" yaml:"export_targets"`
	Import          []string `json:"import_targets" yaml:"import_targets"`
	LocalMACs       uint64   `json:"local_macs" yaml:"local_macs"`
	RemoteMACs      uint64   `json:"remote_macs" yaml:"remote_macs"`
	LocalNeighbors  uint64   `json:"local_neighbors" yaml:"local_neighbors"`
	RemoteNeighbors uint64   `json:"remote_neighbors" yaml:"remote_neighbors"`
	VTEPs           uint32   `json:"vteps" yaml:"vteps"`
	Managed         bool     `json:"managed" yaml:"managed"`
	MTU             uint32   `json:"mtu" yaml:"mtu"`
	Port            uint32   `json:"port" yaml:"port"`
	Notes           []string `json:"notes" yaml:"notes"`
}

var vniColumns = []column[vniView]{
	{name: "VNI", text: func(v *vniView) string { return number(v.VNI) }},
	{name: "DEVICE", text: func(v *vniView) string { return v.Device }},
	{name: "BRIDGE", text: func(v *vniView) string { return v.Bridge }},
	{name: "VTEP", text: func(v *vniView) string { return v.VTEP }},
	{name: "RD", text: func(v *vniView) string { return v.RD }},
	{name: "EXPORT", wide: true, text: func(v *vniView) string { return strings.Join(v.Export, ",") }},
	{name: "IMPORT", wide: true, text: func(v *vniView) string { return strings.Join(v.Import, ",") }},
	{name: "LOCAL MACS", text: func(v *vniView) string { return number(v.LocalMACs) }},
	{name: "REMOTE MACS", text: func(v *vniView) string { return number(v.RemoteMACs) }},
	{name: "VTEPS", text: func(v *vniView) string { return number(v.VTEPs) }},
	{name: "MTU", wide: true, text: func(v *vniView) string { return number(v.MTU) }},
	{name: "PORT", wide: true, text: func(v *vniView) string { return number(v.Port) }},
	{name: "STATE", text: vniState},
}

func vniState(v *vniView) string {
	switch {
	case v.Served:
		return "served"
	case v.Reason != "":
		return "not served: " + v.Reason
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
				return a.with(func(c *client) error {
					p := newPrinter(a, vniColumns)
					err := each(cmd.Context(), c, c.ListVNIs, &evpndv1.ListVNIsRequest{}, func(page *evpndv1.ListVNIsResponse) error {
						return addAll(p, page.GetVnis(), viewVNI)
					})
					if err != nil {
						return err
					}
					return p.close()
				})
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
				return a.with(func(c *client) error {
					res, err := call(cmd.Context(), c, c.GetVNI, &evpndv1.GetVNIRequest{Vni: vni})
					if err != nil {
						return err
					}
					return one(a, viewVNI(res.GetVni()), showVNI)
				})
			},
		})
}

func viewVNI(v *evpndv1.VNI) vniView {
	return vniView{
		VNI: v.GetVni(), Served: v.GetServed(), Reason: v.GetReason(),
		Device: v.GetDevice(), Bridge: v.GetBridge(), VTEP: v.GetVtep(), RD: v.GetRd(),
		Export: orEmpty(v.GetExportTargets()), Import: orEmpty(v.GetImportTargets()),
		LocalMACs: v.GetLocalMacs(), RemoteMACs: v.GetRemoteMacs(),
		LocalNeighbors: v.GetLocalNeighbors(), RemoteNeighbors: v.GetRemoteNeighbors(),
		VTEPs: v.GetVteps(), Managed: v.GetManaged(), MTU: v.GetMtu(), Port: v.GetPort(),
		Notes: orEmpty(v.GetNotes()),
	}
}

func showVNI(b *block, v *vniView) {
	b.add("vni", number(v.VNI))
	b.add("state", vniState(v))
	b.add("device", v.Device)
	b.add("bridge", v.Bridge)
	b.add("made by evpnd", yesNo(v.Managed))
	b.add("vtep", v.VTEP)
	if v.Port != 0 {
		b.add("port", number(v.Port))
	}
	if v.MTU != 0 {
		b.add("mtu", number(v.MTU))
	}
	b.add("rd", v.RD)
	b.add("export targets", strings.Join(v.Export, ", "))
	b.add("import targets", strings.Join(v.Import, ", "))
	if v.Served {
		b.add("macs", fmt.Sprintf("%d local, %d remote", v.LocalMACs, v.RemoteMACs))
		b.add("neighbors", fmt.Sprintf("%d local, %d remote", v.LocalNeighbors, v.RemoteNeighbors))
		b.add("remote vteps", number(v.VTEPs))
	}
	for _, n := range v.Notes {
		b.add("note", n)
	}
}
