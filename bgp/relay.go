package bgp

import (
	"errors"
	"time"

	"github.com/evpnd/evpnd/bgp/gobgp"
	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// stream cuts the bytes of a connection into messages.
type stream struct {
	x    *session
	buf  []byte
	r, w int // what is read and not used
}

// streamSize bounds how much is read at a time, and with it how many routes
// one event carries: about 1,700 of type 2.
const streamSize = 64 << 10

func newStream(x *session) *stream { return &stream{x: x, buf: make([]byte, streamSize)} }

// buffered returns the next message that is there whole, or nil. It is
// overwritten when more is read.
func (in *stream) buffered() ([]byte, *ending) {
	n, bad := wire.Split(in.buf[in.r:in.w])
	if bad != nil {
		return nil, refusal(bad, "what the peer sent is not BGP")
	}
	if n == 0 {
		return nil, nil
	}
	msg := in.buf[in.r : in.r+n]
	in.r += n
	return msg, nil
}

// fill reads what has come.
func (in *stream) fill() *ending {
	in.w = copy(in.buf, in.buf[in.r:in.w])
	in.r = 0
	n, err := in.x.conn.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		in.x.lastRead.Store(time.Now().UnixNano())
		return nil
	}
	return failure(err)
}

// next returns the next message.
func (in *stream) next() ([]byte, *ending) {
	for {
		msg, why := in.buffered()
		if msg != nil || why != nil {
			return msg, why
		}
		if why := in.fill(); why != nil {
			return nil, why
		}
	}
}

// fromPeer passes on what the peer sends: routes to the engine, the rest to
// GoBGP.
type fromPeer struct {
	x     *session
	l     *gobgp.Leg
	r     *wire.Reader
	up    bool
	fed   time.Time     // when GoBGP got its last KEEPALIVE
	batch []evpn.Update // read, and not yet told
}

// relayFromPeer reads the peer until the session ends.
func (x *session) relayFromPeer(in *stream, l *gobgp.Leg) *ending {
	u := &fromPeer{
		x: x, l: l,
		r: wire.NewReader(x.open.AS4, x.p.cfg.internal(x.open.AS), x.p.cfg.LocalAS, x.ours.ID),
	}
	for {
		msg, why := in.buffered()
		if msg != nil && why == nil {
			why = u.message(msg)
		}
		if msg == nil && why == nil {
			u.flush()
			why = in.fill() // at once, when the session is stopped
		}
		if why != nil {
			u.flush()
			return why
		}
	}
}

func (u *fromPeer) message(msg []byte) *ending {
	x := u.x
	typ, body := wire.TypeOf(msg), wire.Body(msg)
	x.count(typ)
	switch typ {
	case wire.TypeKeepalive:
		if why := u.keepalive(); why != nil {
			return why
		}
		if !u.up {
			u.up = x.established()
		}
	case wire.TypeUpdate:
		if !u.up {
			return refusal(&wire.Notification{Code: wire.CodeFSM, Subcode: 2}, "the peer sent an UPDATE before its KEEPALIVE")
		}
		return u.update(body)
	case wire.TypeRouteRefresh:
		// RFC 7313 §4: sub-types other than 0 need a capability that we
		// do not announce, and families that were not agreed on are no
		// error (RFC 2918 §4).
		if u.up && len(body) == 4 && body[0] == 0 && body[1] == wire.AFIL2VPN && body[2] == 0 && body[3] == wire.SAFIEVPN {
			signal(x.refreshOurs)
		}
	case wire.TypeNotification:
		return notified(wire.ParseNotification(body))
	default:
		sub := uint8(2)
		if u.up {
			sub = 3
		}
		return refusal(&wire.Notification{Code: wire.CodeFSM, Subcode: sub}, "the peer sent a second OPEN")
	}
	return nil
}

func (u *fromPeer) update(body []byte) *ending {
	c := u.x.p.s.captured.Load()
	u.observeDropped(c)
	up, end, bad := u.r.Update(body)
	if bad != nil {
		return refusal(bad, "the peer sent an UPDATE whose routes cannot be found")
	}
	c.observe(u.x.p.addr, &up)
	if len(up.Reach) > 0 || len(up.Withdrawn) > 0 {
		u.batch = append(u.batch, up)
	}
	if end {
		u.flush()
		u.emit(&evpn.EndOfRIB{Peer: u.x.p.addr})
	}
	// The UPDATE is a sign of life, which GoBGP would not see.
	if time.Since(u.fed) > time.Second {
		return u.keepalive()
	}
	return nil
}

