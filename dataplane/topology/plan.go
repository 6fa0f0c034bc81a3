package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// aliasPrefix marks the devices that evpnd made: the kernel keeps a device's
// alias (IFLA_IFALIAS) as long as the device, so a restarted evpnd knows its
// own.
const aliasPrefix = "evpnd: made for VNI "

// Alias returns the alias of the devices that are made for a VNI.
func Alias(vni evpn.VNI) string { return aliasPrefix + vni.String() }

func made(l *kernel.Link) bool { return strings.HasPrefix(l.Alias, aliasPrefix) }

// Action is what a Step does.
type Action uint8

// The actions.
const (
	MakeBridge Action = iota + 1
	MakeVXLAN
	Remove
	SetUp
	SetMaster
	SetMTU
)

// Step is one change of a device. Steps are comparable but for what Link points
// to; Key tells them apart.
type Step struct {
	Action Action
	VNI    evpn.VNI // for which it is taken
	// Link is the device as it is to be: with MakeBridge and MakeVXLAN all of
	// it but the index, with Remove as it is.
	Link kernel.Link
	// Bridge is the name of the bridge with SetMaster.
	Bridge string
	// Undeclared tells that the device was made for a VNI, or under a name,
	// that is declared no more.
	Undeclared bool
}

// StepKey names a Step.
type StepKey struct {
	Action Action
	VNI    evpn.VNI
	Device string
}

// Key returns the step's name.
func (s *Step) Key() StepKey { return StepKey{s.Action, s.VNI, s.Link.Name} }

// String says what the step does, as in "make bridge br200".
func (s *Step) String() string {
	switch name := s.Link.Name; s.Action {
	case MakeBridge:
		return "make bridge " + name
	case MakeVXLAN:
		return "make VXLAN device " + name
	case Remove:
		return "remove device " + name
	case SetUp:
		return "bring device " + name + " up"
	case SetMaster:
		return "make " + name + " a port of bridge " + s.Bridge
	case SetMTU:
		return fmt.Sprintf("set the MTU of %s to %d", name, s.Link.MTU)
	}
	return fmt.Sprintf("Action(%d)", s.Action)
}

// Plan returns the steps that can be taken now towards what is declared, and
// what stands in the way. When they are taken there may be more: a bridge must
// be there before it has ports. It plans nothing where all is as declared.
func Plan(v *View, cfg *Config) (steps []Step, problems []Problem) {
	p := planner{View: v}
	p.removeUndeclared(cfg)
	for i := range cfg.Declared {
		p.declare(&cfg.Declared[i])
	}
	return p.steps, p.problems
}

// Planned returns the view that there would be if all steps of Plan were taken,
// to the last. The devices that would be made have negative indexes.
func Planned(v *View, cfg *Config) *View {
	done := make(map[StepKey]bool)
	for {
		steps, _ := Plan(v, cfg)
		steps = slices.DeleteFunc(steps, func(s Step) bool { return done[s.Key()] })
		if len(steps) == 0 {
			return v
		}
		links := maps.Clone(v.links)
		for i := range steps {
			steps[i].take(links)
			done[steps[i].Key()] = true
		}
		v = newView(links, v.addrs)
	}
}

// take does a step among links, of which it changes none in place.
func (s *Step) take(links map[int]*kernel.Link) {
	l := s.Link
	switch s.Action {
	case Remove:
		delete(links, l.Index)
		return
	case MakeBridge, MakeVXLAN:
		for l.Index = -1; links[l.Index] != nil; l.Index-- {
		}
	case SetUp, SetMaster, SetMTU:
		// Another step of the same plan may have changed the device too.
		l = *links[l.Index]
		switch s.Action {
		case SetUp:
			l.Up = true
		case SetMaster:
			l.Master = s.Link.Master
		default:
			l.MTU = s.Link.MTU
		}
	}
	links[l.Index] = &l
}

type planner struct {
	*View
	steps    []Step
	problems []Problem
}

func (p *planner) step(a Action, vni evpn.VNI, l kernel.Link) {
	p.steps = append(p.steps, Step{Action: a, VNI: vni, Link: l})
}

