package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

var findingColumns = []column[*evpndv1.Finding]{
	{name: "VNI", text: num((*evpndv1.Finding).GetVni)},
	{name: "KIND", text: func(f *evpndv1.Finding) string { return word(f.GetKind()) }},
	{name: "ENTRY", text: func(f *evpndv1.Finding) string { return f.GetMac() + f.GetIp() }},
	{name: "INTERFACE", wide: true, text: (*evpndv1.Finding).GetInterface},
	{name: "ROUTES", text: (*evpndv1.Finding).GetRoutes},
	{name: "WISHED", text: (*evpndv1.Finding).GetWished},
	{name: "KERNEL", text: (*evpndv1.Finding).GetKernel},
	{name: "WHAT", text: findingVerdict},
	{name: "REASON", text: (*evpndv1.Finding).GetReason},
}

func findingVerdict(f *evpndv1.Finding) string {
	switch {
	case f.GetForeign():
		return "foreign"
	case f.GetRepaired():
		return "repaired"
	}
	return "differs"
}

// auditTimeout is how long to wait for a sign of an audit, unless --timeout
// says so.
const auditTimeout = time.Minute

func (a *app) auditCommand() *cobra.Command {
	var vniText string
	var repair bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Compare routes, wished entries and kernel entries",
		Long: `Compare three ways what the routes want, what evpnd wishes of the kernel, and
what the kernel holds, and show each difference that lasts, with its reason.
Entries that are not evpnd's are listed as foreign; they are left alone and are
no difference. evpnd does the same by itself from time to time
(vnis.audit-interval), and puts right what it finds.

Exit status: 1 when there is a difference, with --repair when one is left.`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			vni, err := parseVNIFlag(cmd, vniText)
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("timeout") {
				a.timeout = auditTimeout
			}
			return a.with(func(c *client) error {
				a.tell.say("comparing routes, wishes and kernel")
				p, sum := newPrinter(a, findingColumns), &evpndv1.AuditSummary{}
				page := func(list []*evpndv1.Finding, s *evpndv1.AuditSummary) error {
					if s != nil {
						sum = s
					}
					return p.add(list...)
				}
				if repair {
					err = each(cmd.Context(), c, admin.Repair, &evpndv1.RepairRequest{Vni: vni}, func(r *evpndv1.RepairResponse) error {
						return page(r.GetFindings(), r.GetSummary())
					})
				} else {
					err = each(cmd.Context(), c, admin.Audit, &evpndv1.AuditRequest{Vni: vni}, func(r *evpndv1.AuditResponse) error {
						return page(r.GetFindings(), r.GetSummary())
					})
				}
				if err == nil {
					err = p.close()
				}
				if err != nil {
					return err
				}
				return a.auditVerdict(sum, repair)
			})
		},
	}
	cmd.Flags().StringVar(&vniText, "vni", "", "only this VNI")
	cmd.Flags().BoolVar(&repair, "repair", false, "put right what differs, and look again")
	return cmd
}

// auditVerdict says in a table's last line what was found, and fails when
// something differs.
func (a *app) auditVerdict(s *evpndv1.AuditSummary, repair bool) error {
	if !a.forPrograms() {
		text := fmt.Sprintf("%d entries compared in %s, %d differ, %d are not evpnd's",
			s.GetEntries(), s.GetTook().AsDuration().Round(time.Millisecond), s.GetDifferences(), s.GetForeign())
		if repair && s.GetDifferences() > 0 {
			text += fmt.Sprintf("; %d still differ after the repair", s.GetLeft())
		}
		if _, err := fmt.Fprintln(a.out, text); err != nil {
			return err
		}
	}
	switch n := s.GetLeft(); {
	case n > 0 && repair:
		return fmt.Errorf("%d entries still differ after the repair: the reasons say what is in the way", n)
	case n > 0:
		return fmt.Errorf("%d entries differ: evpnctl audit --repair puts them right", n)
	}
	return nil
}
