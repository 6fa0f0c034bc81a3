package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

const explainLong = `Say why it is as it is: every route that has a say in it with what became of it,
rule by rule, what is wanted of the kernel and what the kernel holds at this
moment, what holds the decision back, and what to do.

Routes that no VNI imports are not kept. When nothing that is kept explains it,
the peers are asked for all their routes (RFC 2918), and those that match are
shown with why they are not kept. That takes some seconds, and some work of the
peers: --refresh never does without it, --refresh always asks in any case.`

// explainTimeout is how long to wait for a sign of an answer, unless --timeout
// says so: the peers may have to be left alone for a while first.
const explainTimeout = 2 * time.Minute

// refreshes are the values of --refresh.
var refreshes = []string{"auto", "always", "never"}

func (a *app) explainCommand() *cobra.Command {
	return group("explain", "Say why a MAC, an address, a VTEP or a VNI is as it is",
		a.explains("mac", "MAC", "the MAC", "Say why a MAC is where it is, or nowhere", func(r *evpndv1.ExplainRequest, s string) { r.Mac = s }),
		a.explains("ip", "ADDRESS", "the address", "Say whose a host address is and why, or why it is nobody's", func(r *evpndv1.ExplainRequest, s string) { r.Ip = s }),
		a.explains("vtep", "ADDRESS", "the address", "Say what a VTEP is in each VNI, and why it is flooded to or not", func(r *evpndv1.ExplainRequest, s string) { r.Vtep = s }),
		a.explains("vni", "", "the VNI", "Say how a VNI stands, and where its settings come from", nil))
}

// explains makes one of the commands; set is nil for that of a VNI.
func (a *app) explains(name, arg, missing, short string, set func(*evpndv1.ExplainRequest, string)) *cobra.Command {
	var vniText, refresh string
	use := name + " [VNI] " + arg
	if set == nil {
		use = name + " VNI"
	}
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  explainLong,
		Args:  args(missing),
		RunE: func(cmd *cobra.Command, words []string) error {
			req := &evpndv1.ExplainRequest{}
			var err error
			if req.Vni, err = parseVNIFlag(cmd, vniText); err != nil {
				return err
			}
			if set == nil || len(words) == 2 {
				if req.Vni, err = parseVNI(words[0]); err != nil {
					return err
				}
			}
			if set != nil {
				set(req, words[len(words)-1])
			}
			at := slices.Index(refreshes, refresh)
			if at < 0 {
				return usagef("--refresh %s: want one of %s", refresh, strings.Join(refreshes, ", "))
			}
			req.Refresh = evpndv1.Refresh(at)
			if !cmd.Flags().Changed("timeout") {
				a.timeout = explainTimeout
			}
			return a.with(func(c *client) error { return a.explain(cmd, c, req) })
		},
	}
	cmd.Flags().StringVar(&refresh, "refresh", "auto", "whether to ask the peers for routes that are not kept: "+strings.Join(refreshes, ", "))
	if set != nil {
		cmd.Args = func(cmd *cobra.Command, words []string) error {
			if len(words) == 2 && !cmd.Flags().Changed("vni") {
				return nil
			}
			return args(missing)(cmd, words)
		}
		cmd.Flags().StringVar(&vniText, "vni", "", "only in this VNI")
	}
	return cmd
}

func (a *app) explain(cmd *cobra.Command, c *client, req *evpndv1.ExplainRequest) error {
	answer := &evpndv1.ExplainResponse{}
	err := each(cmd.Context(), c, admin.Explain, req, func(r *evpndv1.ExplainResponse) error {
		if r.GetProgress() != "" {
			a.tell.say(r.GetProgress())
		}
		answer = r
		return nil
	})
	if err != nil {
		return err
	}
	a.tell.end()
	return one(a, answer, showAnswer)
}

func showAnswer(b *block, r *evpndv1.ExplainResponse) {
	unknown := false
	for i, x := range r.GetExplanations() {
		if i > 0 {
			b.text("")
		}
		showExplanation(b, x)
		unknown = unknown || !x.GetKnown()
	}
	if r.GetRefreshed() {
		showUnkept(b, r)
	}
	if unknown || r.GetRefreshed() {
		showPeerAnswers(b, r.GetPeers())
	}
}

func showExplanation(b *block, x *evpndv1.Explanation) {
	title := x.GetMac() + x.GetIp() + x.GetVtep() // one of them
	switch {
	case title == "":
		title = "VNI " + number(x.GetVni())
	case x.GetVni() != 0:
		title += " in VNI " + number(x.GetVni())
	}
	b.text(title)
	b.text("  " + x.GetVerdict())
	for _, f := range x.GetFacts() {
		b.text("  " + f.GetName() + ": " + f.GetValue())
	}
	if len(x.GetCandidates()) > 0 {
		b.para("  " + candidateTitle(x))
	}
	for _, c := range x.GetCandidates() {
		showCandidate(b, c)
	}
	for _, k := range x.GetKernel() {
		showHeld(b, k)
	}
	section(b, "what holds it:", x.GetHolds())
	for _, a := range x.GetAlarms() {
		section(b, "alarm:", []string{a.GetText()})
	}
	section(b, "what to do:", x.GetAdvice())
}

