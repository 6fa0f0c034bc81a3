package bgp

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child is what this test binary does as a child of itself: things that need a
// process of their own.
func child(role string) {
	if args := strings.Fields(role); args[0] == "speak" {
		speak(args[1:])
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
