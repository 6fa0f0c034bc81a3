package main

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type answerView struct {
	Explanations []explanationView `json:"explanations" yaml:"explanations"`
	Refreshed    bool              `json:"refreshed" yaml:"refreshed"`
	Unkept       []unkeptView      `json:"not_kept" yaml:"not_kept"`
	UnkeptMore   uint64            `json:"not_kept_more" yaml:"not_kept_more"`
	Peers        []peerAnswerView  `json:"peers" yaml:"peers"`
}

type explanationView struct {
	VNI        uint32          `json:"vni" yaml:"vni"`
	MAC        string          `json:"mac" yaml:"mac"`
	IP         string          `json:"ip" yaml:"ip"`
	VTEP       string          `json:"vtep" yaml:"vtep"`
	Known      bool            `json:"known" yaml:"known"`
	Verdict    string          `json:"verdict" yaml:"verdict"`
	Advice     []string        `json:"advice" yaml:"advice"`
	Facts      []factView      `json:"facts" yaml:"facts"`
	Candidates []candidateView `json:"candidates" yaml:"candidates"`
	Kernel     []heldView      `json:"kernel" yaml:"kernel"`
	Holds      []string        `json:"holds" yaml:"holds"`
	Alarms     []alarmView     `json:"alarms" yaml:"alarms"`
}

type factView struct {
	Name  string `json:"name" yaml:"name"`
	Value string `json:"value" yaml:"value"`
}

type candidateView struct {
	Route      *routeView `json:"route" yaml:"route"`
	Local      *localView `json:"local" yaml:"local"`
	Target     string     `json:"target" yaml:"target"`
	ImportedBy string     `json:"imported_by" yaml:"imported_by"`
	Chosen     bool       `json:"chosen" yaml:"chosen"`
	Reason     string     `json:"reason" yaml:"reason"`
	Steps      []stepView `json:"steps" yaml:"steps"`
}

type localView struct {
	Present   bool   `json:"present" yaml:"present"`
	Interface string `json:"interface" yaml:"interface"`
	Sequence  uint32 `json:"sequence" yaml:"sequence"`
	Sticky    bool   `json:"sticky" yaml:"sticky"`
	MAC       string `json:"mac" yaml:"mac"`
}

type stepView struct {
	Rule    string `json:"rule" yaml:"rule"`
	This    string `json:"this" yaml:"this"`
	Other   string `json:"other" yaml:"other"`
	Outcome string `json:"outcome" yaml:"outcome"`
}

type heldView struct {
	Wanted  string   `json:"wanted" yaml:"wanted"`
	State   string   `json:"state" yaml:"state"`
	Error   string   `json:"error" yaml:"error"`
	Held    []string `json:"held" yaml:"held"`
	Differs string   `json:"differs" yaml:"differs"`
}

type unkeptView struct {
	Route   routeView `json:"route" yaml:"route"`
	Reasons []string  `json:"reasons" yaml:"reasons"`
}

