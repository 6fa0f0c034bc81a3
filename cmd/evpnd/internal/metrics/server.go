package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"
)

// Bounds of what a client can take. Nobody is asked who it is, so there is
// little to be had.
const (
	maxConns    = 32
	maxScrapes  = 4 // at the same time
	maxHeader   = 8 << 10
	headerTime  = 2 * time.Second
	requestTime = 20 * time.Second
	idleTime    = 2 * time.Minute // longer than a scrape interval: the connection is used again
)

// listenAgain is how long to wait before a port that could not be had is
// tried again.
const listenAgain = time.Second

// Server serves /metrics and /healthz. Make it with New, run it with Run.
type Server struct {
	handler http.Handler
	log     *slog.Logger
	changed chan struct{} // addr is another

	mu      sync.Mutex
	addr    netip.AddrPort
	problem string
}

// New returns a server that listens nowhere.
func New(src Source, log *slog.Logger) *Server {
	return &Server{handler: handler(src, log), log: log, changed: make(chan struct{}, 1)}
}

// registry returns one with evpnd's own metrics and those of its process and
// of the Go runtime.
func registry(read func(context.Context) (*State, error)) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		collector{read},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return r
}

func handler(src Source, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry(src.Read), promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.HTTPErrorOnError,
		MaxRequestsInFlight: maxScrapes,
		EnableOpenMetrics:   true,
	}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		text := "ready\n"
		if !src.Ready() {
			text = "not ready: evpnctl status says why\n"
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = io.WriteString(w, text) // who asked may be gone
	})
	return http.MaxBytesHandler(mux, 0)
}

// Listen has the server listen at addr instead of where it did, or nowhere
// when addr is not valid. Any goroutine may call it, before Run too.
func (s *Server) Listen(addr netip.AddrPort) {
	s.mu.Lock()
	same := s.addr == addr
	s.addr = addr
	s.mu.Unlock()
	if same {
		return
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Problem returns why it does not listen where it should; empty: it does. Any
// goroutine may call it.
func (s *Server) Problem() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// report notes a problem, which the log has once however long it lasts.
func (s *Server) report(addr netip.AddrPort, err error) {
	text := ""
	if err != nil {
		text = fmt.Sprintf("metrics cannot be served on %v: %v; free it, or set metrics.listen to another address and port: "+
			"it is tried again each second", addr, reason(err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if text != "" && text != s.problem {
		s.log.Error(text)
	}
	s.problem = text
}

// reason leaves out of an error what the message says already.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// Run serves until ctx ends, and then returns nil when nothing of it runs any
// more. A port that cannot be had is tried again, and is the Problem
// meanwhile.
func (s *Server) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-s.changed: // it is about what follows
		default:
		}
		s.mu.Lock()
		addr := s.addr
		s.mu.Unlock()
		var again <-chan time.Time
		if addr.IsValid() {
			err := s.serve(ctx, addr)
			if s.report(addr, err); err != nil {
				again = time.After(listenAgain)
			} else {
				continue // there is another address, or ctx has ended
			}
		} else {
			s.report(addr, nil)
		}
		select {
		case <-s.changed:
		case <-again:
		case <-ctx.Done():
		}
	}
	return nil
}

// serve serves at addr, until there is another or ctx ends: then it returns
// nil.
func (s *Server) serve(ctx context.Context, addr netip.AddrPort) error {
	network := "tcp4"
	if addr.Addr().Is6() {
		network = "tcp6" // [::] alone too: 0.0.0.0 is another address
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, network, addr.String())
	if err != nil {
		return err
	}
	s.report(addr, nil)
	s.log.Info("metrics are served", "address", addr)
	srv := &http.Server{
		Handler: s.handler, ReadHeaderTimeout: headerTime, ReadTimeout: requestTime, WriteTimeout: requestTime,
		IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(netutil.LimitListener(l, maxConns)) }()
	select {
	case err := <-ended:
		_ = srv.Close()
		return err
	case <-s.changed:
	case <-ctx.Done():
	}
	_ = srv.Close() // a scrape is asked again
	<-ended
	return nil
}

// clean leaves out of a text what is no plain text.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}
