package evpn

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Engine is the state machine. It is not safe for concurrent use: one
// goroutine owns it.
type Engine struct {
	cfg Config
	now time.Time // of the latest Tick

	peers   map[netip.Addr]*peer
	bds     map[VNI]*bd
	imports importIndex
	origins map[RD][]origin // the importers that hold routes of an RD
	vteps   map[netip.Addr]*vtep
	rds     rdTable
	alarms  alarmSet

	start        time.Time // of the first Tick
	synced       bool
	refresh      refresh
	peersAtLimit int  // how many peers are at their limit
	peerActions  bool // some peer has a call

	history    history[MACKey]
	persist    persistence
	macContest contest[MACKey, netip.Addr, place]
	ipContest  contest[IPKey, MAC, ipOwner]
	floodHolds floodHolds
	probes     []Probe // to be handed out, at most maxProbes

	since   time.Time // see Delta.Since
	flood   queue[floodKey]
	fdb     queue[MACKey]
	neigh   queue[IPKey]
	adverts adverts
	changes changes

	jobs    []*job
	jobStep int

	importers []importer // scratch space of importersOf
}

// New returns an engine that knows nothing yet. It does nothing that waits
// until its first Tick.
func New(cfg Config) *Engine {
	e := &Engine{
		peers:   make(map[netip.Addr]*peer),
		bds:     make(map[VNI]*bd),
		origins: make(map[RD][]origin),
		vteps:   make(map[netip.Addr]*vtep),
		persist: persistence{now: newPersistentState()},

		jobStep: jobStep,

		macContest: contest[MACKey, netip.Addr, place]{policy: macPolicy{}},
		ipContest:  contest[IPKey, MAC, ipOwner]{policy: ipPolicy{}},
	}
	e.alarms.changed = func() { e.changes.push(Change{Kind: ChangeAlarm}) }
	e.cfg = cfg
	e.rds.configure(cfg.BDs)
	e.checkTargets()
	return e
}

// Step takes one event in. What follows from it is to be fetched with Ready; to
// leave a part of that unfetched for ever makes it grow to one mark for each
// object.
//
// Events that name a VNI which is not up, and values that cannot be (a group
// MAC, an unspecified address), are ignored.
func (e *Engine) Step(ev Event) {
	if _, ok := ev.(*Tick); !ok {
		e.drainJobs()
	}
	switch ev := ev.(type) {
	case *Routes:
		e.routes(ev)
	case *LocalMAC:
		e.localMAC(ev)
	case *LocalMACGone:
		e.localMACGone(ev)
	case *LocalIP:
		e.localIP(ev)
	case *LocalIPGone:
		e.localIPGone(ev)
	case *Reassert:
		e.reassert(ev)
	case *Unfreeze:
		e.unfreeze(ev)
	case *BDUp:
		e.bdUp(ev)
	case *BDDown:
		e.bdDown(ev)
	case *PeerUp:
		e.peerUp(ev)
	case *PeerDown:
		e.peerDown(ev)
	case *EndOfRIB:
		e.endOfRIB(ev)
	case *Configure:
		e.configure(ev)
	case *Tick:
		e.tick(ev.Now)
	default:
		panic(fmt.Sprintf("evpn: unknown event %T", ev))
	}
	if e.peersAtLimit > 0 {
		e.relieveAll()
	}
}

func (e *Engine) tick(now time.Time) {
	if e.start.IsZero() {
		e.start = now
	}
	e.now = now
	e.runJobs(e.jobStep)
	for _, p := range e.sortedPeers() {
		e.due(p, now)
	}
	e.macContest.tick(e)
	e.ipContest.tick(e)
	e.expireRestored()
	e.expireFloodHolds(now)
	e.checkSynced()
}

// deadline returns the earliest time at which a Tick is needed; ok is false
// when nothing waits.
func (e *Engine) deadline() (t time.Time, ok bool) {
	earliest := func(at time.Time) {
		if !ok || at.Before(t) {
			t, ok = at, true
		}
	}
	if len(e.jobs) > 0 {
		earliest(e.now)
	}
	for _, p := range e.peers {
		if !p.expire.IsZero() {
			earliest(p.expire)
		}
		if !p.noLonger.IsZero() {
			earliest(p.noLonger)
		}
	}
	for _, at := range []time.Time{e.macContest.next, e.ipContest.next} {
		if !at.IsZero() {
			earliest(at)
		}
	}
	if at := e.floodHolds.next; !at.IsZero() {
		earliest(at)
	}
	if d := &e.persist.restored; len(d.unconfirmed) > 0 {
		earliest(d.until)
	}
	if !e.synced {
		earliest(e.start.Add(e.cfg.EndOfRIBWait))
	}
	if e.refresh.wanted {
		earliest(e.refresh.at())
	}
	return t, ok
}

// unfreeze releases a MAC or an address by command.
func (e *Engine) unfreeze(ev *Unfreeze) {
	if ev.IP.IsValid() {
		e.ipContest.unfreeze(e, IPKey{ev.VNI, ev.IP}, time.Time{})
	} else {
		e.macContest.unfreeze(e, MACKey{ev.VNI, ev.MAC}, time.Time{})
	}
}

// Synced tells whether all that the peers have to say is known: every
// configured peer has sent its End-of-RIB, or the wait for it is over. Until
// then what the kernel holds from before is to be left alone; from then on
// what is not wanted may be removed. Once true it stays true.
func (e *Engine) Synced() bool { return e.synced }

func (e *Engine) checkSynced() {
	if e.synced || e.start.IsZero() {
		return
	}
	waited := !e.now.Before(e.start.Add(e.cfg.EndOfRIBWait))
	all := len(e.cfg.ConfiguredPeers) > 0 &&
		!slices.ContainsFunc(e.cfg.ConfiguredPeers, func(a netip.Addr) bool {
			p := e.peers[a]
			return p == nil || !p.endOfRIB
		})
	if waited || all {
		e.synced = true
		e.forgetRestored()
	}
}

// refresh is the wish to be told all routes again, at most once a second, so
// that a thousand VNIs that come one after the other do not ask a thousand
// times.
type refresh struct {
	wanted bool
	last   time.Time
}

const refreshEvery = time.Second

func (r *refresh) at() time.Time { return r.last.Add(refreshEvery) }

// takeRefresh tells whether the peers are to be asked for all their routes again
// (RFC 2918), because some were not kept that are wanted now. It forgets the
// wish.
func (e *Engine) takeRefresh() bool {
	if !e.refresh.wanted || e.now.Before(e.refresh.at()) {
		return false
	}
	e.refresh = refresh{last: e.now}
	return true
}

// wantRefresh is to be called when a VNI imports what may have been dropped.
func (e *Engine) wantRefresh() {
	for _, p := range e.peers {
		if p.up {
			e.refresh.wanted = true
			return
		}
	}
}