// removeUndeclared plans to remove the devices that were made for VNIs or under
// names that are declared no more. A bridge that has other ports by now stays;
// one that has such a VXLAN device is removed after that.
func (p *planner) removeUndeclared(cfg *Config) {
	type device struct{ name, alias string }
	declared := make(map[device]bool)
	for _, d := range cfg.Declared {
		declared[device{d.Bridge, Alias(d.VNI)}] = true
		declared[device{d.Device, Alias(d.VNI)}] = true
	}
	undeclared := func(l *kernel.Link) bool { return made(l) && !declared[device{l.Name, l.Alias}] }
	for _, l := range p.Links() {
		if !undeclared(l) {
			continue
		}
		vni, _ := evpn.ParseVNI(strings.TrimPrefix(l.Alias, aliasPrefix))
		ports := p.Ports(l.Index)
		stays := slices.ContainsFunc(ports, func(port *kernel.Link) bool { return port.VXLAN == nil || !undeclared(port) })
		switch {
		case len(ports) == 0:
			p.steps = append(p.steps, Step{Action: Remove, VNI: vni, Link: *l, Undeclared: true})
		case stays:
			p.problems = append(p.problems, Problem{Kind: NotMade, VNI: vni, Device: l.Name, Text: fmt.Sprintf(
				"bridge %s was made for VNI %d, which is declared no more, but it has other ports: ip link del %s when they are gone", l.Name, vni, l.Name)})
		}
	}
}

// declare plans what is missing of one declared VNI.
func (p *planner) declare(d *Declared) {
	mtu := d.MTU
	if mtu == 0 {
		mtu = max(0, p.innerMTU(d.Local, 0))
	}
	br := p.Named(d.Bridge)
	switch {
	case br == nil:
		p.step(MakeBridge, d.VNI, kernel.Link{Name: d.Bridge, Kind: "bridge", Alias: Alias(d.VNI), MTU: mtu})
		return
	case br.Kind != "bridge":
		p.problem(d, "device %s is there and is no bridge: declare another name", d.Bridge)
		return
	}
	if !p.declareDevice(d, br, mtu) {
		return
	}
	for _, l := range []*kernel.Link{br, p.Named(d.Device)} {
		if l != nil && !l.Up && l.Alias == Alias(d.VNI) {
			p.step(SetUp, d.VNI, *l)
		}
	}
	for _, name := range d.Ports {
		switch l := p.Named(name); {
		case l == nil || l.Master == br.Index:
		case l.Master != 0:
			p.problem(d, "device %s is to be a port of bridge %s and is one of another already", name, br.Name)
		default:
			p.enslave(d, l, br)
		}
	}
}

// declareDevice plans what is missing of the VXLAN device, and tells whether it
// can be the one.
func (p *planner) declareDevice(d *Declared, br *kernel.Link, mtu int) bool {
	l := p.Named(d.Device)
	ours := l != nil && l.Alias == Alias(d.VNI) && l.VXLAN != nil
	anew := ours && (l.VXLAN.Local != d.Local || l.VXLAN.Port != d.Port || l.VXLAN.VNI != d.VNI)
	switch {
	case l == nil || anew:
		if anew {
			p.step(Remove, d.VNI, *l)
		}
		p.step(MakeVXLAN, d.VNI, kernel.Link{
			Name: d.Device, Kind: "vxlan", Alias: Alias(d.VNI), MTU: mtu, Master: br.Index,
			VXLAN: &kernel.VXLAN{VNI: d.VNI, Local: d.Local, Port: d.Port},
		})
		return !anew // the old one is still in the view
	case l.VXLAN == nil || l.VXLAN.VNI != d.VNI:
		p.problem(d, "device %s is there and is no VXLAN device with this VNI: declare another name, or remove it", d.Device)
		return false
	}
	if ours && mtu != 0 && l.MTU != mtu {
		sized := *l
		sized.MTU = mtu
		p.step(SetMTU, d.VNI, sized)
	}
	if l.Master == 0 {
		p.enslave(d, l, br)
	}
	return true
}

func (p *planner) enslave(d *Declared, l, br *kernel.Link) {
	port := *l
	port.Master = br.Index
	p.steps = append(p.steps, Step{Action: SetMaster, VNI: d.VNI, Link: port, Bridge: br.Name})
}

func (p *planner) problem(d *Declared, format string, args ...any) {
	p.problems = append(p.problems, Problem{
		Kind: NotMade, VNI: d.VNI, Text: fmt.Sprintf("declared VNI %d: ", d.VNI) + fmt.Sprintf(format, args...),
	})
}
