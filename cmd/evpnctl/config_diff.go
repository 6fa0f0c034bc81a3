package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

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
				return problemError{err}
			}
			if err := one(a, d, showDiff); err != nil {
				return problemError{err}
			}
			if len(d.GetSettings())+len(d.GetSessions())+len(d.GetVnis()) > 0 {
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
		return each(cmd.Context(), c, admin.DiffConfig, req, func(r *evpndv1.DiffConfigResponse) error {
			if r.GetProgress() != "" {
				a.tell.say("comparing " + r.GetProgress())
			}
			d = r.GetDiff()
			return nil
		})
	})
	return d, err
}

func showDiff(b *block, d *evpndv1.ConfigDiff) {
	if len(d.GetSettings())+len(d.GetSessions())+len(d.GetVnis()) == 0 {
		b.text("nothing would change")
		return
	}
	if len(d.GetSettings()) > 0 {
		b.text("settings:")
	}
	for _, s := range d.GetSettings() {
		b.text("  " + settingText(s))
	}
	if len(d.GetSessions()) > 0 {
		b.para("sessions:")
	}
	for _, s := range d.GetSessions() {
		b.text(fmt.Sprintf("  %s %s: %s", s.GetPeer(), s.GetChange(), s.GetReason()))
	}
	for _, v := range d.GetVnis() {
		showVNIDiff(b, v)
	}
}

func settingText(s *evpndv1.SettingChange) string {
	text := s.GetKey() + ": " + cmp.Or(s.GetOld(), "none") + " -> " + cmp.Or(s.GetNew(), "none")
	switch {
	case s.GetNew() == "there" && s.GetOld() == "":
		text = s.GetKey() + ": added"
	case s.GetOld() == "there" && s.GetNew() == "":
		text = s.GetKey() + ": removed"
	}
	if s.GetRestart() {
		text += " (needs a restart)"
	}
	return text
}

func showVNIDiff(b *block, v *evpndv1.VNIChange) {
	title := "VNI " + number(v.GetVni())
	if v.GetChange() != "" {
		title += " " + v.GetChange()
	}
	if v.GetReason() != "" {
		title += ": " + v.GetReason()
	}
	b.para(title)
	var sum uint64
	for _, e := range []struct {
		name string
		e    *evpndv1.Effect
		come string
		gone string
	}{
		{"routes", v.GetRoutes(), "announced", "withdrawn"},
		{"flood entries", v.GetFlood(), "added", "removed"},
		{"MACs", v.GetMacs(), "added", "removed"},
		{"neighbors", v.GetNeighbors(), "added", "removed"},
	} {
		n := e.e.GetCome() + e.e.GetGo() + e.e.GetChange()
		if n > 0 {
			b.text(fmt.Sprintf("  %s: %d %s, %d %s, %d changed", e.name, e.e.GetCome(), e.come, e.e.GetGo(), e.gone, e.e.GetChange()))
		}
		sum += n
	}
	for _, e := range v.GetEntries() {
		switch {
		case e.GetOld() == "":
			b.text(fmt.Sprintf("    + %s %s: %s", e.GetKind(), e.GetEntry(), e.GetNew()))
		case e.GetNew() == "":
			b.text(fmt.Sprintf("    - %s %s: %s", e.GetKind(), e.GetEntry(), e.GetOld()))
		default:
			b.text(fmt.Sprintf("    ~ %s %s: %s -> %s", e.GetKind(), e.GetEntry(), e.GetOld(), e.GetNew()))
		}
	}
	if listed := uint64(len(v.GetEntries())); listed > 0 && listed < sum {
		b.text(fmt.Sprintf("    and %d more (--entries)", sum-listed))
	}
	for _, n := range v.GetNotes() {
		b.text("  note: " + strings.TrimSuffix(n, "."))
	}
}
