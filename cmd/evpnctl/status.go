package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how evpnd is and what is wrong",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return show(cmd, a, admin.GetStatus, &evpndv1.GetStatusRequest{}, (*evpndv1.GetStatusResponse).GetStatus, showStatus)
		},
	}
}

func processText(p *evpndv1.Process) string {
	if p == nil {
		return ""
	}
	return fmt.Sprintf("%d MiB resident, %d MiB of heap in use, %d goroutines, %d open files",
		p.GetResidentBytes()>>20, p.GetHeapLiveBytes()>>20, p.GetGoroutines(), p.GetOpenFiles())
}

func auditText(s *evpndv1.AuditSummary) string {
	if s == nil {
		return "none yet"
	}
	return fmt.Sprintf("%s, %d entries, %d differ, %d not evpnd's", when(s.GetAt()), s.GetEntries(), s.GetDifferences(), s.GetForeign())
}

func showStatus(b *block, s *evpndv1.Status) {
	c := s.GetCounts()
	b.add("evpnd", s.GetVersion())
	b.add("uptime", span(s.GetUptime().AsDuration()))
	b.add("router id", s.GetRouterId())
	b.add("as", number(s.GetAsn()))
	b.add("vtep", strings.Join(s.GetVteps(), ", "))
	b.add("ready", yesNo(s.GetReady()))
	b.add("peers synced", yesNo(s.GetSynced()))
	b.add("kernel in sync", kernelText(s))
	b.add("last audit", auditText(s.GetAudit()))
	b.add("put back", fmt.Sprintf("%d entries that others changed; read anew %d times", s.GetRepaired(), s.GetResyncs()))
	b.add("peers", fmt.Sprintf("%d of %d established", c.GetPeersEstablished(), c.GetPeers()))
	vnis := number(c.GetVnis())
	if c.GetVnisNotServed() > 0 {
		vnis += fmt.Sprintf(" (%d more not served: evpnctl vni list says why)", c.GetVnisNotServed())
	}
	b.add("vnis", vnis)
	b.add("remote vteps", number(c.GetVteps()))
	b.add("macs", fmt.Sprintf("%d local, %d remote", c.GetLocalMacs(), c.GetRemoteMacs()))
	b.add("neighbors", fmt.Sprintf("%d local, %d remote", c.GetLocalNeighbors(), c.GetRemoteNeighbors()))
	b.add("routes", fmt.Sprintf("%d received, %d advertised", c.GetRoutesReceived(), c.GetRoutesAdvertised()))
	b.add("process", processText(s.GetProcess()))
	if len(s.GetAlarms()) == 0 {
		b.add("alarms", "none")
		return
	}
	b.add("alarms", number(s.GetAlarmsTotal()))
	showAlarms(b, s.GetAlarms())
	if more := int(s.GetAlarmsTotal()) - len(s.GetAlarms()); more > 0 {
		b.para(fmt.Sprintf("and %d more", more))
	}
}

func showAlarms(b *block, alarms []*evpndv1.Alarm) {
	for _, a := range alarms {
		head := a.GetKind()
		if a.GetObject() != "" {
			head += " (" + a.GetObject() + ")"
		}
		b.para(head)
		b.text("  " + a.GetText())
	}
}

func kernelText(s *evpndv1.Status) string {
	c := s.GetCounts()
	if s.GetInSync() {
		return fmt.Sprintf("yes, %d entries", c.GetKernelEntries())
	}
	return fmt.Sprintf("no, of %d entries %d are to be written, %d were refused", c.GetKernelEntries(), c.GetKernelPending(), c.GetKernelFailed())
}
