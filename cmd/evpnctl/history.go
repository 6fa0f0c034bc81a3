package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type moveView struct {
	Time     string    `json:"time" yaml:"time"`
	From     placeView `json:"from" yaml:"from"`
	To       placeView `json:"to" yaml:"to"`
	Sequence uint32    `json:"sequence" yaml:"sequence"`
	Cause    string    `json:"cause" yaml:"cause"`
}

// placeView is where a MAC was; all is empty when it was nowhere.
type placeView struct {
	Origin    string `json:"origin" yaml:"origin"`
	Interface string `json:"interface" yaml:"interface"`
	VTEP      string `json:"vtep" yaml:"vtep"`
}

func (p *placeView) text() string {
	if p.Origin == "" {
		return "nowhere"
	}
	return p.Interface + p.VTEP
}

// vniMove is a move as it is listed, where MACs of several VNIs can be.
type vniMove struct {
	VNI      uint32 `json:"vni" yaml:"vni"`
	MAC      string `json:"mac" yaml:"mac"`
	moveView `yaml:",inline"`
}

var moveColumns = []column[vniMove]{
	{name: "VNI", text: func(m *vniMove) string { return number(m.VNI) }},
	{name: "TIME", text: func(m *vniMove) string { return m.Time }},
	{name: "FROM", text: func(m *vniMove) string { return m.From.text() }},
	{name: "TO", text: func(m *vniMove) string { return m.To.text() }},
	{name: "SEQ", text: func(m *vniMove) string { return number(m.Sequence) }},
	{name: "CAUSE", text: func(m *vniMove) string { return m.Cause }},
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
					res, err := call(cmd.Context(), c, c.GetMACHistory, &evpndv1.GetMACHistoryRequest{Vni: vni, Mac: args[0]})
					if err != nil {
						return err
					}
					err = addAll(p, res.GetMoves(), func(m *evpndv1.Move) vniMove {
						return vniMove{VNI: vni, MAC: args[0], moveView: viewMove(m)}
					})
					if err != nil {
						return err
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
	res, err := call(cmd.Context(), c, c.FindMAC, &evpndv1.FindMACRequest{Mac: mac})
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
			return a.with(func(c *client) error {
				_, err := call(cmd.Context(), c, c.Unfreeze, req)
				return err
			})
		},
	}
	c.Flags().StringVar(&vni, "vni", "", "the VNI that it is in")
	return c
}

func viewMove(m *evpndv1.Move) moveView {
	return moveView{
		Time: instant(m.GetTime()), From: viewPlace(m.GetFrom()), To: viewPlace(m.GetTo()),
		Sequence: m.GetSequence(), Cause: m.GetCause(),
	}
}

func viewPlace(p *evpndv1.Place) placeView {
	return placeView{Origin: originWord(p.GetOrigin()), Interface: p.GetInterface(), VTEP: p.GetVtep()}
}

// instant is when, to the millisecond: moves follow each other fast.
func instant(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

// moveText is a move in one line.
func moveText(m *moveView) string {
	text := fmt.Sprintf("%s  %s -> %s, sequence %d", m.Time, m.From.text(), m.To.text(), m.Sequence)
	if m.Cause != "" {
		text += ": " + m.Cause
	}
	return text
}

// frozenText says since when something is frozen and how it is let go; empty
// when it is not.
func frozenText(m *macView) string {
	if !m.Frozen {
		return ""
	}
	var b strings.Builder
	b.WriteString("as a duplicate")
	if at, err := time.Parse(time.RFC3339, m.FrozenSince); err == nil {
		b.WriteString(" since " + at.Format(time.RFC3339))
	}
	fmt.Fprintf(&b, "; to let it go: evpnctl mac unfreeze --vni %d %s", m.VNI, m.MAC)
	return b.String()
}
