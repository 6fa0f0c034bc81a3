package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// macDetailView is a MAC with all that is known of it.
type macDetailView struct {
	macView    `yaml:",inline"`
	Received   []routeView    `json:"received" yaml:"received"`
	Advertised []routeView    `json:"advertised" yaml:"advertised"`
	Neighbors  []neighborView `json:"neighbors" yaml:"neighbors"`
	Alarms     []alarmView    `json:"alarms" yaml:"alarms"`
	Kernel     []kernelView   `json:"kernel" yaml:"kernel"`
	History    []moveView     `json:"history" yaml:"history"`
}

type kernelView struct {
	Wanted string `json:"wanted" yaml:"wanted"`
	State  string `json:"state" yaml:"state"`
	Error  string `json:"error" yaml:"error"`
}

func (a *app) macShowCommand() *cobra.Command {
	var vni string
	show := &cobra.Command{
		Use:   "show MAC [--vni VNI]",
		Short: "Show all that is known of a MAC: its routes, why it is where it is, what the kernel holds",
		Long: `Show all that is known of a MAC. Without --vni it is looked for in all VNIs, and
-o json and yaml print a list.`,
		Args: args("the MAC"),
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
				found := make([]macDetailView, len(vnis))
				for i, vni := range vnis {
					res, err := call(cmd.Context(), c, c.GetMAC, &evpndv1.GetMACRequest{Vni: vni, Mac: args[0]})
					if err != nil {
						return err
					}
					found[i] = viewMACDetail(res)
				}
				if n != 0 {
					return one(a, found[0], showMAC)
				}
				return one(a, found, showMACs)
			})
		},
	}
	show.Flags().StringVar(&vni, "vni", "", "the VNI that the MAC is in; without it all that know it")
	return show
}

func viewMACDetail(r *evpndv1.GetMACResponse) macDetailView {
	return macDetailView{
		macView:    viewMAC(r.GetMac()),
		Received:   views(r.GetReceived(), viewRoute),
		Advertised: views(r.GetAdvertised(), viewRoute),
		Neighbors:  views(r.GetNeighbors(), viewNeighbor),
		Alarms:     viewAlarms(r.GetAlarms()),
		Kernel:     views(r.GetKernel(), viewKernel),
		History:    views(r.GetHistory(), viewMove),
	}
}

func viewKernel(e *evpndv1.KernelEntry) kernelView {
	return kernelView{Wanted: e.GetWanted(), State: stateWord(e.GetState()), Error: e.GetError()}
}

// showMACs shows the same MAC in several VNIs, one after the other.
func showMACs(b *block, found *[]macDetailView) {
	for i := range *found {
		if i > 0 {
			b.text("")
		}
		showMAC(b, &(*found)[i])
	}
}

func showMAC(b *block, m *macDetailView) {
	b.add("vni", number(m.VNI))
	b.add("mac", m.MAC)
	b.add("origin", m.Origin)
	b.add("interface", m.Interface)
	b.add("vtep", m.VTEP)
	if m.RemoteVNI != 0 {
		b.add("remote vni", number(m.RemoteVNI))
	}
	b.add("state", withError(m.State, m.Error))
	b.add("sequence", number(m.Sequence))
	b.add("sticky", yesNo(m.Sticky))
	b.add("frozen", frozenText(&m.macView))
	b.add("ips", ipsText(m))
	b.add("chosen because", m.Reason)
	showKernel(b, m.Kernel)
	showRoutes(b, m)
	showMoves(b, m)
	showAlarms(b, m.Alarms)
}

func showKernel(b *block, entries []kernelView) {
	if len(entries) > 0 {
		b.para("the kernel should hold:")
	}
	for i := range entries {
		b.text("  " + entries[i].Wanted)
		b.text("    " + entryText(&entries[i]))
	}
}

func showRoutes(b *block, m *macDetailView) {
	if len(m.Received) > 0 {
		b.para("routes received:")
		for i := range m.Received {
			r := &m.Received[i]
			b.text("  " + r.NLRI)
			b.text(fmt.Sprintf("    from %s, next hop %s, label %d, sequence %d: %s", r.Peer, r.NextHop, r.Label, r.Sequence, routeState(r)))
		}
	}
	if len(m.Advertised) > 0 {
		b.para("routes advertised:")
		for i := range m.Advertised {
			r := &m.Advertised[i]
			b.text("  " + r.NLRI)
			b.text(fmt.Sprintf("    next hop %s, label %d, sequence %d, targets %s", r.NextHop, r.Label, r.Sequence, strings.Join(r.Targets, ", ")))
		}
	}
}

func showMoves(b *block, m *macDetailView) {
	if len(m.History) == 0 {
		return
	}
	title := "moves:"
	if m.Moves > 0 {
		title = fmt.Sprintf("moves (%d count for duplicate detection now):", m.Moves)
	}
	b.para(title)
	for i := range m.History {
		b.text("  " + moveText(&m.History[i]))
	}
}

// ipsText lists the addresses of a MAC, and says so where one is frozen or
// counts as another's.
func ipsText(m *macDetailView) string {
	ips := make([]string, len(m.IPs))
	for i, ip := range m.IPs {
		ips[i] = ip
		for j := range m.Neighbors {
			switch n := &m.Neighbors[j]; {
			case n.IP != ip:
			case n.MAC != m.MAC && n.Frozen:
				ips[i] += " (frozen with " + n.MAC + ")"
			case n.MAC != m.MAC:
				ips[i] += " (counts as that of " + n.MAC + ")"
			case n.Frozen:
				ips[i] += " (frozen)"
			}
		}
	}
	return strings.Join(ips, ", ")
}

// entryText says how what the kernel holds stands to what it should.
func entryText(k *kernelView) string {
	switch k.State {
	case "installed":
		return "holds it"
	case "local":
		return "holds it: learned by itself"
	case "failed":
		return "does not hold it: " + k.Error + "; it is tried again"
	case "pending":
		return "does not hold it yet: it is about to be written"
	}
	return k.State
}
