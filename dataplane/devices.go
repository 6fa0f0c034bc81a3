package dataplane

import (
	"errors"
	"fmt"

	"github.com/evpnd/evpnd/dataplane/topology"
)

// declare makes what is declared and missing, and removes what evpnd made and
// is declared no more. Each step is tried once in a sync. It returns the view
// of the devices as they are then.
func (s *syncer) declare(view *topology.View) (*topology.View, error) {
	done := make(map[topology.StepKey]bool)
	failed := make(map[problemKey]topology.Problem)
	for {
		steps, problems := topology.Plan(view, &s.cfg.Topology)
		taken := false
		for i := range steps {
			x := &steps[i]
			if done[x.Key()] || failed[stepKey(x)].Text != "" {
				continue
			}
			done[x.Key()], taken = true, true
			if err := s.take(x); err != nil {
				failed[stepKey(x)] = stepProblem(x, err)
			}
		}
		if !taken {
			for _, t := range problems {
				failed[keyOf(&t)] = t
			}
			s.setDeclareProblems(failed)
			return view, nil
		}
		var err error
		if view, err = s.readView(); err != nil {
			return nil, err
		}
	}
}

// take takes one step.
func (s *syncer) take(x *topology.Step) error {
	l := &x.Link
	switch x.Action {
	case topology.MakeBridge:
		return s.made(x, "made a bridge", s.k.MakeBridge(*l))
	case topology.MakeVXLAN:
		return s.made(x, "made a VXLAN device", s.k.MakeVXLAN(*l))
	case topology.Remove:
		err := s.k.Remove(l.Index)
		if err == nil {
			s.bds.gone[l.Index] = true
		}
		if x.Undeclared {
			return s.made(x, "removed a device that is declared no more", err)
		}
		return err
	case topology.SetUp:
		return s.k.SetUp(l.Index)
	case topology.SetMaster:
		return s.k.SetMaster(l.Index, l.Master)
	case topology.SetMTU:
		return s.k.SetMTU(l.Index, l.MTU)
	}
	return errors.ErrUnsupported
}

// made logs a step that was taken without an error, and returns the error.
func (s *syncer) made(x *topology.Step, what string, err error) error {
	if err == nil {
		s.log.Info(what, "vni", x.VNI, "device", x.Link.Name)
	}
	return err
}

// stepKey names the problem that there is when a step fails: one for each
// declared VNI, whose later steps need the earlier ones, and one for each device
// that is to go.
func stepKey(s *topology.Step) problemKey {
	k := problemKey{kind: topology.NotMade, vni: s.VNI}
	if s.Undeclared {
		k.device = s.Link.Name
	}
	return k
}

func stepProblem(s *topology.Step, err error) topology.Problem {
	k := stepKey(s)
	text := fmt.Sprintf("declared VNI %d: cannot %s: %s", s.VNI, s, advice(err))
	if s.Undeclared {
		text = fmt.Sprintf("cannot %s, which was made for VNI %d: %s", s, s.VNI, advice(err))
	}
	return topology.Problem{Kind: k.kind, VNI: k.vni, Device: k.device, Text: text}
}

// setDeclareProblems replaces the problems of declared devices. What failed is
// tried again after a pause.
func (s *syncer) setDeclareProblems(now map[problemKey]topology.Problem) {
	s.problems.clearWhere(func(k problemKey) bool {
		_, stands := now[k]
		return k.kind == topology.NotMade && !stands
	})
	for k, t := range now {
		s.problems.set(t)
		if k.device == "" {
			s.soon(pauseMost)
		}
	}
}
