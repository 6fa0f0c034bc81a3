//go:build !race

package bench

import (
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/test/lab"
	"github.com/evpnd/evpnd/test/peer"
)

// still is a node whose routes do not change, and the evpnd on it.
type still struct {
	*rig
	evpnd *lab.Evpnd
	n     int
	told  chan error
	tell  func() // has the next session told all routes
}

func newStill(b lab.T, rec *record) *still {
	b.Helper()
	node, other := pair(b)
	node.AddVNI(vni)
	listener := listen(b, other, router)
	s := &still{rig: &rig{T: b, node: node}, n: rec.size(100_000), told: make(chan error, 1)}
	routes := append(append(first.Flood(), first.Announce(0, s.n)...), peer.Unreach()...)
	s.tell = func() {
		speak, err := peer.Accept(listener, asn, router, 30*time.Second)
		if err == nil {
			speak.KeepAlive(20 * time.Second)
			err = speak.Write(routes)
		}
		s.told <- err
	}
	go s.tell()
	s.evpnd = evpndOn(node, "", router)
	s.procs = []*lab.Proc{s.evpnd.Proc}
	s.inSync(time.Now())
	return s
}

// inSync waits until evpnd is in sync with peers and kernel, and returns how
// long that took.
func (s *still) inSync(begin time.Time) time.Duration {
	s.Helper()
	for ; ; time.Sleep(5 * time.Millisecond) {
		st := s.evpnd.Status()
		took := time.Since(begin)
		switch {
		case st.Synced && st.InSync && st.Counts.RemoteMACs == s.n:
			if err := <-s.told; err != nil {
				s.Fatalf("the peer: %v", err)
			}
			return took
		case took > time.Minute:
			s.Fatalf("not in sync after a minute: %+v", st)
		}
	}
}

// restart: evpnd is killed and started again, with all entries in the kernel
// and nothing changed.
func restart(b lab.T, _ contender, rec *record) {
	b.Helper()
	s := newStill(b, rec)
	rec.settle(s.rig)
	t := tallyOn(b, s.node.NS, vni.Device(), vni.Bridge())
	begin := time.Now()
	s.node.Bridge("fdb", "show", "dev", vni.Device())
	rec.seconds("listing by bridge fdb show", time.Since(begin))
	s.evpnd.Crash()
	go s.tell()
	begin = time.Now()
	s.evpnd.Restart()
	rec.seconds("restart, in sync", s.inSync(begin))
	s.procs = []*lab.Proc{s.evpnd.Proc}
	rec.settle(s.rig) // the sweep is over
	t.drain()
	rec.number("restart, changes", float64(t.total()+t.gone+t.other))
}

// idle: nothing happens, but for the audit: every five minutes, or more
// seldom where it would take more than half a percent of the time
// (vnis.audit-interval).
func idle(b lab.T, _ contender, rec *record) {
	b.Helper()
	s := newStill(b, rec)
	rec.settle(s.rig)
	span := 20 * time.Second
	if !rec.full {
		span = time.Second
	}
	begin := s.cpu()
	time.Sleep(span)
	alone := float64(s.cpu()-begin) / float64(span)
	rec.percent("CPU at idle", alone)

	begin = s.cpu()
	at := time.Now()
	if out, err := s.evpnd.Try("audit"); err != nil {
		b.Fatalf("audit: %v\n%s", err, out)
	}
	every := max(5*time.Minute, 200*time.Since(at))
	rec.percent("CPU at idle, audit included", alone+float64(s.cpu()-begin)/float64(every))
}

// loss: so many notices come while evpnd is stopped that its socket runs over,
// and an entry of its own that is deleted meanwhile is not told of. The time
// is from when it goes on until the entry is back.
func loss(b lab.T, _ contender, rec *record) {
	b.Helper()
	s := newStill(b, rec)
	rec.settle(s.rig)
	s.node.IP("link", "add", "noise", "type", "bridge")
	dev, noise := index(b, s.node.NS, vni.Device()), index(b, s.node.NS, "noise")
	const entriesOfNoise = 200_000 // some 150 MB of notices: more than twice what the socket holds
	add := entries(entriesOfNoise, func(b []byte, i int) []byte {
		mac := peer.MAC(1<<24 + i)
		b = neighMessage(b, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE, unix.AF_BRIDGE, noise, unix.NUD_PERMANENT, unix.NTF_SELF)
		return attribute(b, unix.NDA_LLADDR, mac[:])
	})
	one := entries(1, func(b []byte, _ int) []byte { return rawNoMAC(b, dev, peer.MAC(5)) })

	s.evpnd.Signal(syscall.SIGSTOP)
	err := newRaw(b, s.node.NS).write(append(add, one...))
	t := tallyOn(b, s.node.NS, vni.Device(), vni.Bridge())
	begin := time.Now()
	s.evpnd.Signal(syscall.SIGCONT)
	if err != nil {
		b.Fatalf("%v", err)
	}
	at, err := t.until(patience, func() error { return nil }, func() bool { return t.added[first.VTEP] > 0 })
	if err != nil {
		b.Fatalf("the entry is not back: %v", err)
	}
	rec.seconds("notices lost, entry back", at.Sub(begin))
	if !strings.Contains(s.evpnd.Ctl("status", "-o", "json"), `"resyncs": 1`) {
		b.Fatalf("no notices were lost, as it says:\n%s", s.evpnd.Ctl("status", "-o", "json"))
	}
}
