package api

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// Auditor compares routes, wishes and kernel. Any goroutine may call its
// methods.
type Auditor interface {
	// Audit compares one VNI, or all when vni is 0. With repair what differs
	// is put right, and left is what still differs then.
	Audit(ctx context.Context, vni evpn.VNI, repair bool) (found, left *dataplane.Audit, err error)
	// Last returns the last audit of all VNIs, nil before the first.
	Last() *dataplane.Audit
}

// stillBusy is how often a client hears that a long audit goes on.
const stillBusy = 3 * time.Second

// Audit implements evpnd.v1.AdminService.
func (s *Server) Audit(req *evpndv1.AuditRequest, out grpc.ServerStreamingServer[evpndv1.AuditResponse]) error {
	return s.audit(out.Context(), req.GetVni(), false, func(page []*evpndv1.Finding, sum *evpndv1.AuditSummary) error {
		return out.Send(&evpndv1.AuditResponse{Findings: page, Summary: sum})
	})
}

// Repair implements evpnd.v1.AdminService.
func (s *Server) Repair(req *evpndv1.RepairRequest, out grpc.ServerStreamingServer[evpndv1.RepairResponse]) error {
	return s.audit(out.Context(), req.GetVni(), true, func(page []*evpndv1.Finding, sum *evpndv1.AuditSummary) error {
		return out.Send(&evpndv1.RepairResponse{Findings: page, Summary: sum})
	})
}

func (s *Server) audit(ctx context.Context, n uint32, repair bool, send func([]*evpndv1.Finding, *evpndv1.AuditSummary) error) error {
	if s.deps.Auditor == nil {
		return status.Error(codes.Unimplemented, "this evpnd has no audit")
	}
	vni, err := vniOr0(n)
	if err != nil {
		return err
	}
	if vni != 0 {
		served := false
		if err := s.ask(ctx, func(v view) { _, served = v.BD(vni) }); err != nil {
			return askErr(err)
		}
		if !served {
			return notFound("VNI %d is not served: evpnctl vni list says why", vni)
		}
	}
	var found, left *dataplane.Audit
	done := make(chan error, 1)
	go func() {
		var err error
		found, left, err = s.deps.Auditor.Audit(ctx, vni, repair)
		done <- err
	}()
	tick := time.NewTicker(stillBusy)
	defer tick.Stop()
	for waiting := true; waiting; {
		select {
		case err = <-done: // always comes: the audit ends with ctx
			waiting = false
		case <-tick.C:
			if err := send(nil, nil); err != nil {
				<-done
				return err
			}
		}
	}
	if err != nil {
		return askErr(err)
	}
	if err := sendAll(findings(found, left), func(page []*evpndv1.Finding) error { return send(page, nil) }); err != nil {
		return err
	}
	return send(nil, auditSummary(found, left))
}

func findings(found, left *dataplane.Audit) []*evpndv1.Finding {
	still := make(map[dataplane.Finding]bool)
	if left != nil {
		for _, f := range left.Findings {
			f.Reason = ""
			still[f] = true
		}
	}
	out := make([]*evpndv1.Finding, len(found.Findings))
	for i, f := range found.Findings {
		out[i] = &evpndv1.Finding{
			Vni: uint32(f.VNI), Interface: f.Device, Kind: entryKinds[f.Kind], Mac: macText(f.MAC), Ip: text(f.IP),
			Routes: f.Routes, Wished: f.Desired, Kernel: f.Kernel, Reason: f.Reason, Foreign: f.Foreign,
		}
		f.Reason = ""
		out[i].Repaired = left != nil && !f.Foreign && !still[f]
	}
	return out
}

var entryKinds = map[string]evpndv1.EntryKind{
	dataplane.KindFlood:    evpndv1.EntryKind_ENTRY_KIND_FLOOD,
	dataplane.KindMAC:      evpndv1.EntryKind_ENTRY_KIND_MAC,
	dataplane.KindNeighbor: evpndv1.EntryKind_ENTRY_KIND_NEIGHBOR,
}

// auditSummary returns nil when there was no audit.
func auditSummary(found, left *dataplane.Audit) *evpndv1.AuditSummary {
	if found == nil {
		return nil
	}
	if left == nil {
		left = found
	}
	return &evpndv1.AuditSummary{
		At: timestamppb.New(found.At), Took: durationpb.New(found.Took), Entries: uint64(found.Entries),
		Differences: uint64(found.Differences), Left: uint64(left.Differences), Foreign: uint64(found.Foreign),
	}
}
