package bgp

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// The roles are what this test binary does as a child of itself: things that
// need a process, or a user, of their own.
func child(role string) {
	args := strings.Fields(role)
	switch args[0] {
	case "speak":
		speak(args[1:])
	case "intrude":
		intrude(args[1])
	}
	os.Exit(2)
}

// start runs the binary in a role; as nobody when it is to be another user.
func start(t *testing.T, role string, nobody bool) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "EVPND_TEST_ROLE="+role)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if nobody {
		// Where the binary is may be closed to others.
		cmd.Path = "/proc/self/exe"
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

// speak is a Speaker with one peer that prints its events. Its arguments are
// the address to be at, the peer's, and the port of both.
func speak(args []string) {
	own, peer := netip.MustParseAddr(args[0]), netip.MustParseAddr(args[1])
	var at uint16
	_, _ = fmt.Sscan(args[2], &at)
	s, err := New(complete(Config{
		AS: 65000, RouterID: own, Listen: []netip.AddrPort{netip.AddrPortFrom(own, at)},
		Peers: []Peer{{Address: peer, Port: at, Session: Session{AS: 65000, LocalAddress: own, ConnectRetry: 50 * time.Millisecond}}},
	}), slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	go func() {
		if err := s.Run(context.Background()); err != nil {
			fmt.Println(err)
		}
	}()
	for ev := range s.Events() {
		fmt.Printf("%T\n", ev)
	}
}

// TestTwo: two evpnds that call each other at the same moment end up with
// exactly one session, at the first try, and keep it.
func TestTwo(t *testing.T) {
	for round := range 5 {
		at := addrPort(t).Port()
		a, b := fmt.Sprintf("127.0.7.%d", 2*round+1), fmt.Sprintf("127.0.7.%d", 2*round+2)
		var outs []*bufio.Scanner
		for _, role := range []string{a + " " + b, b + " " + a} {
			_, out := start(t, fmt.Sprintf("speak %s %d", role, at), false)
			outs = append(outs, out)
		}
		events := make(chan string, 100)
		for _, out := range outs {
			go func() {
				for out.Scan() {
					events <- out.Text()
				}
			}()
		}
		got := map[string]int{}
		late := time.After(patience)
		for got["*evpn.EndOfRIB"] < 2 {
			select {
			case e := <-events:
				got[e]++
			case <-late:
				t.Fatalf("round %d: events %v", round, got)
			}
		}
		quiet := time.After(1500 * time.Millisecond) // a connection that waits has given up by then
		for stop := false; !stop; {
			select {
			case e := <-events:
				got[e]++
			case <-quiet:
				stop = true
			}
		}
		if got["*evpn.PeerUp"] != 2 || got["*evpn.PeerDown"] != 0 {
			t.Errorf("round %d: events %v, want one session", round, got)
		}
	}
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
		o := peerOpen()
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
	s, p := passive(t, peerOpen())
	event[*evpn.PeerUp](s)
	p.want(wire.TypeUpdate)
	check := func(what string) {
		t.Helper()
		_, out := start(t, "intrude "+s.server.addr.String(), true)
		n := 0
		for out.Scan() {
			if strings.HasPrefix(out.Text(), "refused") {
				n++
			} else if out.Text() != "done" {
				t.Errorf("%s: %s", what, out.Text())
			}
		}
		if n != 4 {
			t.Errorf("%s: %d of 4 tries refused", what, n)
		}
	}
	check("with a session on 127.1.0.1")
	// A neighbor that waits for its leg is as closed.
	l, err := s.server.dial(s.ctx, 65000, 65000, 90, 30)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	check("with a neighbor that waits on " + l.addr.String())
	s.server.hangup(l)
	if st := s.Peers()[0]; st.State != Established || st.Established != 1 {
		t.Errorf("the session did not survive: %+v", st)
	}
	// The other end: who listens in GoBGP's place does not have the key.
	x, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	fake := &server{key: s.server.key, addr: x.Addr().(*net.TCPAddr).AddrPort()}
	if c, err := fake.connect(s.ctx, netip.MustParseAddr("127.1.0.9"), time.Now().Add(time.Second)); err == nil {
		c.Close()
		t.Error("a listener without the key is taken for GoBGP")
	}
}
