package dataplane

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

// kind is a kind of entry that is written.
type kind uint8

const (
	kindFlood kind = iota + 1
	kindFDB
	kindNeigh
)

// ref is the entry that one or more consecutive ops are for.
type ref struct {
	kind   kind
	del    bool
	ops    uint8
	dest   evpn.Via // kindFlood
	mac    evpn.MAC // kindFDB
	target target
	ip     netip.Addr // kindNeigh
	to     binding
}

// batch is what is written at once. Its memory is used again.
type batch struct {
	ops  []Op
	errs []error // of ops, once they are written
	refs []ref
	err  error // of the writing as a whole
	sent bool  // the pen has it
	took time.Duration
}

func newBatch() *batch {
	const n = 3*writeBatch + 4
	return &batch{ops: make([]Op, 0, n), errs: make([]error, n), refs: make([]ref, 0, n)}
}

func (b *batch) clear() { b.ops, b.refs = b.ops[:0], b.refs[:0] }

func (b *batch) add(r ref, ops ...Op) {
	b.addTo(&r, ops...)
	b.refs = append(b.refs, r)
}

// addTo appends ops of r, which is yet to be added.
func (b *batch) addTo(r *ref, ops ...Op) {
	r.ops += uint8(len(ops))
	b.ops = append(b.ops, ops...)
}

// errTaken says that a frame from a local port took a MAC that is wished as
// remote. It is for the engine to answer.
var errTaken = errors.New("a host on a local port uses this MAC")

// write writes the next batches of the domain whose turn it is.
func (p *Plane) write() {
	d := p.writes[0]
	p.writes = append(p.writes[:0], p.writes[1:]...)
	d.queued = false
	p.dropIfEmpty(d) // a device that went may have left it behind
	if d.dev == 0 || d.need != needNothing || !d.busy() {
		return
	}
	if p.writeDomain(d) && d.busy() {
		p.enqueue(d)
	}
}

// writeDomain writes the next batches of d, writeRun at most, fewer when the
// kernel is to be given time. While the kernel is busy with one, the one before
// is settled and the next is composed; no other input is looked at meanwhile,
// for what it says could be of before the write or of after it. It returns
// false when the kernel took nothing at all.
func (p *Plane) writeDomain(d *domain) bool {
	b, next := p.batches[0], p.batches[1]
	p.compose(d, b)
	if len(b.ops) == 0 {
		return true
	}
	p.begin(b)
	for n := 1; ; n++ {
		next.clear()
		if n < writeRun && b.sent && p.holdTill.IsZero() {
			p.compose(d, next)
		}
		if err := p.finish(b); err != nil {
			p.refusedAll(d, err, b, next)
			return false
		}
		if len(next.ops) == 0 {
			p.settleAll(d, b)
			return true
		}
		p.begin(next)
		p.settleAll(d, b)
		b, next = next, b
	}
}

// begin hands a batch to the pen, unless it is so small that this would take
// longer than what it saves: finish writes it then.
func (p *Plane) begin(b *batch) {
	p.quiet()
	if b.sent = len(b.refs) >= writeBatch; b.sent {
		p.pen <- b
	}
}

// finish returns when a batch is written. The error says that the kernel took
// nothing at all.
func (p *Plane) finish(b *batch) error {
	p.mu.Unlock()
	if b.sent {
		<-p.penned
	} else {
		b.write(p.k)
	}
	p.mu.Lock()
	p.stats.Batch.observe(b.took)
	p.stats.Writes += uint64(len(b.ops))
	if b.err == nil && refused(b.errs[:len(b.ops)]) {
		return p.probe()
	}
	return b.err
}

// write has the kernel take b, and notes how long it took.
func (b *batch) write(k Kernel) {
	began := time.Now()
	b.err = k.Write(b.ops, b.errs[:len(b.ops)])
	b.took = time.Since(began)
}

