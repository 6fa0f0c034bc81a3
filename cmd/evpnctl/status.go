package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

type statusView struct {
	Version  string      `json:"version" yaml:"version"`
	Started  string      `json:"started" yaml:"started"`
	Uptime   int64       `json:"uptime" yaml:"uptime"` // seconds
	RouterID string      `json:"router_id" yaml:"router_id"`
	ASN      uint32      `json:"asn" yaml:"asn"`
	VTEPs    []string    `json:"vteps" yaml:"vteps"`
	Ready    bool        `json:"ready" yaml:"ready"`
	Synced   bool        `json:"synced" yaml:"synced"`
	InSync   bool        `json:"in_sync" yaml:"in_sync"`
	Counts   countsView  `json:"counts" yaml:"counts"`
	Alarms   []alarmView `json:"alarms" yaml:"alarms"`
	Total    uint32      `json:"alarms_total" yaml:"alarms_total"`
	Audit    *auditView  `json:"audit" yaml:"audit"` // null: there was none yet
	Repaired uint64      `json:"repaired" yaml:"repaired"`
	Resyncs  uint64      `json:"resyncs" yaml:"resyncs"`

	Process *processView `json:"process" yaml:"process"` // null: evpnd does not tell
}

type processView struct {
	Goroutines    uint32 `json:"goroutines" yaml:"goroutines"`
	HeapLiveBytes uint64 `json:"heap_live_bytes" yaml:"heap_live_bytes"`
	GCCycles      uint64 `json:"gc_cycles" yaml:"gc_cycles"`
	OpenFiles     uint32 `json:"open_files" yaml:"open_files"`
	ResidentBytes uint64 `json:"resident_bytes" yaml:"resident_bytes"`
}

type auditView struct {
	At          string `json:"at" yaml:"at"`
	Entries     uint64 `json:"entries" yaml:"entries"`
	Differences uint64 `json:"differences" yaml:"differences"`
	Foreign     uint64 `json:"foreign" yaml:"foreign"`
}

type countsView struct {
	Peers            uint32 `json:"peers" yaml:"peers"`
	PeersEstablished uint32 `json:"peers_established" yaml:"peers_established"`
	VNIs             uint32 `json:"vnis" yaml:"vnis"`
	VNIsNotServed    uint32 `json:"vnis_not_served" yaml:"vnis_not_served"`
	VTEPs            uint32 `json:"vteps" yaml:"vteps"`
	LocalMACs        uint64 `json:"local_macs" yaml:"local_macs"`
	RemoteMACs       uint64 `json:"remote_macs" yaml:"remote_macs"`
	LocalNeighbors   uint64 `json:"local_neighbors" yaml:"local_neighbors"`
	RemoteNeighbors  uint64 `json:"remote_neighbors" yaml:"remote_neighbors"`
	Received         uint64 `json:"routes_received" yaml:"routes_received"`
	Advertised       uint64 `json:"routes_advertised" yaml:"routes_advertised"`
	Entries          uint64 `json:"kernel_entries" yaml:"kernel_entries"`
	Pending          uint64 `json:"kernel_pending" yaml:"kernel_pending"`
	Failed           uint64 `json:"kernel_failed" yaml:"kernel_failed"`
}

type alarmView struct {
	Kind      string `json:"kind" yaml:"kind"`
	Object    string `json:"object" yaml:"object"`
	Text      string `json:"text" yaml:"text"`
	VNI       uint32 `json:"vni,omitempty" yaml:"vni,omitempty"`
	MAC       string `json:"mac,omitempty" yaml:"mac,omitempty"`
	Address   string `json:"address,omitempty" yaml:"address,omitempty"`
	Interface string `json:"interface,omitempty" yaml:"interface,omitempty"`
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show how evpnd is and what is wrong",
		Args:  args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(func(c *client) error {
				res, err := call(cmd.Context(), c, c.GetStatus, &evpndv1.GetStatusRequest{})
				if err != nil {
					return err
				}
				return one(a, viewStatus(res.GetStatus()), showStatus)
			})
		},
	}
}

