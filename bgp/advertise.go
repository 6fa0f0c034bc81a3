package bgp

import (
	"context"
	"errors"
	"time"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/evpn"
)

// advertise gives the adverts to GoBGP, and lets the sessions begin.
func (s *Speaker) advertise(ctx context.Context, hold time.Duration) {
	var late <-chan time.Time
	begin := s.begin
	if hold > 0 {
		t := time.NewTimer(hold)
		defer t.Stop()
		late = t.C
	} else {
		close(s.begun)
		begin = nil
	}
	for {
		select {
		case <-ctx.Done():
			return
		case batch := <-s.adverts:
			s.put(batch)
			continue
		case <-begin:
		case <-late:
			s.log.Warn("the sessions begin although not all routes of our own are known yet", "after", hold)
		}
		// What was sent before Begin was called is in the channel.
		for len(s.adverts) > 0 {
			s.put(<-s.adverts)
		}
		close(s.begun)
		begin, late = nil, nil
	}
}

// put announces and withdraws the routes of a batch.
func (s *Speaker) put(batch []evpn.Advert) {
	s.rib.Lock()
	defer s.rib.Unlock()
	for i := range batch {
		a := &batch[i]
		if a.Attrs == nil {
			if _, ok := s.routes[a.NLRI]; !ok {
				continue
			}
			delete(s.routes, a.NLRI)
			if err := s.server.Withdraw(&a.Route); err != nil {
				s.log.Error("route is not withdrawn", "route", a.NLRI, "err", err)
			}
			continue
		}
		if err := s.announce(a); err != nil {
			s.log.Error("route is not announced", "route", a.NLRI, "err", err)
			continue
		}
		s.routes[a.NLRI] = *a
	}
	s.standing.Store(int64(len(s.routes)))
}

// announce gives one route to GoBGP. s.rib is held.
func (s *Speaker) announce(a *evpn.Advert) error {
	if err := wire.CheckNLRI(&a.Route); err != nil {
		return err
	}
	if !a.Attrs.NextHop.IsValid() {
		return errors.New("it has no next hop")
	}
	return s.server.Announce(&a.Route, a.Attrs)
}

// announceAll gives GoBGP all routes again after it was restarted. s.rib is
// held.
func (s *Speaker) announceAll() {
	for _, a := range s.routes {
		if err := s.announce(&a); err != nil {
			s.log.Error("route is not announced", "route", a.NLRI, "err", err)
		}
	}
}
