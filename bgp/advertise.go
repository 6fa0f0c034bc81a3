package bgp

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

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
			if err := s.server.withdraw(&a.Route); err != nil {
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
	switch {
	case a.Type != evpn.MACIP && a.Type != evpn.InclusiveMulticast:
		return errors.New("only types 2 and 3 are announced")
	case a.Type == evpn.InclusiveMulticast && !a.IP.IsValid():
		return errors.New("it has no originating router")
	case !a.Attrs.NextHop.IsValid():
		return errors.New("it has no next hop")
	}
	err := s.server.announce(&a.Route, a.Attrs)
	if err == nil || a.Type != evpn.MACIP {
		return err
	}
	// GoBGP takes no lower mobility sequence than another route of the MAC
	// has. That the sequence may go down is the engine's to know: the others
	// are taken out, and come back behind this one.
	var others []evpn.Advert
	for nlri, o := range s.routes {
		if nlri.MAC != a.MAC {
			continue
		}
		if err := s.server.withdraw(&o.Route); err != nil {
			return err
		}
		if nlri != a.NLRI {
			others = append(others, o)
		}
	}
	slices.SortFunc(others, func(x, y evpn.Advert) int { return cmp.Compare(x.Attrs.Mobility.Seq, y.Attrs.Mobility.Seq) })
	err = s.server.announce(&a.Route, a.Attrs)
	for i := range others {
		if oerr := s.server.announce(&others[i].Route, others[i].Attrs); oerr != nil && err == nil {
			err = oerr
		}
	}
	return err
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
