package lab

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "make-a-lab-and-hang" {
		makeAndHang()
	}
	Main(m)
}

// classic makes three hosts with flood-and-learn over a multicast group, as
// Linux does VXLAN without a control plane.
func classic(l *Lab) []*Container {
	f := l.Fabric("fabric")
	v := VNI{VNI: 200, Group: netip.MustParseAddr("239.1.1.1")}
	var cs []*Container
	for i := range 3 {
		n := f.Node(fmt.Sprintf("h%d", i+1), netip.MustParsePrefix(fmt.Sprintf("10.90.1.%d/24", i+1)))
		n.AddVNI(v)
		cs = append(cs, n.Container(fmt.Sprintf("c%d", i+1), v, fmt.Sprintf("02:42:ac:12:00:%02x", 10+i),
			netip.MustParsePrefix(fmt.Sprintf("172.18.0.%d/16", 10+i)),
			netip.MustParsePrefix(fmt.Sprintf("fd00:18::%d/64", 10+i))))
	}
	return cs
}

// A lab without any control plane behaves as the kernel is known to: an ARP
// request is flooded to every host, its answer is not, and what was asked
// for once is learned.
func TestFloodAndLearn(t *testing.T) {
	Need(t, Namespaces, Ping)
	l := New(t)
	cs := classic(l)
	cs[0].Reach(cs[2].IPv6, 5*time.Second) // the group is joined

	var captures []*Capture
	for _, c := range cs {
		captures = append(captures, c.On.Capture("eth0"))
	}
	r := cs[0].Ping(cs[1].IPv4, 3, 50*time.Millisecond)
	if r.Lost() != 0 || r.Transmitted != 3 {
		t.Errorf("ping: %s, want 3 transmitted and 3 received\n%s", r.Summary, r.Output)
	}
	asked := func(f Frame) bool {
		ip, ok := f.ARPRequest()
		return ok && ip == cs[1].IPv4 && f.Tunnel && f.VNI == 200
	}
	for i, c := range captures {
		if n := Count(c.Stop(), asked); n != 1 {
			t.Errorf("%s saw %d ARP requests in VXLAN, want 1: it is flooded", cs[i].On.Short, n)
		}
	}
	learned := func(e FDBEntry) bool { return e.MAC == cs[1].MAC && e.Dst == cs[1].On.VTEP.String() }
	if fdb := cs[0].On.FDB("vxlan200"); !slices.ContainsFunc(fdb, learned) {
		t.Errorf("h1 has not learned %s behind %v: %v", cs[1].MAC, cs[1].On.VTEP, fdb)
	}
}

// A container that moves and announces itself is found at its new place.
func TestMove(t *testing.T) {
	Need(t, Namespaces, Ping)
	l := New(t)
	cs := classic(l)
	cs[1].Reach(cs[0].IPv4, 5*time.Second)
	h3 := cs[2].On
	ping := cs[1].StartPing(cs[0].IPv4, 50*time.Millisecond)
	cs[0].MoveTo(h3, VNI{VNI: 200})
	cs[0].Announce()
	before := ping.Answers()
	l.Until(5*time.Second, "answers from the new place", func() (bool, string) {
		return ping.Answers() >= before+3, ping.Output()
	})
	if r := ping.Stop(); r.Received < 3 {
		t.Errorf("ping through the move: %s", r.Summary)
	}
	cs[0].Reach(cs[2].IPv6, 5*time.Second) // addresses survive
	if fdb := h3.FDB(cs[0].Port); !slices.ContainsFunc(fdb, func(e FDBEntry) bool { return e.MAC == cs[0].MAC }) {
		t.Errorf("h3 has not learned %s on %s: %v", cs[0].MAC, cs[0].Port, fdb)
	}
}

// makeAndHang is what a test program looks like that will be killed.
func makeAndHang() {
	Enter()
	t := &hanging{}
	l := New(t)
	l.NS("a").Start("sleep", "sleep", "1000")
	fmt.Println(l.Prefix(), l.Pids()[0])
	time.Sleep(time.Hour)
}

type hanging struct{ testing.TB }

func (*hanging) Helper()                           {}
func (*hanging) Cleanup(func())                    {}
func (*hanging) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// A lab goes with its program even when that is killed.
func TestRemovedWhenKilled(t *testing.T) {
	Need(t, Namespaces)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "make-a-lab-and-hang")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var prefix string
	var pid int
	if _, err := fmt.Fscan(out, &prefix, &pid); err != nil {
		t.Fatal(err)
	}
	if left := Leftovers(prefix); len(left) != 2 {
		t.Fatalf("the lab is %v, want a namespace and a directory", left)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the program was not killed")
	}
	// There is no event for the end of somebody else's child.
	deadline := time.Now().Add(10 * time.Second)
	for time.Now().Before(deadline) {
		if len(Leftovers(prefix)) == 0 && syscall.Kill(pid, 0) == syscall.ESRCH {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("left behind: %s; process %d: %v", strings.Join(Leftovers(prefix), ", "), pid, syscall.Kill(pid, 0))
}

func TestParsePing(t *testing.T) {
	for _, tt := range []struct {
		name, out      string
		sent, received int
	}{
		{"iputils", "5 packets transmitted, 4 received, 20% packet loss, time 4004ms", 5, 4},
		{"iputils with errors", "3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2030ms", 3, 0},
		{"iputils with duplicates", "3 packets transmitted, 3 received, +1 duplicates, 0% packet loss, time 2030ms", 3, 3},
		{"busybox", "2 packets transmitted, 1 packets received, 50% packet loss", 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parsePing("PING ...\n\n--- statistics ---\n" + tt.out + "\n")
			if err != nil || r.Transmitted != tt.sent || r.Received != tt.received || r.Summary != tt.out {
				t.Errorf("got %+v, %v; want %d transmitted, %d received", r, err, tt.sent, tt.received)
			}
		})
	}
	if _, err := parsePing("ping: connect: Network is unreachable"); err == nil {
		t.Error("no error for output without a summary")
	}
}

// Requirements that are not met skip, except where nothing may be skipped.
func TestNeed(t *testing.T) {
	lacking := Requirement{"patience", func() string { return "install more" }}
	for _, tt := range []struct{ ci, all, want string }{
		{"", "", "skipped"},
		{"true", "", "failed"},
		{"", "1", "failed"},
	} {
		t.Setenv("CI", tt.ci)
		t.Setenv("EVPND_REQUIRE_ALL", tt.all)
		got := &verdict{}
		Need(got, lacking)
		if got.how != tt.want || !strings.Contains(got.text, "patience: install more") {
			t.Errorf("CI=%q EVPND_REQUIRE_ALL=%q: %s with %q, want %s with the reason", tt.ci, tt.all, got.how, got.text, tt.want)
		}
	}
}

type verdict struct {
	testing.TB
	how, text string
}

func (v *verdict) Helper() {}
func (v *verdict) Fatalf(format string, args ...any) {
	v.how, v.text = "failed", fmt.Sprintf(format, args...)
}

func (v *verdict) Skipf(format string, args ...any) {
	v.how, v.text = "skipped", fmt.Sprintf(format, args...)
}
