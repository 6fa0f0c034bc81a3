package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type diffView struct {
	Settings []settingView `json:"settings" yaml:"settings"`
	Sessions []sessionView `json:"sessions" yaml:"sessions"`
	VNIs     []vniDiffView `json:"vnis" yaml:"vnis"`
}

type settingView struct {
	Key     string `json:"key" yaml:"key"`
	Old     string `json:"old" yaml:"old"`
	New     string `json:"new" yaml:"new"`
	Restart bool   `json:"restart_needed" yaml:"restart_needed"`
}

type sessionView struct {
	Peer   string `json:"peer" yaml:"peer"`
	Change string `json:"change" yaml:"change"`
	Reason string `json:"reason" yaml:"reason"`
}

type vniDiffView struct {
	VNI       uint32      `json:"vni" yaml:"vni"`
	Change    string      `json:"change" yaml:"change"`
	Reason    string      `json:"reason" yaml:"reason"`
	Routes    effectView  `json:"routes" yaml:"routes"`
	Flood     effectView  `json:"flood" yaml:"flood"`
	MACs      effectView  `json:"macs" yaml:"macs"`
	Neighbors effectView  `json:"neighbors" yaml:"neighbors"`
	Entries   []entryView `json:"entries" yaml:"entries"`
	Notes     []string    `json:"notes" yaml:"notes"`
}

type effectView struct {
	Come   uint64 `json:"come" yaml:"come"`
	Go     uint64 `json:"go" yaml:"go"`
	Change uint64 `json:"change" yaml:"change"`
}

func (e effectView) none() bool { return e == effectView{} }

type entryView struct {
	Kind  string `json:"kind" yaml:"kind"`
	Entry string `json:"entry" yaml:"entry"`
	Old   string `json:"old" yaml:"old"`
	New   string `json:"new" yaml:"new"`
}

// diffTimeout is how long to wait for a sign of a comparison, unless --timeout
// says so: one VNI with a million routes takes seconds.
const diffTimeout = 30 * time.Second

func (a *app) diffCommand() *cobra.Command {
	var entries uint32
	cmd := &cobra.Command{
		Use:   "diff FILE",
		Short: "Say what another configuration would change, and change nothing",
		Long: `Have evpnd read FILE as its configuration and say what a reload would do: the
settings that change, the sessions that would begin, end or begin anew, the VNIs
that come and go, and in each VNI the routes and kernel entries that would come,
go and change. Nothing is applied. FILE is - for standard input; paths in it
count from the directory of evpnd's own file. This is for admins.

Exit status, as of diff(1): 0 nothing would change, 1 something would, 2 trouble:
the file is wrong, or evpnd cannot be reached.`,
		Args: args("the file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("timeout") {
				a.timeout = diffTimeout
			}
			d, err := a.diff(cmd, args[0], entries)
			if err != nil {
				return troubleError{err}
			}
			v := viewDiff(d)
			if err := one(a, v, showDiff); err != nil {
				return troubleError{err}
			}
			if len(v.Settings)+len(v.Sessions)+len(v.VNIs) > 0 {
				return errDiffers
			}
			return nil
		},
	}
	cmd.Flags().Uint32Var(&entries, "entries", 10, "how many entries to list of each kind and VNI, at most 1000")
	return cmd
}

