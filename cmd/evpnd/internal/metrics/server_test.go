package metrics

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// served is a server that runs, and whether it says that it is ready.
type served struct {
	*Server
	t     *testing.T
	ready atomic.Bool
	web   *http.Client
}

func serve(t *testing.T) *served {
	s := &served{t: t, web: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}}
	s.Server = New(Source{Read: read(whole()), Ready: s.ready.Load}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		s.web.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return s
}

// free returns an address that nobody listens on, and takes it with keep.
func free(t *testing.T, keep bool) (netip.AddrPort, net.Listener) {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if !keep {
		_ = l.Close()
	} else {
		t.Cleanup(func() { _ = l.Close() })
	}
	return l.Addr().(*net.TCPAddr).AddrPort(), l
}

func (s *served) ask(at netip.AddrPort, path string) (int, string, error) {
	res, err := s.web.Get("http://" + at.String() + path)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, string(b), err
}

func (s *served) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("it is not so that %s; problem: %q", what, s.Problem())
		}
	}
}

func (s *served) answers(at netip.AddrPort, yes bool) func() bool {
	return func() bool {
		code, _, err := s.ask(at, "/metrics")
		return yes == (err == nil && code == http.StatusOK)
	}
}

// It is off, on, elsewhere and off again, as it is told.
func TestListenAndMove(t *testing.T) {
	s := serve(t)
	one, _ := free(t, false)
	two, _ := free(t, false)
	s.Listen(one)
	s.until("the first address answers", s.answers(one, true))
	s.Listen(two)
	s.until("the second address answers", s.answers(two, true))
	s.until("the first is closed", s.answers(one, false))
	s.Listen(netip.AddrPort{})
	s.until("the second is closed", s.answers(two, false))
	if p := s.Problem(); p != "" {
		t.Errorf("problem %q", p)
	}
}

// A port that is taken is a problem that ends when it is free, or when
// another is set.
func TestPortTaken(t *testing.T) {
	s := serve(t)
	at, other := free(t, true)
	s.Listen(at)
	s.until("it is told", func() bool { return strings.Contains(s.Problem(), at.String()) })
	if p := s.Problem(); !strings.Contains(p, "address already in use") || !strings.Contains(p, "metrics.listen") {
		t.Errorf("problem %q", p)
	}
	s.Listen(netip.AddrPort{})
	s.until("off is no problem", func() bool { return s.Problem() == "" })
	s.Listen(at)
	s.until("it is told again", func() bool { return s.Problem() != "" })
	_ = other.Close()
	s.until("it answers when the port is free", s.answers(at, true))
	if p := s.Problem(); p != "" {
		t.Errorf("problem %q", p)
	}
}

// There are two pages to read, and nothing else.
func TestPages(t *testing.T) {
	s := serve(t)
	at, _ := free(t, false)
	s.Listen(at)
	s.until("it answers", s.answers(at, true))
	if code, text, err := s.ask(at, "/healthz"); err != nil || code != http.StatusServiceUnavailable || !strings.HasPrefix(text, "not ready") {
		t.Errorf("not ready: %d %q %v", code, text, err)
	}
	s.ready.Store(true)
	if code, text, err := s.ask(at, "/healthz"); err != nil || code != http.StatusOK || text != "ready\n" {
		t.Errorf("ready: %d %q %v", code, text, err)
	}
	for _, path := range []string{"/", "/debug/pprof/", "/metrics/x", "/metrics/../etc/passwd"} {
		if code, _, err := s.ask(at, path); err != nil || code != http.StatusNotFound {
			t.Errorf("%s: %d %v, want 404", path, code, err)
		}
	}
	res, err := s.web.Post("http://"+at.String()+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v %v, want 405", res, err)
	}
	if err == nil {
		_ = res.Body.Close()
	}
	req, _ := http.NewRequest(http.MethodGet, "http://"+at.String()+"/metrics", nil)
	req.Header.Set("X-Long", strings.Repeat("x", 64<<10))
	if res, err := s.web.Do(req); err == nil {
		_ = res.Body.Close()
		if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a header of 64 KiB: %d, want 431", res.StatusCode)
		}
	}
}

// Connections that say nothing take no more than their share: there are
// maxConns of them, and each is closed after headerTime.
func TestSilentConnections(t *testing.T) {
	s := serve(t)
	at, _ := free(t, false)
	s.Listen(at)
	s.until("it answers", s.answers(at, true))
	s.web.CloseIdleConnections()
	var silent []net.Conn
	for range 2 * maxConns {
		c, err := net.Dial("tcp4", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		silent = append(silent, c)
	}
	began := time.Now()
	_ = silent[0].SetReadDeadline(began.Add(2 * headerTime))
	if _, err := silent[0].Read(make([]byte, 1)); err != io.EOF && !strings.Contains(err.Error(), "reset") {
		t.Errorf("a silent connection is not closed within %v: %v", 2*headerTime, err)
	}
}