func (u *fromPeer) keepalive() *ending {
	u.fed = time.Now()
	if err := u.l.Keepalive(); err != nil {
		return &ending{text: "GoBGP closed the session"}
	}
	return nil
}

// flush tells the engine what has been read.
func (u *fromPeer) flush() {
	u.x.mu.Lock()
	u.x.counts = u.r.Counts
	u.x.mu.Unlock()
	if len(u.batch) > 0 {
		batch := u.batch
		u.batch = make([]evpn.Update, 0, min(len(batch), 256))
		u.emit(&evpn.Routes{Peer: u.x.p.addr, Updates: batch, At: time.Unix(0, u.x.lastRead.Load())})
	}
}

// emit gives the engine an event, and waits until it takes it. Meanwhile
// nothing is read, so the peer must wait too, and GoBGP is told that it lives.
func (u *fromPeer) emit(ev evpn.Event) {
	select {
	case u.x.p.s.events <- ev:
		return
	default:
	}
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case u.x.p.s.events <- ev:
			return
		case <-t.C:
			_ = u.keepalive() // an error shows when the next message is passed
		case <-u.x.quit:
			return
		}
	}
}

// GoBGP sends one route an UPDATE. They are gathered on their way to the peer:
// one that comes after GoBGP was silent for gatherQuiet goes out at once; of
// those that follow, more are waited for until it is silent so long again, and
// no longer than gatherMost. In the first table of a session, which End-of-RIB
// ends, none is urgent.
const (
	gatherQuiet      = time.Millisecond
	gatherMost       = 20 * time.Millisecond
	gatherFirstQuiet = gatherMost
	gatherFirstMost  = 500 * time.Millisecond
)

// toPeer passes on what GoBGP sends.
type toPeer struct {
	x     *session
	l     *gobgp.Leg
	pack  wire.Packer
	out   []byte        // to be sent
	last  time.Time     // when the last message came
	since time.Time     // when the first of what waits came
	alone bool          // what waits came after a silence
	quiet time.Duration // how long more is waited for, and
	most  time.Duration // how long at most
}

// relayToPeer reads GoBGP until it ends the session.
func (x *session) relayToPeer(l *gobgp.Leg) *ending {
	d := &toPeer{x: x, l: l, quiet: gatherFirstQuiet, most: gatherFirstMost}
	for {
		var wait time.Duration
		if d.pack.Waiting() {
			wait = d.quiet
		}
		msg, err := l.Next(wait)
		switch {
		case errors.Is(err, gobgp.ErrNotBGP):
			return refusal(&wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseOutOfResource}, err.Error())
		case err != nil:
			return &ending{text: err.Error()}
		case msg == nil:
			d.out = d.pack.Flush(d.out)
		case wire.TypeOf(msg) == wire.TypeNotification:
			return ownEnding(wire.ParseNotification(wire.Body(msg)))
		default:
			d.message(msg)
		}
		if why := d.send(); why != nil {
			return why
		}
	}
}

// message takes one message of GoBGP, and decides whether more are waited for.
func (d *toPeer) message(msg []byte) {
	now := time.Now()
	if now.Sub(d.last) > d.quiet {
		d.alone = true
	}
	if d.last = now; !d.pack.Waiting() {
		d.since = now
	}
	if wire.TypeOf(msg) == wire.TypeUpdate && wire.IsEndOfRIB(wire.Body(msg)) {
		d.quiet, d.most = gatherQuiet, gatherMost
	}
	d.out = d.pack.Add(d.out, msg)
	if d.l.Buffered() {
		return
	}
	if d.alone || now.Sub(d.since) > d.most {
		d.out = d.pack.Flush(d.out)
	}
	d.alone = false
}

// send sends what is to be sent, unless more is at hand.
func (d *toPeer) send() *ending {
	if len(d.out) == 0 || len(d.out) < streamSize && d.l.Buffered() {
		return nil
	}
	err := d.x.send(d.out)
	d.out = d.out[:0]
	if err != nil {
		return failure(err)
	}
	return nil
}