// pen is a goroutine beside that of Run. It writes what begin hands it.
func pen(k Kernel, in <-chan *batch, out chan<- struct{}) {
	for b := range in {
		b.write(k)
		out <- struct{}{}
	}
}

// settleAll records what the kernel said of each entry of a batch.
func (p *Plane) settleAll(d *domain, b *batch) {
	now := time.Now()
	p.hold = 0
	p.clearTrouble(ProblemWrite, 0, "")
	at := 0
	for i := range b.refs {
		r := &b.refs[i]
		var err error
		for j := at; j < at+int(r.ops); j++ {
			if err == nil && (r.del || b.ops[j].Verb != Delete) { // a deletion before an addition may find nothing
				err = b.errs[j]
			}
		}
		at += int(r.ops)
		p.settle(d, r, err, now)
	}
}

// refused tells whether every op was refused with EPERM.
func refused(errs []error) bool {
	for _, err := range errs {
		if !errors.Is(err, syscall.EPERM) {
			return false
		}
	}
	return true
}

// probe returns EPERM when the kernel takes no writes from us at all: it
// looks at the privilege before it looks at the device, which there is none
// of with index 0. A single entry may be refused with EPERM for itself.
func (p *Plane) probe() error {
	op := Op{Verb: Delete, Entry: Entry{Family: Bridge, Flags: Self}}
	errs := []error{nil}
	if err := p.put([]Op{op}, errs); err != nil {
		return err
	}
	if errors.Is(errs[0], syscall.EPERM) {
		return errs[0]
	}
	return nil
}

// refusedAll puts back b, which was not written or has no answer, and next, which
// the kernel has not seen, and pauses all writing.
func (p *Plane) refusedAll(d *domain, err error, b, next *batch) {
	p.stats.Failures++
	for i := range b.refs {
		if b.err != nil {
			p.inDoubt(d, &b.refs[i])
		}
		p.stats.countRefused(b.refs[i].kind, err)
		p.putBack(d, &b.refs[i])
	}
	for i := range next.refs {
		p.putBack(d, &next.refs[i])
	}
	p.enqueue(d)
	p.refusedWrites(err, time.Now())
}

// refusedWrites pauses all writing.
func (p *Plane) refusedWrites(err error, now time.Time) {
	p.hold = min(max(2*p.hold, holdFirst), holdMost)
	p.holdTill = now.Add(p.hold)
	if p.setTrouble(Problem{Kind: ProblemWrite, Text: "nothing can be written to the kernel: " + advice(err)}) {
		p.log.Error("nothing can be written to the kernel; trying again", "err", err)
	}
}

// inDoubt records that the kernel may hold an entry that was to be added: it
// has to be removed then when nobody wishes it any more. One that was to be
// removed is taken to be there as it is.
func (p *Plane) inDoubt(d *domain, r *ref) {
	if r.del {
		return
	}
	switch r.kind {
	case kindFlood:
		d.flood.perhaps(r.dest, false)
	case kindFDB:
		d.fdb.perhaps(r.mac, r.target.sticky)
	case kindNeigh:
		d.neigh.perhaps(r.ip, false)
	}
}

func (p *Plane) putBack(d *domain, r *ref) {
	switch r.kind {
	case kindFlood:
		d.flood.queue(r.dest, d.flood.slots[r.dest])
	case kindFDB:
		d.fdb.queue(r.mac, d.fdb.slots[r.mac])
	case kindNeigh:
		d.neigh.queue(r.ip, d.neigh.slots[r.ip])
	}
}

