package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/netip"
	"net/rpc"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// childEnv marks the process of the VTEP. It is this program, or the test of
// it, run again, and is spoken to over its standard input and output.
const childEnv = "EVPND_SIM_VTEP"

// isChild tells whether this process is that of the VTEP.
func isChild() bool { return os.Getenv(childEnv) != "" }

// pipe is the two ends of a connection as one.
type pipe struct {
	io.Reader
	io.WriteCloser
}

// serve is the process of the VTEP, until its standard input ends.
func serve() {
	s := rpc.NewServer()
	if err := s.Register(&VTEP{}); err != nil {
		panic(err) // a method of ours is no RPC
	}
	s.ServeConn(pipe{os.Stdin, os.Stdout})
}

// VTEP is what can be asked of it, in the form that net/rpc wants.
type VTEP struct{ v *vtep }

// Start is the argument of VTEP.Start.
type Start struct {
	VNIs       int
	Reflectors []netip.AddrPort
}

// Start starts it.
func (s *VTEP) Start(a Start, _ *struct{}) (err error) {
	s.v, err = startVTEP(context.Background(), a.VNIs, a.Reflectors)
	return err
}

// Await is what VTEP.Await waits for.
type Await struct {
	Installed int // that many entries are in the kernel, and no others wished
	Fresh     int // routes of each peer that its session has brought, with its End-of-RIB
	Writes    int64
	Down      netip.Addr // the session with it is down; then only Installed counts besides
	Within    time.Duration
}

// Await waits, and returns when it was so, in Unix nanoseconds: to a
// millisecond.
func (s *VTEP) Await(a Await, at *int64) error {
	limit := time.Now().Add(a.Within)
	for {
		st := s.v.plane.Stats()
		ok := st.Installed == a.Installed && st.Wanted == a.Installed && s.v.kernel.writes.Load() >= a.Writes
		var peers []evpn.PeerStatus
		if ok || time.Now().After(limit) {
			s.v.do(func(e *evpn.Engine) { peers = e.Peers() })
			for _, p := range peers {
				if a.Down.IsValid() {
					ok = ok && p.Up == (p.Peer != a.Down)
				} else {
					ok = ok && p.Up && p.EndOfRIB && p.Stale == 0 && p.Routes == a.Fresh
				}
			}
			ok = ok && len(peers) > 0
		}
		*at = time.Now().UnixNano()
		if ok {
			return nil
		}
		if time.Now().After(limit) {
			return fmt.Errorf("not so after %v: want %+v, have %+v of %+v", a.Within, a, st, peers)
		}
		time.Sleep(time.Millisecond)
	}
}

// Usage is what the VTEP has taken of the machine until now.
type Usage struct {
	CPU    time.Duration
	Kernel time.Duration // of CPU, in the fake kernel's writes
	Writes int64         // messages to the kernel
	Last   int64         // when the last of them was done, Unix nanoseconds
}

// Usage returns it.
func (s *VTEP) Usage(_ struct{}, u *Usage) error {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return err
	}
	k := s.v.kernel
	u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	u.Kernel, u.Writes, u.Last = time.Duration(k.spent.Load()), k.writes.Load(), k.last.Load()
	return nil
}

// Memory is the heap in use, in bytes, by whose it is, as Go's profile of it
// says: a sample each 512 KB. Peak is the most that was resident until now.
type Memory struct {
	Engine, Plane, Reader, Kernel, Other int64
	Peak                                 int64
}

// Memory collects the garbage and returns it.
func (s *VTEP) Memory(_ struct{}, m *Memory) error {
	runtime.GC()
	runtime.GC() // the profile is of the collection before
	records := make([]runtime.MemProfileRecord, 4096)
	n, ok := runtime.MemProfile(records, false)
	for !ok {
		records = make([]runtime.MemProfileRecord, 2*n)
		n, ok = runtime.MemProfile(records, false)
	}
	for _, r := range records[:n] {
		*m.of(&r) += int64(float64(r.InUseBytes()) * scale(&r))
	}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	if _, err := fmt.Sscan(rest, &m.Peak); err != nil {
		return fmt.Errorf("the most memory that was resident: %w", err)
	}
	m.Peak <<= 10
	return nil
}

// scale is how many bytes each byte of a record stands for: an allocation of
// size s is sampled with the chance 1-exp(-s/rate).
func scale(r *runtime.MemProfileRecord) float64 {
	n := r.InUseObjects()
	if n == 0 {
		return 0
	}
	size := float64(r.InUseBytes()) / float64(n)
	return 1 / (1 - math.Exp(-size/float64(runtime.MemProfileRate)))
}

// of returns whose an allocation is: the innermost package of ours.
func (m *Memory) of(r *runtime.MemProfileRecord) *int64 {
	frames := runtime.CallersFrames(r.Stack())
	for {
		f, more := frames.Next()
		name, ours := strings.CutPrefix(f.Function, "github.com/evpnd/evpnd/")
		switch {
		case !ours:
		case strings.HasPrefix(name, "evpn."):
			return &m.Engine
		case strings.HasPrefix(name, "dataplane."):
			return &m.Plane
		case strings.HasPrefix(name, "dataplane/fake."), strings.HasPrefix(name, "test/sim."):
			return &m.Kernel
		case strings.HasPrefix(name, "bgp"):
			return &m.Reader
		}
		if !more {
			return &m.Other
		}
	}
}

// Held returns what the kernel holds.
func (s *VTEP) Held(_ struct{}, h *Held) (err error) {
	*h, err = s.v.kernel.held()
	return err
}

// Record begins or ends the recording of arrivals, and returns those of until
// now.
func (s *VTEP) Record(on bool, seen *[]arrival) error {
	*seen = s.v.kernel.recording(on)
	return nil
}

// child is the other end.
type child struct {
	*rpc.Client
	cmd *exec.Cmd
}

func newChild() (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{rpc.NewClient(pipe{out, in}), cmd}, nil
}

// end ends the process.
func (c *child) end() {
	_ = c.Close()
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}
