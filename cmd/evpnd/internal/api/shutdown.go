package api

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// Shutdown implements evpnd.v1.AdminService.
func (s *Server) Shutdown(_ context.Context, req *evpndv1.ShutdownRequest) (*evpndv1.ShutdownResponse, error) {
	if s.deps.Shutdown == nil {
		return nil, status.Error(codes.FailedPrecondition, "this evpnd is part of another program: end that")
	}
	return &evpndv1.ShutdownResponse{Warning: s.deps.Shutdown(req.GetWithdraw())}, nil
}