type peerAnswerView struct {
	Address   string            `json:"address" yaml:"address"`
	State     string            `json:"state" yaml:"state"`
	Error     string            `json:"error" yaml:"error"`
	Kept      uint64            `json:"kept" yaml:"kept"`
	Ignored   uint64            `json:"ignored" yaml:"ignored"`
	Refused   uint64            `json:"refused" yaml:"refused"`
	Discarded map[string]uint64 `json:"discarded" yaml:"discarded"`
	Asked     bool              `json:"asked" yaml:"asked"`
	Answered  uint64            `json:"answered" yaml:"answered"`
	Note      string            `json:"note" yaml:"note"`
}

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
	err := each(cmd.Context(), c, c.Explain, req, func(r *evpndv1.ExplainResponse) error {
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
	return one(a, viewAnswer(answer), showAnswer)
}

func viewAnswer(r *evpndv1.ExplainResponse) answerView {
	return answerView{
		Explanations: views(r.GetExplanations(), viewExplanation), Refreshed: r.GetRefreshed(),
		Unkept: views(r.GetUnkept(), func(u *evpndv1.UnkeptRoute) unkeptView {
			return unkeptView{Route: viewRoute(u.GetRoute()), Reasons: orEmpty(u.GetReasons())}
		}),
		UnkeptMore: r.GetUnkeptMore(), Peers: views(r.GetPeers(), viewPeerAnswer),
	}
}

func viewExplanation(x *evpndv1.Explanation) explanationView {
	return explanationView{
		VNI: x.GetVni(), MAC: x.GetMac(), IP: x.GetIp(), VTEP: x.GetVtep(), Known: x.GetKnown(), Verdict: x.GetVerdict(),
		Advice: orEmpty(x.GetAdvice()), Holds: orEmpty(x.GetHolds()), Alarms: viewAlarms(x.GetAlarms()),
		Facts: views(x.GetFacts(), func(f *evpndv1.Fact) factView { return factView{f.GetName(), f.GetValue()} }),
		Kernel: views(x.GetKernel(), func(k *evpndv1.HeldEntry) heldView {
			return heldView{k.GetWanted(), stateWord(k.GetState()), k.GetError(), orEmpty(k.GetHeld()), k.GetDiffers()}
		}),
		Candidates: views(x.GetCandidates(), viewCandidate),
	}
}

func viewCandidate(c *evpndv1.Candidate) candidateView {
	v := candidateView{
		Target: c.GetTarget(), ImportedBy: c.GetImportedBy(), Chosen: c.GetChosen(), Reason: c.GetReason(),
		Steps: views(c.GetSteps(), func(s *evpndv1.Comparison) stepView {
			return stepView{s.GetRule(), s.GetThis(), s.GetOther(), s.GetOutcome()}
		}),
	}
	if r := c.GetRoute(); r != nil {
		route := viewRoute(r)
		v.Route = &route
	}
	if l := c.GetLocal(); l != nil {
		v.Local = &localView{l.GetPresent(), l.GetInterface(), l.GetSequence(), l.GetSticky(), l.GetMac()}
	}
	return v
}

func viewPeerAnswer(p *evpndv1.PeerAnswer) peerAnswerView {
	v := peerAnswerView{
		Address: p.GetAddress(), State: peerWord(p.GetState()), Error: p.GetError(), Kept: p.GetKept(), Ignored: p.GetIgnored(),
		Refused: p.GetRefused(), Discarded: p.GetDiscarded(), Asked: p.GetAsked(), Answered: p.GetAnswered(), Note: p.GetNote(),
	}
	if v.Discarded == nil {
		v.Discarded = map[string]uint64{}
	}
	return v
}

func showAnswer(b *block, v *answerView) {
	unknown := false
	for i := range v.Explanations {
		if i > 0 {
			b.text("")
		}
		showExplanation(b, &v.Explanations[i])
		unknown = unknown || !v.Explanations[i].Known
	}
	if v.Refreshed {
		showUnkept(b, v)
	}
	if unknown || v.Refreshed {
		showPeerAnswers(b, v.Peers)
	}
}

func showExplanation(b *block, x *explanationView) {
	title := strings.Join(slices.DeleteFunc([]string{x.MAC, x.IP, x.VTEP}, func(s string) bool { return s == "" }), "")
	switch {
	case title == "":
		title = "VNI " + number(x.VNI)
	case x.VNI != 0:
		title += " in VNI " + number(x.VNI)
	}
	b.text(title)
	b.text("  " + x.Verdict)
	for _, f := range x.Facts {
		b.text("  " + f.Name + ": " + f.Value)
	}
	if len(x.Candidates) > 0 {
		b.para("  " + candidateTitle(x))
	}
	for i := range x.Candidates {
		showCandidate(b, &x.Candidates[i])
	}
	for _, k := range x.Kernel {
		showHeld(b, &k)
	}
	section(b, "what holds it:", x.Holds)
	for i := range x.Alarms {
		section(b, "alarm:", []string{x.Alarms[i].Text})
	}
	section(b, "what to do:", x.Advice)
}

func candidateTitle(x *explanationView) string {
	switch {
	case x.IP != "":
		return "what says whose it is:"
	case x.VTEP != "":
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

func showCandidate(b *block, c *candidateView) {
	mark := "  "
	if c.Chosen {
		mark = "* "
	}
	switch {
	case c.Route != nil:
		r := c.Route
		b.text("    " + mark + r.NLRI)
		text := fmt.Sprintf("from %s, next hop %s, sequence %d", r.Peer, r.NextHop, r.Sequence)
		if r.Sticky {
			text += ", sticky"
		}
		if r.Stale {
			text += ", stale"
		}
		b.text("        " + text)
		if c.ImportedBy != "" {
			b.text(fmt.Sprintf("        its target %s is imported by %s", c.Target, c.ImportedBy))
		}
	case c.Local.MAC != "":
		b.text("    " + mark + "this host, with MAC " + c.Local.MAC)
	default:
		text := "this host"
		if c.Local.Interface != "" {
			text += ", port " + c.Local.Interface
		}
		b.text("    " + mark + fmt.Sprintf("%s, sequence %d", text, c.Local.Sequence))
	}
	word := "not chosen"
	if c.Chosen {
		word = "chosen"
	}
	b.text("        " + word + ": " + c.Reason)
	for _, s := range c.Steps {
		between := "="
		if s.Outcome != "equal" {
			between = "against"
		}
		b.text(fmt.Sprintf("          %-5s  %s %s %s  %s", s.Outcome, s.This, between, s.Other, s.Rule))
	}
}

func showHeld(b *block, k *heldView) {
	b.para("  the kernel:")
	wanted := k.Wanted
	if wanted == "" {
		wanted = "nothing"
	}
	b.text("    wanted  " + wanted)
	for _, h := range k.Held {
		b.text("    holds   " + h)
	}
	if k.Differs != "" {
		b.text("    differs: " + k.Differs)
	}
	switch {
	case k.Error != "":
		b.text("    not written: " + k.Error)
	case k.Differs == "" && k.Wanted != "" && k.State == "pending":
		b.text("    it is about to be written")
	case len(k.Held) == 0 && k.Differs == "" && k.State == "installed":
		b.text("    it was written; evpnctl audit reads it from the kernel")
	}
}

func showUnkept(b *block, v *answerView) {
	if len(v.Unkept) == 0 {
		b.para("the peers were asked: none sends a route for it that is not kept")
		return
	}
	b.para("routes for it that peers send and that are not kept:")
	for i := range v.Unkept {
		u := &v.Unkept[i]
		b.text("  " + u.Route.NLRI)
		text := "from " + u.Route.Peer
		if u.Route.NextHop != "" {
			text += fmt.Sprintf(", next hop %s, targets %s", u.Route.NextHop, strings.Join(u.Route.Targets, ", "))
		}
		b.text("    " + text)
		for _, r := range u.Reasons {
			b.text("    not kept: " + r)
		}
	}
	if v.UnkeptMore > 0 {
		b.text(fmt.Sprintf("  and %d more", v.UnkeptMore))
	}
}

func showPeerAnswers(b *block, peers []peerAnswerView) {
	if len(peers) > 0 {
		b.para("peers:")
	}
	for i := range peers {
		p := &peers[i]
		text := fmt.Sprintf("  %s %s: %d routes kept, %d that no VNI imports", p.Address, p.State, p.Kept, p.Ignored)
		if p.Refused > 0 {
			text += fmt.Sprintf(", %d beyond its limit", p.Refused)
		}
		reasons := make([]string, 0, len(p.Discarded))
		for reason := range p.Discarded {
			reasons = append(reasons, reason)
		}
		sort.Strings(reasons)
		for _, r := range reasons {
			text += fmt.Sprintf(", %d discarded (%s)", p.Discarded[r], r)
		}
		if p.Asked {
			text += fmt.Sprintf("; asked now, it sent %d", p.Answered)
		}
		b.text(text)
		for _, more := range []string{p.Error, p.Note} {
			if more != "" {
				b.text("    " + more)
			}
		}
	}
}