// compose takes the next entries of d off their queues: additions flood,
// FDB, neighbor, then removals the other way round, so that nothing is
// removed before what replaces it is there.
func (p *Plane) compose(d *domain, b *batch) {
	b.clear()
	now := time.Now()
	for len(b.refs) < writeBatch {
		k, _, ok := d.flood.nextAdd(now)
		if !ok {
			break
		}
		b.add(ref{kind: kindFlood, dest: k}, floodOp(d, k, Append))
	}
	for len(b.refs) < writeBatch {
		k, s, ok := d.fdb.nextAdd(now)
		if !ok {
			break
		}
		if h, held := d.fixed[k]; held {
			p.fail(d, &ref{kind: kindFDB, mac: k}, heldError{h}, now)
			continue
		}
		b.addFDB(d, k, s)
	}
	for len(b.refs) < writeBatch {
		k, s, ok := d.neigh.nextAdd(now)
		if !ok {
			break
		}
		if _, held := d.still[k]; held {
			p.fail(d, &ref{kind: kindNeigh, ip: k}, errStill, now)
			continue
		}
		b.add(ref{kind: kindNeigh, ip: k, to: s.val}, neighOp(d, k, s.val, Replace))
	}
	for len(b.refs) < writeBatch {
		k, s, ok := d.neigh.nextDel()
		if !ok {
			break
		}
		b.add(ref{kind: kindNeigh, del: true, ip: k}, neighOp(d, k, s.val, Delete))
	}
	for len(b.refs) < writeBatch {
		k, s, ok := d.fdb.nextDel()
		if !ok {
			break
		}
		flags := Self | Master
		if s.mark.has(half) {
			flags = Self
		}
		b.add(ref{kind: kindFDB, del: true, mac: k},
			Op{Verb: Delete, Entry: Entry{Family: Bridge, Ifindex: d.dev, Flags: flags, MAC: k}})
	}
	for len(b.refs) < writeBatch {
		k, _, ok := d.flood.nextDel()
		if !ok {
			break
		}
		b.add(ref{kind: kindFlood, del: true, dest: k}, floodOp(d, k, Delete))
	}
}

// addFDB appends the ops that make a MAC remote. NUD_NOARP keeps the device's
// entry while the device is down; the bridge does not look at it when the
// entry is extern-learned.
func (b *batch) addFDB(d *domain, mac evpn.MAC, s slot[target]) {
	r := ref{kind: kindFDB, mac: mac, target: s.val}
	both := Op{Verb: Replace, Entry: Entry{
		Family: Bridge, Ifindex: d.dev, State: NoARP | Reachable,
		Flags: Self | Master | ExtLearned, MAC: mac, IP: s.val.dest.VTEP, VNI: entryVNI(s.val.dest, d.vni),
	}}
	if s.mark.has(usurped) {
		// vxlan_fdb_update_existing lets no extern-learned entry take over one
		// of a user: it would get our destination, and not our mark.
		b.addTo(&r, Op{Verb: Delete, Entry: Entry{Family: Bridge, Ifindex: d.dev, Flags: Self, MAC: mac}})
	}
	inBridge := Op{Verb: Replace, Entry: Entry{Family: Bridge, Ifindex: d.dev, Flags: Master, MAC: mac}}
	switch {
	case s.val.sticky:
		inBridge.State, inBridge.Flags = NoARP|Reachable, Master|Sticky
		b.add(r, both, inBridge)
	case s.mark.has(sticky):
		// A write as dynamic is what clears sticky and static.
		inBridge.State = Reachable
		b.add(r, inBridge, both)
	default:
		b.add(r, both)
	}
}

func floodOp(d *domain, dest evpn.Via, v Verb) Op {
	return Op{Verb: v, Entry: Entry{
		Family: Bridge, Ifindex: d.dev, State: Permanent, Flags: Self, IP: dest.VTEP, VNI: entryVNI(dest, d.vni),
	}}
}

func neighOp(d *domain, ip netip.Addr, to binding, v Verb) Op {
	op := Op{Verb: v, Entry: Entry{
		Family: family(ip), Ifindex: d.neighDev(), State: NoARP, Flags: ExtLearned, MAC: to.mac, IP: ip,
	}}
	if to.router {
		op.Flags |= Router
	}
	return op
}

