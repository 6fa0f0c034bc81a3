package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

func (a *app) macShowCommand() *cobra.Command {
	var vniText string
	cmd := &cobra.Command{
		Use:   "show MAC [--vni VNI]",
		Short: "Show all that is known of a MAC: its routes, why it is where it is, what the kernel holds",
		Long: `Show all that is known of a MAC. Without --vni it is looked for in all VNIs, and
-o json and yaml print a list.`,
		Args: args("the MAC"),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := parseVNIFlag(cmd, vniText)
			if err != nil {
				return err
			}
			return a.with(func(c *client) error {
				vnis, err := findMAC(cmd, c, n, args[0])
				if err != nil {
					return err
				}
				found := make([]*evpndv1.GetMACResponse, len(vnis))
				for i, vni := range vnis {
					if found[i], err = call(cmd.Context(), c, admin.GetMAC, &evpndv1.GetMACRequest{Vni: vni, Mac: args[0]}); err != nil {
						return err
					}
				}
				if n != 0 {
					return one(a, found[0], showMAC)
				}
				return all(a, found, showMAC)
			})
		},
	}
	cmd.Flags().StringVar(&vniText, "vni", "", "the VNI that the MAC is in; without it all that know it")
	return cmd
}

func showMAC(b *block, r *evpndv1.GetMACResponse) {
	m := r.GetMac()
	b.add("vni", number(m.GetVni()))
	b.add("mac", m.GetMac())
	b.add("origin", word(m.GetOrigin()))
	b.add("interface", m.GetInterface())
	b.add("vtep", m.GetVtep())
	b.add("segment", m.GetEsi())
	b.count("remote vni", m.GetRemoteVni())
	b.add("state", withError(m.GetState(), m.GetError()))
	b.add("sequence", number(m.GetSequence()))
	b.add("sticky", yesNo(m.GetSticky()))
	b.add("frozen", frozenText(m))
	b.add("ips", ipsText(r))
	b.add("chosen because", m.GetReason())
	for i, k := range r.GetKernel() {
		if i == 0 {
			b.para("the kernel should hold:")
		}
		b.text("  " + k.GetWanted())
		b.text("    " + entryText(k))
	}
	for i, in := range r.GetReceived() {
		if i == 0 {
			b.para("routes received:")
		}
		b.text("  " + in.GetNlri())
		b.text(fmt.Sprintf("    from %s, next hop %s, label %d, sequence %d: %s", in.GetPeer(), in.GetNextHop(), in.GetLabel(), in.GetSequence(), routeState(in)))
	}
	for i, out := range r.GetAdvertised() {
		if i == 0 {
			b.para("routes advertised:")
		}
		b.text("  " + out.GetNlri())
		b.text(fmt.Sprintf("    next hop %s, label %d, sequence %d, targets %s",
			out.GetNextHop(), out.GetLabel(), out.GetSequence(), strings.Join(out.GetTargets(), ", ")))
	}
	for i, move := range r.GetHistory() {
		switch {
		case i == 0 && m.GetMoves() > 0:
			b.para(fmt.Sprintf("moves (%d count for duplicate detection now):", m.GetMoves()))
		case i == 0:
			b.para("moves:")
		}
		b.text("  " + moveText(move))
	}
	showAlarms(b, r.GetAlarms())
}

// ipsText lists the addresses of a MAC, and says so where one is frozen or
// counts as another's.
func ipsText(r *evpndv1.GetMACResponse) string {
	mac, ips := r.GetMac().GetMac(), make([]string, len(r.GetMac().GetIps()))
	for i, ip := range r.GetMac().GetIps() {
		ips[i] = ip
		for _, n := range r.GetNeighbors() {
			switch other := n.GetMac() != mac; {
			case n.GetIp() != ip:
			case other && n.GetFrozen():
				ips[i] += " (frozen with " + n.GetMac() + ")"
			case other:
				ips[i] += " (counts as that of " + n.GetMac() + ")"
			case n.GetFrozen():
				ips[i] += " (frozen)"
			}
		}
	}
	return strings.Join(ips, ", ")
}

// entryText says how what the kernel holds stands to what it should.
func entryText(k *evpndv1.KernelEntry) string {
	switch k.GetState() {
	case evpndv1.EntryState_ENTRY_STATE_INSTALLED:
		return "holds it"
	case evpndv1.EntryState_ENTRY_STATE_LOCAL:
		return "holds it: learned by itself"
	case evpndv1.EntryState_ENTRY_STATE_FAILED:
		return "does not hold it: " + k.GetError() + "; it is tried again"
	case evpndv1.EntryState_ENTRY_STATE_PENDING:
		return "does not hold it yet: it is about to be written"
	}
	return word(k.GetState())
}