func candidateTitle(x *evpndv1.Explanation) string {
	switch {
	case x.GetIp() != "":
		return "what says whose it is:"
	case x.GetVtep() != "":
		return "its type 3 routes:"
	}
	return "what says where it is:"
}

func section(b *block, title string, lines []string) {
	if len(lines) > 0 {
		b.para("  " + title)
	}
	for _, l := range lines {
		b.text("    " + l)
	}
}

func showCandidate(b *block, c *evpndv1.Candidate) {
	mark, verdict := "    ", "not chosen: "
	if c.GetChosen() {
		mark, verdict = "  * ", "chosen: "
	}
	switch r, l := c.GetRoute(), c.GetLocal(); {
	case r != nil:
		b.text("  " + mark + r.GetNlri())
		text := fmt.Sprintf("from %s, next hop %s, sequence %d", r.GetPeer(), r.GetNextHop(), r.GetSequence())
		if r.GetSticky() {
			text += ", sticky"
		}
		if r.GetStale() {
			text += ", stale"
		}
		b.text("        " + text)
		if c.GetImportedBy() != "" {
			b.text(fmt.Sprintf("        its target %s is imported by %s", c.GetTarget(), c.GetImportedBy()))
		}
	case l.GetMac() != "":
		b.text("  " + mark + "this host, with MAC " + l.GetMac())
	case l.GetInterface() != "":
		b.text(fmt.Sprintf("  %sthis host, port %s, sequence %d", mark, l.GetInterface(), l.GetSequence()))
	default:
		b.text(fmt.Sprintf("  %sthis host, sequence %d", mark, l.GetSequence()))
	}
	b.text("        " + verdict + c.GetReason())
	for _, s := range c.GetSteps() {
		between := "="
		if s.GetOutcome() != "equal" {
			between = "against"
		}
		b.text(fmt.Sprintf("          %-5s  %s %s %s  %s", s.GetOutcome(), s.GetThis(), between, s.GetOther(), s.GetRule()))
	}
}

func showHeld(b *block, k *evpndv1.HeldEntry) {
	b.para("  the kernel:")
	b.text("    wanted  " + cmp.Or(k.GetWanted(), "nothing"))
	for _, h := range k.GetHeld() {
		b.text("    holds   " + h)
	}
	if k.GetDiffers() != "" {
		b.text("    differs: " + k.GetDiffers())
	}
	switch {
	case k.GetError() != "":
		b.text("    not written: " + k.GetError())
	case k.GetDiffers() == "" && k.GetWanted() != "" && k.GetState() == evpndv1.EntryState_ENTRY_STATE_PENDING:
		b.text("    it is about to be written")
	case len(k.GetHeld()) == 0 && k.GetDiffers() == "" && k.GetState() == evpndv1.EntryState_ENTRY_STATE_INSTALLED:
		b.text("    it was written; evpnctl audit reads it from the kernel")
	}
}

func showUnkept(b *block, r *evpndv1.ExplainResponse) {
	if len(r.GetUnkept()) == 0 {
		b.para("the peers were asked: none sends a route for it that is not kept")
		return
	}
	b.para("routes for it that peers send and that are not kept:")
	for _, u := range r.GetUnkept() {
		b.text("  " + u.GetRoute().GetNlri())
		text := "from " + u.GetRoute().GetPeer()
		if hop := u.GetRoute().GetNextHop(); hop != "" {
			text += fmt.Sprintf(", next hop %s, targets %s", hop, strings.Join(u.GetRoute().GetTargets(), ", "))
		}
		b.text("    " + text)
		for _, why := range u.GetReasons() {
			b.text("    not kept: " + why)
		}
	}
	if r.GetUnkeptMore() > 0 {
		b.text(fmt.Sprintf("  and %d more", r.GetUnkeptMore()))
	}
}

func showPeerAnswers(b *block, peers []*evpndv1.PeerAnswer) {
	if len(peers) > 0 {
		b.para("peers:")
	}
	for _, p := range peers {
		text := fmt.Sprintf("  %s %s: %d routes kept, %d that no VNI imports", p.GetAddress(), word(p.GetState()), p.GetKept(), p.GetIgnored())
		if p.GetRefused() > 0 {
			text += fmt.Sprintf(", %d beyond its limit", p.GetRefused())
		}
		for _, reason := range slices.Sorted(maps.Keys(p.GetDiscarded())) {
			text += fmt.Sprintf(", %d discarded (%s)", p.GetDiscarded()[reason], reason)
		}
		if p.GetAsked() {
			text += fmt.Sprintf("; asked now, it sent %d", p.GetAnswered())
		}
		b.text(text)
		for _, more := range []string{p.GetError(), p.GetNote()} {
			if more != "" {
				b.text("    " + more)
			}
		}
	}
}
