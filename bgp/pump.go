package bgp

import (
	"fmt"
	"net"
	"time"

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

// more reads what has come.
func (in *stream) more() *ending {
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
		if why := in.more(); why != nil {
			return nil, why
		}
	}
}

// uplink passes on what the peer sends: routes to the engine, the rest to
// GoBGP.
type uplink struct {
	x     *session
	l     *leg
	r     *wire.Reader
	up    bool
	fed   time.Time     // when GoBGP got its last KEEPALIVE
	batch []evpn.Update // read, and not yet told
}

// up reads the peer until the session ends.
func (x *session) up(in *stream, l *leg) *ending {
	u := &uplink{
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
			why = in.more() // at once, when the session is stopped
		}
		if why != nil {
			u.flush()
			return why
		}
	}
}

func (u *uplink) message(msg []byte) *ending {
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
			wish(x.push)
		}
	case wire.TypeNotification:
		return told(wire.ParseNotification(body))
	default:
		sub := uint8(2)
		if u.up {
			sub = 3
		}
		return refusal(&wire.Notification{Code: wire.CodeFSM, Subcode: sub}, "the peer sent a second OPEN")
	}
	return nil
}

func (u *uplink) update(body []byte) *ending {
	looks := u.x.p.s.looks.Load()
	u.listen(looks)
	up, end, bad := u.r.Update(body)
	if bad != nil {
		return refusal(bad, "the peer sent an UPDATE whose routes cannot be found")
	}
	looks.see(u.x.p.addr, &up)
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

func (u *uplink) keepalive() *ending {
	u.fed = time.Now()
	return u.pass(wire.AppendKeepalive(nil))
}

// pass gives GoBGP a message.
func (u *uplink) pass(b []byte) *ending {
	if _, err := u.l.Write(b); err != nil {
		return &ending{text: "GoBGP closed the session"}
	}
	return nil
}

// flush tells the engine what has been read.
func (u *uplink) flush() {
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
func (u *uplink) emit(ev evpn.Event) {
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

// down passes on what GoBGP sends until it ends the session.
func (x *session) down(l *leg) *ending {
	buf := make([]byte, streamSize)
	w, said := 0, false
	for {
		n, err := l.Read(buf[w:])
		if w += n; n == 0 && err != nil {
			return &ending{text: "GoBGP closed the session"}
		}
		r, from := 0, 0 // messages from..r are to be sent
		var types []wire.Type
		for {
			n, bad := wire.Split(buf[r:w])
			if bad != nil {
				return refusal(&wire.Notification{Code: wire.CodeCease, Subcode: wire.CeaseOutOfResource}, "GoBGP sent what is not BGP")
			}
			if n == 0 {
				break
			}
			msg := buf[r : r+n]
			typ := wire.TypeOf(msg)
			if typ == wire.TypeNotification {
				return ownEnding(wire.ParseNotification(wire.Body(msg)))
			}
			if typ == wire.TypeKeepalive && x.hold == 0 && said || typ == wire.TypeOpen {
				// RFC 4271 §4.4: without a hold time there are none.
				if err := x.send(buf[from:r], types...); err != nil {
					return failure(err)
				}
				types, from = types[:0], r+n
			} else {
				types = append(types, typ)
			}
			said = said || typ == wire.TypeKeepalive
			r += n
		}
		if from < r {
			if err := x.send(buf[from:r], types...); err != nil {
				return failure(err)
			}
		}
		w = copy(buf, buf[r:w])
	}
}

// ownEnding is the ending that GoBGP decides on.
func ownEnding(n *wire.Notification) *ending {
	if n.Code == wire.CodeHoldTimer {
		return &ending{text: "the peer was silent for longer than the hold time", notify: n}
	}
	return &ending{text: fmt.Sprintf("we sent: %v", n), notify: n}
}

// established notes that the session is up, and tells the engine, unless it
// is ending already.
func (x *session) established() bool {
	x.mu.Lock()
	if x.why != nil {
		x.mu.Unlock()
		return false
	}
	x.upAt = time.Now()
	x.mu.Unlock()
	x.p.setState(x, Established)
	x.p.log.Info("session established", "as", x.open.AS, "router_id", x.open.ID, "hold", x.hold)
	x.tell(&evpn.PeerUp{
		Peer: x.p.addr, RouterID: x.open.ID, Internal: x.p.cfg.internal(x.open.AS), Limit: x.p.cfg.RouteLimit,
		Lost: x.p.lost(&x.open),
	})
	return true
}

// What other goroutines ask of a session.

func (x *session) stopped() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.why != nil
}

func (x *session) hasOpen() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.got
}

func (x *session) upSince() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.upAt
}

func (x *session) at() State {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case !x.upAt.IsZero():
		return Established
	case x.got:
		return OpenConfirm
	}
	return OpenSent
}

func (x *session) silence() time.Duration { return time.Since(time.Unix(0, x.lastRead.Load())) }

// addTo adds the counters of x to what is shown of its peer.
func (x *session) addTo(st *PeerStatus) {
	x.mu.Lock()
	defer x.mu.Unlock()
	st.Received.add(&x.rcvd)
	st.Sent.add(&x.sent)
	st.Routes.Add(&x.counts)
}

// show adds what is known of the connection.
func (x *session) show(st *PeerStatus) {
	st.LocalAddress = x.conn.LocalAddr().(*net.TCPAddr).AddrPort()
	st.RemotePort = x.conn.RemoteAddr().(*net.TCPAddr).AddrPort().Port()
	st.Incoming = x.incoming
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.got {
		return
	}
	st.AS, st.RouterID = x.open.AS, x.open.ID
	st.HoldTime, st.Keepalive = x.hold, x.alive
	st.Capabilities = capabilities(&x.open)
}

// first tells whether there has been no session with the peer yet.
func (p *peer) first() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.established == 0
}

// lost tells whether a peer did not keep forwarding since its last session:
// its new OPEN has graceful restart without the family, or without its F bit
// (RFC 4724 §4.2), or when the restart time is over, long-lived graceful
// restart so (RFC 9494 §4.2). Who never promised to forward is none the worse
// for not saying so now.
func (p *peer) lost(o *wire.Open) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.graceful:
		return false
	case p.longLived && time.Now().After(p.retained):
		return !(o.Restart.Present && o.LongLived.EVPN && o.LongLived.Forwarding)
	}
	return !(o.Restart.EVPN && o.Restart.Forwarding)
}

// retire takes what a session that has ended leaves behind.
func (p *peer) retire(x *session, why *ending, retain time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live = remove(p.live, x)
	x.mu.Lock()
	if !x.upAt.IsZero() {
		p.graceful, p.longLived = x.open.Restart.EVPN, x.open.Restart.Present && x.open.LongLived.EVPN
		p.retained = time.Now().Add(retain)
		p.countLoss(why)
	}
	p.rcvd.add(&x.rcvd)
	p.sent.add(&x.sent)
	p.counts.Add(&x.counts)
	x.mu.Unlock()
	if p.current == x {
		p.current = nil
		for _, o := range p.live {
			if !o.stopped() {
				p.current = o
			}
		}
		st := Idle
		if p.current != nil {
			st = p.current.at()
		}
		if p.state != st {
			p.state, p.since = st, time.Now()
		}
		if x.upAt.IsZero() {
			p.note(why.text)
		} else {
			p.lastError, p.lastErrorAt = why.text, time.Now() // finish logs it
		}
	}
}
