package main

import (
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type macView struct {
	VNI       uint32   `json:"vni" yaml:"vni"`
	MAC       string   `json:"mac" yaml:"mac"`
	IPs       []string `json:"ips" yaml:"ips"`
	Origin    string   `json:"origin" yaml:"origin"`
	Interface string   `json:"interface" yaml:"interface"`
	VTEP      string   `json:"vtep" yaml:"vtep"`
	RemoteVNI uint32   `json:"remote_vni" yaml:"remote_vni"`
	Sequence  uint32   `json:"sequence" yaml:"sequence"`
	Sticky    bool     `json:"sticky" yaml:"sticky"`
	State     string   `json:"state" yaml:"state"`
	Error     string   `json:"error" yaml:"error"`
	Paths     uint32   `json:"paths" yaml:"paths"`
	Reason    string   `json:"reason" yaml:"reason"`

	Frozen      bool      `json:"frozen" yaml:"frozen"`
	FrozenSince string    `json:"frozen_since" yaml:"frozen_since"`
	Moves       uint32    `json:"moves" yaml:"moves"`
	LastMove    *moveView `json:"last_move" yaml:"last_move"`
}

var macColumns = []column[macView]{
	{name: "VNI", text: func(m *macView) string { return number(m.VNI) }},
	{name: "MAC", text: func(m *macView) string { return m.MAC }},
	{name: "ORIGIN", text: func(m *macView) string { return m.Origin }},
	{name: "INTERFACE/VTEP", text: func(m *macView) string { return m.Interface + m.VTEP }},
	{name: "SEQ", text: func(m *macView) string { return number(m.Sequence) }},
	{name: "FLAGS", text: macFlags},
	{name: "STATE", text: func(m *macView) string { return withError(m.State, m.Error) }},
	{name: "PATHS", wide: true, text: func(m *macView) string { return number(m.Paths) }},
	{name: "IPS", text: func(m *macView) string { return strings.Join(m.IPs, ",") }},
	{name: "CHOSEN BECAUSE", wide: true, text: func(m *macView) string { return m.Reason }},
}

func macFlags(m *macView) string {
	var flags []string
	if m.Sticky {
		flags = append(flags, "sticky")
	}
	if m.Frozen {
		flags = append(flags, "frozen")
	}
	return strings.Join(flags, ",")
}

// withError adds what the kernel said to a state.
func withError(state, err string) string {
	if err == "" {
		return state
	}
	return state + ": " + err
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

func (a *app) macCommand() *cobra.Command {
	var at place
	list := &cobra.Command{
		Use:   "list",
		Short: "List the MACs and where they are",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			vni, origin, err := at.read(cmd)
			if err != nil {
				return err
			}
			return a.with(func(c *client) error {
				p := newPrinter(a, macColumns)
				req := &evpndv1.ListMACsRequest{Vni: vni, Vtep: at.vtep, Origin: origin}
				err := each(cmd.Context(), c, c.ListMACs, req, func(page *evpndv1.ListMACsResponse) error {
					return addAll(p, page.GetMacs(), viewMAC)
				})
				if err != nil {
					return err
				}
				return p.close()
			})
		},
	}
	at.flags(list)
	return group("mac", "MAC addresses", list, a.macShowCommand(), a.historyCommand(), a.unfreezeCommand())
}

func viewMAC(m *evpndv1.MAC) macView {
	v := macView{
		VNI: m.GetVni(), MAC: m.GetMac(), IPs: orEmpty(m.GetIps()), Origin: originWord(m.GetOrigin()),
		Interface: m.GetInterface(), VTEP: m.GetVtep(), RemoteVNI: m.GetRemoteVni(),
		Sequence: m.GetSequence(), Sticky: m.GetSticky(),
		State: stateWord(m.GetState()), Error: m.GetError(), Paths: m.GetPaths(), Reason: m.GetReason(),
		Frozen: m.GetFrozen(), FrozenSince: when(m.GetFrozenSince()), Moves: m.GetMoves(),
	}
	if last := m.GetLastMove(); last != nil {
		move := viewMove(last)
		v.LastMove = &move
	}
	return v
}

// views makes views of all objects; none are an empty list.
func views[P, T any](objects []P, view func(P) T) []T {
	out := make([]T, len(objects))
	for i, o := range objects {
		out[i] = view(o)
	}
	return out
}