// settle records what the kernel said of one entry.
func (p *Plane) settle(d *domain, r *ref, err error, now time.Time) {
	switch {
	case r.del && errors.Is(err, syscall.ENOENT) && r.kind == kindFDB:
		// The bridge has none behind the device, because the host is local
		// by now; it stopped there and left the device's own entry.
		s := d.fdb.slots[r.mac]
		if s.mark.has(half) {
			d.fdb.removed(r.mac)
			return
		}
		s.mark |= half
		d.fdb.queue(r.mac, s)
	case r.del && (err == nil || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ENODEV)):
		p.settleRemoved(d, r)
	case !r.del && (err == nil || r.kind == kindFlood && errors.Is(err, syscall.EEXIST)):
		p.settleAdded(d, r)
	default:
		p.fail(d, r, err, now)
		p.react(err, now)
	}
}

func (p *Plane) settleRemoved(d *domain, r *ref) {
	p.written.count(r.kind, true)
	switch r.kind {
	case kindFlood:
		d.flood.removed(r.dest)
	case kindFDB:
		d.fdb.removed(r.mac)
	case kindNeigh:
		d.neigh.removed(r.ip)
	}
}

// settleAdded records an entry that was written. What was local under its
// key is so no more: the kernel's own notice of that is filtered out with
// the echo.
func (p *Plane) settleAdded(d *domain, r *ref) {
	p.written.count(r.kind, false)
	switch r.kind {
	case kindFlood:
		d.flood.added(r.dest, struct{}{}, false)
	case kindFDB:
		d.fdb.added(r.mac, r.target, r.target.sticky)
		p.clearMAC(d, r.mac)
	case kindNeigh:
		d.neigh.added(r.ip, r.to, false)
		d.local.ClearNeighbor(r.ip)
	}
}

// fail records that an entry could not be written. A part of it may be in
// the kernel.
func (p *Plane) fail(d *domain, r *ref, err error, now time.Time) {
	p.stats.Failures++
	p.stats.countRefused(r.kind, err)
	switch r.kind {
	case kindFlood:
		d.flood.fail(r.dest, err, now)
	case kindFDB:
		if s, ok := d.fdb.slots[r.mac]; ok && !errors.As(err, new(heldError)) {
			s.mark |= present
			d.fdb.put(r.mac, s)
		}
		d.fdb.fail(r.mac, err, now)
	case kindNeigh:
		d.neigh.fail(r.ip, err, now)
	}
	p.log.Debug("cannot write an entry; trying again", "vni", d.vni, "mac", r.mac, "ip", r.ip, "vtep", r.dest.VTEP, "err", err)
	p.retrySoon()
}

// react does what an error says of more than its entry.
func (p *Plane) react(err error, now time.Time) {
	switch {
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EOPNOTSUPP):
		// The device went, or is a port no more: see what is there.
		p.syncSoon(0)
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM):
		// The kernel is short of memory: give it time.
		p.holdTill = now.Add(holdFirst)
	}
}

func (p *Plane) retrySoon() {
	if at := time.Now().Add(retryFirst); p.retryAt.IsZero() || at.Before(p.retryAt) {
		p.retryAt = at
	}
}

// retry queues the failed entries whose time has come.
func (p *Plane) retry(now time.Time) {
	p.retryAt = time.Time{}
	later := func(t time.Time) {
		if !t.IsZero() && (p.retryAt.IsZero() || t.Before(p.retryAt)) {
			p.retryAt = t
		}
	}
	for _, d := range p.sorted() {
		if len(d.flood.fails)+len(d.fdb.fails)+len(d.neigh.fails) == 0 {
			continue
		}
		t1, n1 := d.flood.retry(now, sortDests)
		t2, n2 := d.fdb.retry(now, sortMACs)
		t3, n3 := d.neigh.retry(now, sortAddrs)
		later(t1)
		later(t2)
		later(t3)
		if n1+n2+n3 > 0 {
			// Those that fail again set the time anew.
			p.enqueue(d)
		}
	}
}