func viewStatus(s *evpndv1.Status) statusView {
	c := s.GetCounts()
	return statusView{
		Version: s.GetVersion(), Started: when(s.GetStarted()), Uptime: seconds(s.GetUptime()),
		RouterID: s.GetRouterId(), ASN: s.GetAsn(), VTEPs: orEmpty(s.GetVteps()),
		Ready: s.GetReady(), Synced: s.GetSynced(), InSync: s.GetInSync(),
		Counts: countsView{
			Peers: c.GetPeers(), PeersEstablished: c.GetPeersEstablished(),
			VNIs: c.GetVnis(), VNIsNotServed: c.GetVnisNotServed(), VTEPs: c.GetVteps(),
			LocalMACs: c.GetLocalMacs(), RemoteMACs: c.GetRemoteMacs(),
			LocalNeighbors: c.GetLocalNeighbors(), RemoteNeighbors: c.GetRemoteNeighbors(),
			Received: c.GetRoutesReceived(), Advertised: c.GetRoutesAdvertised(),
			Entries: c.GetKernelEntries(), Pending: c.GetKernelPending(), Failed: c.GetKernelFailed(),
		},
		Alarms: viewAlarms(s.GetAlarms()), Total: s.GetAlarmsTotal(),
		Audit: viewAudit(s.GetAudit()), Repaired: s.GetRepaired(), Resyncs: s.GetResyncs(),
		Process: viewProcess(s.GetProcess()),
	}
}

func viewProcess(p *evpndv1.Process) *processView {
	if p == nil {
		return nil
	}
	return &processView{
		Goroutines: p.GetGoroutines(), HeapLiveBytes: p.GetHeapLiveBytes(), GCCycles: p.GetGcCycles(),
		OpenFiles: p.GetOpenFiles(), ResidentBytes: p.GetResidentBytes(),
	}
}

func processText(p *processView) string {
	return fmt.Sprintf("%d MiB resident, %d MiB of heap in use, %d goroutines, %d open files",
		p.ResidentBytes>>20, p.HeapLiveBytes>>20, p.Goroutines, p.OpenFiles)
}

func viewAudit(s *evpndv1.AuditSummary) *auditView {
	if s == nil {
		return nil
	}
	return &auditView{At: when(s.GetAt()), Entries: s.GetEntries(), Differences: s.GetDifferences(), Foreign: s.GetForeign()}
}

func auditText(v *auditView) string {
	if v == nil {
		return "none yet"
	}
	return fmt.Sprintf("%s, %d entries, %d differ, %d not evpnd's", v.At, v.Entries, v.Differences, v.Foreign)
}

func viewAlarms(alarms []*evpndv1.Alarm) []alarmView {
	out := make([]alarmView, len(alarms))
	for i, a := range alarms {
		out[i] = alarmView{
			Kind: a.GetKind(), Object: a.GetObject(), Text: a.GetText(),
			VNI: a.GetVni(), MAC: a.GetMac(), Address: a.GetAddress(), Interface: a.GetInterface(),
		}
	}
	return out
}

func showStatus(b *block, s *statusView) {
	c := &s.Counts
	b.add("evpnd", s.Version)
	b.add("uptime", span(s.Uptime))
	b.add("router id", s.RouterID)
	b.add("as", number(s.ASN))
	b.add("vtep", strings.Join(s.VTEPs, ", "))
	b.add("ready", yesNo(s.Ready))
	b.add("peers synced", yesNo(s.Synced))
	b.add("kernel in sync", kernelText(s))
	b.add("last audit", auditText(s.Audit))
	b.add("put back", fmt.Sprintf("%d entries that others changed; read anew %d times", s.Repaired, s.Resyncs))
	b.add("peers", fmt.Sprintf("%d of %d established", c.PeersEstablished, c.Peers))
	vnis := number(c.VNIs)
	if c.VNIsNotServed > 0 {
		vnis += fmt.Sprintf(" (%d more not served: evpnctl vni list says why)", c.VNIsNotServed)
	}
	b.add("vnis", vnis)
	b.add("remote vteps", number(c.VTEPs))
	b.add("macs", fmt.Sprintf("%d local, %d remote", c.LocalMACs, c.RemoteMACs))
	b.add("neighbors", fmt.Sprintf("%d local, %d remote", c.LocalNeighbors, c.RemoteNeighbors))
	b.add("routes", fmt.Sprintf("%d received, %d advertised", c.Received, c.Advertised))
	if s.Process != nil {
		b.add("process", processText(s.Process))
	}
	if len(s.Alarms) == 0 {
		b.add("alarms", "none")
		return
	}
	b.add("alarms", number(s.Total))
	showAlarms(b, s.Alarms)
	if more := int(s.Total) - len(s.Alarms); more > 0 {
		b.para(fmt.Sprintf("and %d more", more))
	}
}

func showAlarms(b *block, alarms []alarmView) {
	for _, a := range alarms {
		head := a.Kind
		if a.Object != "" {
			head += " (" + a.Object + ")"
		}
		b.para(head)
		b.text("  " + a.Text)
	}
}

func kernelText(s *statusView) string {
	c := &s.Counts
	if s.InSync {
		return fmt.Sprintf("yes, %d entries", c.Entries)
	}
	return fmt.Sprintf("no, of %d entries %d are to be written, %d were refused", c.Entries, c.Pending, c.Failed)
}
