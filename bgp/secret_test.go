package bgp

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/evpnd/evpnd/evpn"
)

// lines is a log that can be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestPasswordInLog: a peer's password is not in the log, at any level, or in
// what Peers shows.
func TestPasswordInLog(t *testing.T) {
	const password = "Xylo-Peer-1"
	var log lines
	at := addrPort(t)
	s := runWith(t, Config{
		Listen: []netip.AddrPort{at},
		Peers: []Peer{
			{Address: lo, Session: Session{AS: 65000, Passive: true}},
			{Address: netip.MustParseAddr("127.0.9.9"), Port: at.Port(), Session: Session{AS: 65000, Password: password}},
		},
	}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 100})))
	eventually(t, "listening", func() bool { return s.listening(at) })
	p := dialRaw(t, at)
	p.establish(peerOpen())
	event[*evpn.PeerUp](s)
	shown := fmt.Sprintf("%+v %+v", s.Peers(), s.Problems())
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	text := log.String()
	if strings.Contains(text+shown, password) {
		t.Errorf("the password (%q) is shown:\n%s%s", password, text, shown)
	}
	if !strings.Contains(text, "gobgp=") {
		t.Errorf("GoBGP is not heard in the log:\n%s", text)
	}
}
