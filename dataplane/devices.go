package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/evpnd/evpnd/dataplane/topology"
)

// declare makes what is declared and missing, and removes what evpnd made and
// is declared no more. Each step is tried once in a sync. It returns the view
// of the devices as they are then.
func (p *Plane) declare(view *topology.View) (*topology.View, error) {
	done := make(map[topology.StepKey]bool)
	failed := make(map[troubleKey]topology.Problem)
	for {
		steps, problems := topology.Plan(view, &p.cfg.Topology)
		taken := false
		for i := range steps {
			s := &steps[i]
			if done[s.Key()] || failed[troubleOf(s)].Text != "" {
				continue
			}
			done[s.Key()], taken = true, true
			if err := p.take(s); err != nil {
				failed[troubleOf(s)] = stepProblem(s, err)
			}
		}
		if !taken {
			for _, t := range problems {
				failed[troubleKey{t.Kind, t.VNI, t.Device}] = t
			}
			p.setDeclareTroubles(failed)
			return view, nil
		}
		var err error
		if view, err = p.readView(); err != nil {
			return nil, err
		}
	}
}

// take takes one step.
func (p *Plane) take(s *topology.Step) error {
	l := &s.Link
	switch s.Action {
	case topology.MakeBridge:
		return p.made(s, "made a bridge", p.k.MakeBridge(*l))
	case topology.MakeVXLAN:
		return p.made(s, "made a VXLAN device", p.k.MakeVXLAN(*l))
	case topology.Remove:
		p.gone[l.Index] = true
		err := p.k.Remove(l.Index)
		if s.Undeclared {
			return p.made(s, "removed a device that is declared no more", err)
		}
		return err
	case topology.SetUp:
		return p.k.SetUp(l.Index)
	case topology.SetMaster:
		return p.k.SetMaster(l.Index, l.Master)
	case topology.SetMTU:
		return p.k.SetMTU(l.Index, l.MTU)
	}
	return errors.ErrUnsupported
}

// made logs a step that was taken without an error, and returns the error.
func (p *Plane) made(s *topology.Step, what string, err error) error {
	if err == nil {
		p.log.Info(what, "vni", s.VNI, "device", s.Link.Name)
	}
	return err
}

// troubleOf names the problem that there is when a step fails: one for each
// declared VNI, whose later steps need the earlier ones, and one for each device
// that is to go.
func troubleOf(s *topology.Step) troubleKey {
	k := troubleKey{kind: topology.NotMade, vni: s.VNI}
	if s.Undeclared {
		k.device = s.Link.Name
	}
	return k
}

func stepProblem(s *topology.Step, err error) topology.Problem {
	k := troubleOf(s)
	text := fmt.Sprintf("declared VNI %d: cannot %s: %s", s.VNI, s, advice(err))
	if s.Undeclared {
		text = fmt.Sprintf("cannot %s, which was made for VNI %d: %s", s, s.VNI, advice(err))
	}
	return topology.Problem{Kind: k.kind, VNI: k.vni, Device: k.device, Text: text}
}

// setDeclareTroubles replaces the problems of declared devices. What failed is
// tried again after a pause.
func (p *Plane) setDeclareTroubles(now map[troubleKey]topology.Problem) {
	maps.DeleteFunc(p.trouble, func(k troubleKey, _ topology.Problem) bool {
		_, stands := now[k]
		return k.kind == topology.NotMade && !stands
	})
	for k, t := range now {
		p.setTrouble(t)
		if k.device == "" {
			p.syncSoon(holdMost)
		}
	}
}

// mendTries is how often the flags of a device are set that look wrong again
// at once, before it is left alone until holdMost has passed: an old kernel
// may not have them, or somebody else sets them as fast as we do.
const mendTries = 3

// mend sets the flags that each attached VXLAN device and its bridge port must
// have.
func (p *Plane) mend() {
	p.forgetMended()
	for _, d := range p.sorted() {
		dev := p.topo.Attached[d.vni]
		if dev == nil {
			continue
		}
		port, learning := p.topo.WrongFlags(dev)
		if !port && !learning {
			delete(p.mends, dev.Ifindex)
			p.clearTrouble(ProblemFlags, dev.VNI, dev.Name)
			continue
		}
		p.mendOne(dev, port, learning)
	}
}

// forgetMended drops what is remembered of devices that are gone, or have no
// broadcast domain any more, or have another name.
func (p *Plane) forgetMended() {
	gone := func(ifindex int) bool { return p.topo.Link(ifindex) == nil }
	maps.DeleteFunc(p.mends, func(i int, _ mending) bool { return gone(i) })
	maps.DeleteFunc(p.told, func(i int, _ bool) bool { return gone(i) })
	maps.DeleteFunc(p.trouble, func(k troubleKey, _ topology.Problem) bool {
		dev := p.topo.Attached[k.vni]
		return k.kind == ProblemFlags && (dev == nil || dev.Name != k.device)
	})
}

func (p *Plane) mendOne(dev *topology.Device, port, learning bool) {
	var err error
	m := p.mends[dev.Ifindex]
	now := time.Now()
	switch {
	case m.tries >= mendTries && now.Sub(m.last) < holdMost:
		err = errors.New("they are set and look wrong again at once: see who else sets them")
	case port:
		err = p.k.SetPort(dev.Ifindex, false, true)
	}
	if learning && err == nil {
		err = p.k.SetVXLANLearning(dev.Ifindex, false)
	}
	if err != nil {
		p.setTrouble(topology.Problem{
			Kind: ProblemFlags, VNI: dev.VNI, Device: dev.Name,
			Text: fmt.Sprintf("cannot set `learning off neigh_suppress on` and `nolearning` on device %s: %s", dev.Name, advice(err)),
		})
		p.syncSoon(holdMost)
		return
	}
	p.stats.Mended++
	if m.tries++; m.tries > mendTries {
		m.tries = 1
	}
	m.last = now
	p.mends[dev.Ifindex] = m
	if !p.told[dev.Ifindex] {
		p.told[dev.Ifindex] = true
		p.log.Info("set bridge port to learning off and neigh_suppress on, and the device to nolearning", "vni", dev.VNI, "device", dev.Name)
	}
}
