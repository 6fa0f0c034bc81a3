package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/evpnd/evpnd/evpn"
	evpndv1 "github.com/evpnd/evpnd/proto/evpnd/v1"
)

// stopGrace is how long calls under way may take to end when the server
// stops.
const stopGrace = 2 * time.Second

// Server serves the admin API. Make it with New, run it with Serve.
type Server struct {
	evpndv1.UnimplementedAdminServiceServer
	renderer // of one object at a time

	ask      func(context.Context, func(view)) error
	sessions Sessions
	kernel   Kernel
	deps     Deps
	access   Access
	log      *slog.Logger

	grpc   *grpc.Server
	health *health.Server

	mu    sync.Mutex
	ready bool

	reload   chan struct{} // holds one place: calls of Deps.Reload do not overlap
	stopping chan struct{} // closed when Serve ends: watches end
}

// New returns a server that serves nothing until Serve. It is not ready until
// SetReady: then the health service says SERVING, and Status says ready. Until
// then all calls are answered all the same, with what there is.
//
// The usual way:
//
//	srv := api.New(api.Deps{
//		Core: core, Hub: hub, Info: info, Reload: reload, Log: log,
//		Sessions: speaker, Kernel: plane,
//	})
//	l, err := api.Listen(api.ListenConfig{Address: at, Mode: 0o660})
//	...
//	group.Go(func() error { return srv.Serve(ctx, l) })
//	srv.SetReady(true) // when sessions are configured and the kernel is read
func New(d Deps) *Server {
	core := d.Core
	return newServer(d, func(ctx context.Context, f func(view)) error {
		return core.Do(ctx, func(e *evpn.Engine) { f(e) })
	})
}

func newServer(d Deps, look func(context.Context, func(view)) error) *Server {
	s := &Server{
		renderer: renderer{d.Kernel},
		ask:      look,
		sessions: d.Sessions,
		kernel:   d.Kernel,
		deps:     d,
		access:   d.Access,
		log:      d.Log,
		health:   health.NewServer(),
		reload:   make(chan struct{}, 1),
		stopping: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.grpc = grpc.NewServer(
		grpc.Creds(peerCreds{d.Access}),
		grpc.ChainUnaryInterceptor(s.guardUnary, s.authorizeUnary),
		grpc.ChainStreamInterceptor(s.guardStream, s.authorizeStream),
		grpc.ConnectionTimeout(10*time.Second),
		// A watcher whose host is gone must not stay for ever.
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	evpndv1.RegisterAdminServiceServer(s.grpc, s)
	healthpb.RegisterHealthServer(s.grpc, s.health)
	reflection.Register(s.grpc)
	s.SetReady(false)
	return s
}

// SetReady sets what the health service and Status say. Any goroutine.
func (s *Server) SetReady(ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready = ready
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if ready {
		state = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", state)
	s.health.SetServingStatus(evpndv1.AdminService_ServiceDesc.ServiceName, state)
}

// Ready tells what SetReady said. Any goroutine.
func (s *Server) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// Serve answers on all listeners until the context ends or a listener fails,
// then closes them, ends the watches, gives other calls two seconds, and
// returns when nothing of it runs any more. It returns nil when the context
// ended. Call it once.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, l := range listeners {
		g.Go(func() error {
			if err := s.grpc.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
				return fmt.Errorf("admin API on %s: %w", l.Addr(), err)
			}
			return nil
		})
	}
	g.Go(func() error {
		s.poll(ctx)
		s.stop()
		return nil
	})
	return g.Wait()
}

func (s *Server) stop() {
	s.health.Shutdown()
	close(s.stopping)
	ended := make(chan struct{})
	hard := time.AfterFunc(stopGrace, func() {
		defer close(ended)
		s.grpc.Stop()
	})
	s.grpc.GracefulStop()
	if !hard.Stop() {
		<-ended
	}
}

// The guards end a call when the server stops, and turn a panic of a handler
// into an error of that call: a reader of the state must not take the routes
// of a host down with it.

func (s *Server) guardUnary(ctx context.Context, req any, info *grpc.UnaryServerInfo, h grpc.UnaryHandler) (res any, err error) {
	defer s.catch(info.FullMethod, &err)
	return h(ctx, req)
}

func (s *Server) guardStream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, h grpc.StreamHandler) (err error) {
	defer s.catch(info.FullMethod, &err)
	return h(srv, stream)
}

func (s *Server) catch(method string, err *error) {
	if r := recover(); r != nil {
		s.log.Error("admin API call failed: please report this", "method", method, "panic", r, "stack", string(debug.Stack()))
		*err = status.Errorf(codes.Internal, "evpnd could not answer: %v; its log has more", r)
	}
}

// askErr turns an error of Core.Do into that of the call.
func askErr(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	}
	return status.Errorf(codes.Unavailable, "evpnd does not answer: %v", err)
}

func errStopping() error { return status.Error(codes.Unavailable, "evpnd is stopping") }
