package dataplane

import (
	"fmt"
	"time"

	"github.com/evpnd/evpnd/dataplane/topology"
)

// syncer reads the devices, and the entries of those that need it, and has all
// that is kept follow.
type syncer struct {
	*env
	cfg      *Config
	writer   *writer
	observer *observer
	outbox   *outbox
	snooper  *snooper
	flags    *flags

	lost     bool // notices were lost: entries are to be read as well
	dumpMost int  // MACs of a bridge that are read in full then
	first    bool // a sync is over
	pause    time.Duration

	began, ended time.Time // of the last sync, or of that under way
	took         time.Duration
	dump         *dump         // under way, or nil
	dumped       chan struct{} // has a value when it is over
}

// soon has the devices read after a pause, or longer where reading them takes
// long and was just done: with thousands of devices it must not take all the
// time.
func (s *syncer) soon(pause time.Duration) {
	s.due.by(syncDue, time.Now().Add(max(pause, s.rest(min(4*s.took, time.Second)))))
}

// rest returns what is left of a pause after the last sync.
func (s *syncer) rest(pause time.Duration) time.Duration { return time.Until(s.ended.Add(pause)) }

// busy tells whether entries are being read; finish follows.
func (s *syncer) busy() bool { return s.dump != nil }

// close waits for the read that is under way.
func (s *syncer) close() {
	if s.busy() {
		<-s.dumped
	}
}

// start reads the devices, follows what changed, and has entries read.
func (s *syncer) start(now time.Time) {
	s.began = now
	view, err := s.readView()
	if err == nil {
		view, err = s.declare(view)
	}
	if err != nil {
		s.failed(err)
		return
	}
	s.attach(topology.Resolve(view, &s.cfg.Topology, s.bds.topo))
	if s.lost {
		for _, d := range s.bds.all {
			if d.attached() {
				d.need = max(d.need, needCheck)
			}
		}
	}
	s.dump = newDump(s.k, s.bds, s.dumpMost)
	if s.dump == nil {
		s.finish()
		return
	}
	go func(x *dump) {
		x.run()
		s.dumped <- struct{}{}
	}(s.dump)
}

// finish follows what was read.
func (s *syncer) finish() {
	x := s.dump
	s.dump = nil
	if x != nil && x.err != nil {
		for _, d := range x.failed {
			d.need = needRead
		}
		s.failed(x.err)
		return
	}
	if x != nil {
		for _, d := range s.bds.sorted() {
			if r := x.found[d]; r != nil {
				s.observer.dumped(d, r)
				d.need = needNothing
			}
		}
	}
	s.lost = false
	s.pause = 0
	s.problems.clear(ProblemRead, 0, "")
	s.flags.mend()
	s.snooper.listen()
	for _, d := range s.bds.all {
		s.bds.forget(d)
	}
	s.first = true
	s.ended = time.Now()
	s.took = s.ended.Sub(s.began)
}

// failed has all read again after a pause.
func (s *syncer) failed(err error) {
	s.pause = min(max(2*s.pause, 100*time.Millisecond), 10*time.Second)
	s.soon(s.pause)
	s.problems.set(topology.Problem{Kind: ProblemRead, Text: fmt.Sprintf("%v; it is tried again", err)})
	s.log.Warn("cannot read the kernel's tables; trying again", "err", err, "pause", s.pause)
}

// readView reads the devices and their addresses.
func (s *syncer) readView() (*topology.View, error) {
	links, err := s.k.Links()
	if err != nil {
		return nil, err
	}
	addrs, err := s.k.Addrs()
	if err != nil {
		return nil, err
	}
	return topology.NewView(links, addrs), nil
}
