package api

import (
	"context"

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
