package api

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// ReloadConfig implements evpnd.v1.AdminService.
func (s *Server) ReloadConfig(ctx context.Context, _ *evpndv1.ReloadConfigRequest) (*evpndv1.ReloadConfigResponse, error) {
	if s.deps.Reload == nil {
		return nil, status.Error(codes.FailedPrecondition, "evpnd was started without a configuration file: there is nothing to reload")
	}
	select {
	case s.reload <- struct{}{}:
		defer func() { <-s.reload }()
	case <-ctx.Done():
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	r, err := s.deps.Reload(ctx)
	if err != nil {
		return nil, status.Errorf(codes.FailedPrecondition, "the configuration was not changed: %v", err)
	}
	return &evpndv1.ReloadConfigResponse{Changes: r.Changes, RestartNeeded: r.RestartNeeded}, nil
}

// maxDiffEntries bounds the entries that a difference lists of a kind and VNI.
const maxDiffEntries = 1000

// DiffConfig implements evpnd.v1.AdminService.
func (s *Server) DiffConfig(req *evpndv1.DiffConfigRequest, out grpc.ServerStreamingServer[evpndv1.DiffConfigResponse]) error {
	if s.deps.Diff == nil {
		return status.Error(codes.FailedPrecondition, "evpnd was started without a configuration file: there is nothing to compare with")
	}
	if n := req.GetEntries(); n > maxDiffEntries {
		return invalid("%d entries: want at most %d", n, maxDiffEntries)
	}
	d, err := s.deps.Diff(out.Context(), req.GetText(), req.GetName(), int(req.GetEntries()), func(text string) error {
		return out.Send(&evpndv1.DiffConfigResponse{Progress: text})
	})
	switch {
	case out.Context().Err() != nil:
		return status.FromContextError(out.Context().Err()).Err()
	case err != nil:
		return status.Errorf(codes.FailedPrecondition, "the configuration would not be taken: %v", err)
	}
	return out.Send(&evpndv1.DiffConfigResponse{Diff: d})
}
