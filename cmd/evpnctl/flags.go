package main

import (
	"strconv"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

const maxVNI = 1<<24 - 1

func parseVNI(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n < 1 || n > maxVNI {
		return 0, usagef("VNI %q: want a number from 1 to %d", s, maxVNI)
	}
	return uint32(n), nil
}

// parseVNIFlag reads --vni; 0 when it was not given.
func parseVNIFlag(cmd *cobra.Command, s string) (uint32, error) {
	if !cmd.Flags().Changed("vni") {
		return 0, nil
	}
	return parseVNI(s)
}

// place is the flags that MACs and neighbors are filtered by.
type place struct {
	vni, vtep     string
	local, remote bool
}

func (p *place) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.vni, "vni", "", "only those of this VNI")
	f.StringVar(&p.vtep, "vtep", "", "only those behind this remote VTEP")
	f.BoolVar(&p.local, "local", false, "only those on this host")
	f.BoolVar(&p.remote, "remote", false, "only those behind other VTEPs")
}

func (p *place) read(cmd *cobra.Command) (vni uint32, origin evpndv1.Origin, err error) {
	if vni, err = parseVNIFlag(cmd, p.vni); err != nil {
		return 0, 0, err
	}
	switch {
	case p.local && p.remote:
		return 0, 0, usagef("--local and --remote exclude each other: leave out both to see all")
	case p.local:
		origin = evpndv1.Origin_ORIGIN_LOCAL
	case p.remote:
		origin = evpndv1.Origin_ORIGIN_REMOTE
	}
	return vni, origin, nil
}
