package gobgp

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/evpnd/evpnd/bgp/wire"
)

const intruderOf = "EVPND_TEST_INTRUDER_OF"

func TestMain(m *testing.M) {
	if gobgp := os.Getenv(intruderOf); gobgp != "" {
		intrude(gobgp)
	}
	goleak.VerifyTestMain(m,
		// GoBGP has no way to end its main loop.
		goleak.IgnoreAnyFunction("github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).Serve"),
		// Queues of GoBGP that it leaves behind for the collector to find.
		goleak.IgnoreAnyFunction("github.com/eapache/channels.(*InfiniteChannel).infiniteBuffer"),
	)
}

// intrude, as another user, tries to stand in for the ends of a leg: the
// evpnd end from the leg's address and from others, and GoBGP's end. What
// succeeds is printed.
func intrude(gobgp string) {
	for _, from := range []string{"127.0.0.1", "127.1.0.1", "127.1.0.2", "127.1.99.99"} {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: 1500 * time.Millisecond}
		c, err := d.Dial("tcp4", gobgp)
		if err != nil {
			fmt.Println("refused", from)
			continue
		}
		o := wire.Open{AS: 65000, HoldTime: 90, ID: peer.ID, EVPN: true, AS4: true}
		_, _ = c.Write(o.Append(nil))
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		b := make([]byte, wire.HeaderLen)
		if n, _ := c.Read(b); n > 0 {
			fmt.Println("ANSWERED", from)
		} else {
			fmt.Println("refused", from)
		}
		c.Close()
	}
	if l, err := net.Listen("tcp4", gobgp); err == nil {
		l.Close()
		fmt.Println("LISTENING", gobgp)
	}
	fmt.Println("done")
	os.Exit(0)
}

// TestLegs: no other user of the host stands in for either end of a leg.
func TestLegs(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("skipped: needs root, to act as another user")
	}
	s, _ := serve(t)
	defer s.Stop()
	l := join(t, s, peer)
	defer s.Leave(l)
	establish(t, l)
	check := func(what string) {
		t.Helper()
		cmd := exec.Command("/proc/self/exe") // where the binary is may be closed to others
		cmd.Env = append(os.Environ(), intruderOf+"="+s.addr.String())
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for in := bufio.NewScanner(strings.NewReader(string(out))); in.Scan(); {
			if strings.HasPrefix(in.Text(), "refused") {
				n++
			} else if in.Text() != "done" {
				t.Errorf("%s: %s", what, in.Text())
			}
		}
		if n != 4 {
			t.Errorf("%s: %d of 4 tries refused", what, n)
		}
	}
	check("with a session on " + l.addr.String())
	// A neighbor that waits for its leg is as closed.
	waits, err := s.dial(t.Context(), &peer)
	if err != nil {
		t.Fatal(err)
	}
	waits.conn.Close()
	check("with a neighbor that waits on " + waits.addr.String())
	s.Leave(waits)
	r, a := route(1)
	if err := s.Announce(r, a); err != nil {
		t.Fatal(err)
	}
	if u, _ := update(t, next(t, l, wire.TypeUpdate)); len(u.Reach) != 1 {
		t.Errorf("the session did not survive: %+v", u)
	}
}