func (a *app) diff(cmd *cobra.Command, file string, entries uint32) (d *evpndv1.ConfigDiff, err error) {
	req := &evpndv1.DiffConfigRequest{Name: file, Entries: entries}
	if file == "-" {
		req.Name = "standard input"
		req.Text, err = io.ReadAll(cmd.InOrStdin())
	} else {
		req.Text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	err = a.with(func(c *client) error {
		return each(cmd.Context(), c, c.DiffConfig, req, func(r *evpndv1.DiffConfigResponse) error {
			if r.GetProgress() != "" {
				a.tell.say("comparing " + r.GetProgress())
			}
			d = r.GetDiff()
			return nil
		})
	})
	return d, err
}

func viewDiff(d *evpndv1.ConfigDiff) diffView {
	return diffView{
		Settings: views(d.GetSettings(), func(s *evpndv1.SettingChange) settingView {
			return settingView{s.GetKey(), s.GetOld(), s.GetNew(), s.GetRestart()}
		}),
		Sessions: views(d.GetSessions(), func(s *evpndv1.SessionChange) sessionView {
			return sessionView{s.GetPeer(), s.GetChange(), s.GetReason()}
		}),
		VNIs: views(d.GetVnis(), func(v *evpndv1.VNIChange) vniDiffView {
			return vniDiffView{
				VNI: v.GetVni(), Change: v.GetChange(), Reason: v.GetReason(),
				Routes: viewEffect(v.GetRoutes()), Flood: viewEffect(v.GetFlood()), MACs: viewEffect(v.GetMacs()), Neighbors: viewEffect(v.GetNeighbors()),
				Entries: views(v.GetEntries(), func(e *evpndv1.EntryChange) entryView {
					return entryView{e.GetKind(), e.GetEntry(), e.GetOld(), e.GetNew()}
				}),
				Notes: orEmpty(v.GetNotes()),
			}
		}),
	}
}

func viewEffect(e *evpndv1.Effect) effectView {
	return effectView{e.GetCome(), e.GetGo(), e.GetChange()}
}

func showDiff(b *block, d *diffView) {
	if len(d.Settings)+len(d.Sessions)+len(d.VNIs) == 0 {
		b.text("nothing would change")
		return
	}
	if len(d.Settings) > 0 {
		b.text("settings:")
	}
	for _, s := range d.Settings {
		b.text("  " + settingText(&s))
	}
	if len(d.Sessions) > 0 {
		b.para("sessions:")
	}
	for _, s := range d.Sessions {
		b.text(fmt.Sprintf("  %s %s: %s", s.Peer, s.Change, s.Reason))
	}
	for i := range d.VNIs {
		showVNIDiff(b, &d.VNIs[i])
	}
}

func settingText(s *settingView) string {
	text := s.Key + ": " + orNone(s.Old) + " -> " + orNone(s.New)
	switch {
	case s.New == "there" && s.Old == "":
		text = s.Key + ": added"
	case s.Old == "there" && s.New == "":
		text = s.Key + ": removed"
	}
	if s.Restart {
		text += " (needs a restart)"
	}
	return text
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func showVNIDiff(b *block, v *vniDiffView) {
	title := "VNI " + number(v.VNI)
	if v.Change != "" {
		title += " " + v.Change
	}
	if v.Reason != "" {
		title += ": " + v.Reason
	}
	b.para(title)
	for _, e := range []struct {
		name string
		e    effectView
		come string
		gone string
	}{
		{"routes", v.Routes, "announced", "withdrawn"},
		{"flood entries", v.Flood, "added", "removed"},
		{"MACs", v.MACs, "added", "removed"},
		{"neighbors", v.Neighbors, "added", "removed"},
	} {
		if !e.e.none() {
			b.text(fmt.Sprintf("  %s: %d %s, %d %s, %d changed", e.name, e.e.Come, e.come, e.e.Go, e.gone, e.e.Change))
		}
	}
	for _, e := range v.Entries {
		switch {
		case e.Old == "":
			b.text(fmt.Sprintf("    + %s %s: %s", e.Kind, e.Entry, e.New))
		case e.New == "":
			b.text(fmt.Sprintf("    - %s %s: %s", e.Kind, e.Entry, e.Old))
		default:
			b.text(fmt.Sprintf("    ~ %s %s: %s -> %s", e.Kind, e.Entry, e.Old, e.New))
		}
	}
	if listed, all := uint64(len(v.Entries)), v.sum(); listed > 0 && listed < all {
		b.text(fmt.Sprintf("    and %d more (--entries)", all-listed))
	}
	for _, n := range v.Notes {
		b.text("  note: " + strings.TrimSuffix(n, "."))
	}
}

// sum returns how many entries of all kinds would come, go and change.
func (v *vniDiffView) sum() (n uint64) {
	for _, e := range []effectView{v.Routes, v.Flood, v.MACs, v.Neighbors} {
		n += e.Come + e.Go + e.Change
	}
	return n
}
