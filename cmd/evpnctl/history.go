package main

import (
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// placeText is where a MAC is or was.
func placeText(p *evpndv1.Place) string {
	if p.GetOrigin() == evpndv1.Origin_ORIGIN_UNSPECIFIED {
		return "nowhere"
	}
	return p.GetInterface() + p.GetVtep()
}

// vniMove is a move as it is listed, where MACs of several VNIs can be.
type vniMove struct {
	vni  uint32
	mac  string
	move *evpndv1.Move
}

// MarshalJSON puts the fields of the move after those of its MAC.
func (m vniMove) MarshalJSON() ([]byte, error) {
	b := appendText(fmt.Appendf(nil, `{"vni":%d,"mac":`, m.vni), m.mac)
	return append(appendFields(b, m.move.ProtoReflect()), '}'), nil
}

var moveColumns = []column[vniMove]{
	{name: "VNI", text: func(m vniMove) string { return number(m.vni) }},
	{name: "TIME", text: func(m vniMove) string { return instant(m.move.GetTime()) }},
	{name: "FROM", text: func(m vniMove) string { return placeText(m.move.GetFrom()) }},
	{name: "TO", text: func(m vniMove) string { return placeText(m.move.GetTo()) }},
	{name: "SEQ", text: func(m vniMove) string { return number(m.move.GetSequence()) }},
	{name: "CAUSE", text: func(m vniMove) string { return m.move.GetCause() }},
}

func (a *app) historyCommand() *cobra.Command {
	var vni string
	c := &cobra.Command{
		Use:   "history MAC [--vni VNI]",
		Short: "Show the latest moves of a MAC: when, from where, to where and why",
		Args:  args("the MAC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := parseVNIFlag(cmd, vni)
			if err != nil {
				return err
			}
			return a.with(func(c *client) error {
				vnis, err := findMAC(cmd, c, n, args[0])
				if err != nil {
					return err
				}
				p := newPrinter(a, moveColumns)
				for _, vni := range vnis {
					res, err := call(cmd.Context(), c, admin.GetMACHistory, &evpndv1.GetMACHistoryRequest{Vni: vni, Mac: args[0]})
					if err != nil {
						return err
					}
					for _, m := range res.GetMoves() {
						if err := p.add(vniMove{vni, args[0], m}); err != nil {
							return err
						}
					}
				}
				return p.close()
			})
		},
	}
	c.Flags().StringVar(&vni, "vni", "", "the VNI that the MAC is in; without it all that know it")
	return c
}

// findMAC returns the VNIs that know a MAC, or just vni when that is given.
func findMAC(cmd *cobra.Command, c *client, vni uint32, mac string) ([]uint32, error) {
	if vni != 0 {
		return []uint32{vni}, nil
	}
	res, err := call(cmd.Context(), c, admin.FindMAC, &evpndv1.FindMACRequest{Mac: mac})
	switch {
	case err != nil:
		return nil, err
	case len(res.GetVnis()) == 0:
		return nil, fmt.Errorf("MAC %s is not known in any VNI", mac)
	}
	return res.GetVnis(), nil
}

// unfreezeCommand is the same under mac and neighbor: what is frozen tells by
// its form which of the two it is.
func (a *app) unfreezeCommand() *cobra.Command {
	var vni string
	c := &cobra.Command{
		Use:   "unfreeze MAC|IP --vni VNI",
		Short: "Let a MAC or IP address go that is frozen as a duplicate, and forget its moves",
		Args:  args("the MAC or IP address"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if vni == "" {
				return usagef("%s: say in which network with --vni", cmd.CommandPath())
			}
			n, err := parseVNI(vni)
			if err != nil {
				return err
			}
			req := &evpndv1.UnfreezeRequest{Vni: n}
			if _, err := netip.ParseAddr(args[0]); err == nil {
				req.Ip = args[0]
			} else {
				req.Mac = args[0]
			}
			return do(cmd, a, admin.Unfreeze, req)
		},
	}
	c.Flags().StringVar(&vni, "vni", "", "the VNI that it is in")
	return c
}

// moveText is a move in one line.
func moveText(m *evpndv1.Move) string {
	text := fmt.Sprintf("%s  %s -> %s, sequence %d", instant(m.GetTime()), placeText(m.GetFrom()), placeText(m.GetTo()), m.GetSequence())
	if m.GetCause() != "" {
		text += ": " + m.GetCause()
	}
	return text
}

// frozenText says since when something is frozen and how it is let go; empty
// when it is not.
func frozenText(m *evpndv1.MAC) string {
	if !m.GetFrozen() {
		return ""
	}
	text := "as a duplicate"
	if at := when(m.GetFrozenSince()); at != "" {
		text += " since " + at
	}
	return text + fmt.Sprintf("; to let it go: evpnctl mac unfreeze --vni %d %s", m.GetVni(), m.GetMac())
}
