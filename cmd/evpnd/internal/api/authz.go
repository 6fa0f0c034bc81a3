package api

import (
	"context"
	"path"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	grpcpeer "google.golang.org/grpc/peer"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"

	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// effect is what a call does to evpnd.
type effect uint8

const (
	reading  effect = iota + 1 // for everyone who gets to the API
	changing                   // for admins
)

// effects has every call that is served. One that is missing is refused, so
// that nobody has to remember to close a new one.
var effects = map[string]effect{
	evpndv1.AdminService_GetStatus_FullMethodName:     reading,
	evpndv1.AdminService_CheckFabric_FullMethodName:   reading,
	evpndv1.AdminService_ListPeers_FullMethodName:     reading,
	evpndv1.AdminService_GetPeer_FullMethodName:       reading,
	evpndv1.AdminService_ResetPeer_FullMethodName:     changing,
	evpndv1.AdminService_ListVNIs_FullMethodName:      reading,
	evpndv1.AdminService_GetVNI_FullMethodName:        reading,
	evpndv1.AdminService_ListVTEPs_FullMethodName:     reading,
	evpndv1.AdminService_ListMACs_FullMethodName:      reading,
	evpndv1.AdminService_GetMAC_FullMethodName:        reading,
	evpndv1.AdminService_FindMAC_FullMethodName:       reading,
	evpndv1.AdminService_GetMACHistory_FullMethodName: reading,
	evpndv1.AdminService_Unfreeze_FullMethodName:      changing,
	evpndv1.AdminService_Audit_FullMethodName:         reading,
	evpndv1.AdminService_Repair_FullMethodName:        changing,
	evpndv1.AdminService_ListNeighbors_FullMethodName: reading,
	evpndv1.AdminService_ListRoutes_FullMethodName:    reading,
	evpndv1.AdminService_Watch_FullMethodName:         reading,
	evpndv1.AdminService_Explain_FullMethodName:       reading,
	evpndv1.AdminService_DiffConfig_FullMethodName:    changing, // it answers whether a password is right
	evpndv1.AdminService_ReloadConfig_FullMethodName:  changing,
	evpndv1.AdminService_Shutdown_FullMethodName:      changing,

	healthpb.Health_Check_FullMethodName: reading,
	healthpb.Health_List_FullMethodName:  reading,
	healthpb.Health_Watch_FullMethodName: reading,

	reflectionpb.ServerReflection_ServerReflectionInfo_FullMethodName:      reading,
	reflectionalphapb.ServerReflection_ServerReflectionInfo_FullMethodName: reading,
}

func (s *Server) authorizeUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
	if err := s.authorize(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	return h(ctx, req)
}

func (s *Server) authorizeStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) error {
	if err := s.authorize(stream.Context(), info.FullMethod); err != nil {
		return err
	}
	return h(srv, stream)
}

// authorize returns nil when the caller may make the call. Who has changed
// something is in the log.
func (s *Server) authorize(ctx context.Context, method string) error {
	name := path.Base(method)
	what, known := effects[method]
	if !known {
		return status.Errorf(codes.PermissionDenied, "evpnd does not know whether %s only reads, and so refuses it: please report this", name)
	}
	if what == reading {
		return nil
	}
	var by caller
	if p, ok := grpcpeer.FromContext(ctx); ok {
		by, _ = p.AuthInfo.(caller)
	}
	if by.admin {
		s.log.Info("asked over the API", "call", name, "by", by.who())
		return nil
	}
	return status.Errorf(codes.PermissionDenied, "%s may only read: %s is for %s", by.who(), name, s.access.admins(by))
}
