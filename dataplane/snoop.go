package dataplane

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// snooper has claims of local hosts find their broadcast domains, and probes
// their way out. Package hosts decides what follows from claims, and which hosts
// are probed.
type snooper struct {
	*env
	cfg      *Config
	syncSoon func(pause time.Duration)
	off      bool // nothing can be snooped
	probes   []hosts.Probe
}

// take takes over what hosts said at the ports of bridges.
func (s *snooper) take(x *hosts.Snooped) {
	s.counters.Claims += uint64(len(x.Claims))
	s.counters.Ignored += uint64(x.Ignored)
	now := time.Now()
	for i := range x.Claims {
		c := &x.Claims[i]
		l := s.bds.topo.Link(c.Port)
		if l == nil || l.VXLAN != nil || c.MAC == l.MAC || s.bds.topo.Has(c.IP) {
			continue
		}
		for _, d := range s.bds.index.In(l.Master, c.VLAN) {
			if d.fdb.Foreign(c.MAC)&entries.OwnAddress == 0 && d.local.Snoop(c, now) {
				bound, _ := d.local.Broken(now)
				s.log.Warn("hosts claim too many addresses; the rest is not announced", "vni", d.vni, "bound", s.boundText(bound))
			}
		}
	}
}

// boundText says which bound claims broke.
func (s *snooper) boundText(b hosts.Bound) string {
	switch {
	case !b.MAC.IsZero():
		return fmt.Sprintf("MAC %s on port %s claims more than %d addresses", b.MAC, s.bds.portName(b.Port), b.Max)
	case b.Port != 0:
		return fmt.Sprintf("hosts on port %s claim more than %d addresses", s.bds.portName(b.Port), b.Max)
	}
	return fmt.Sprintf("hosts claim more than %d addresses", b.Max)
}

// queueProbes takes over the probes that the engine wants.
func (s *snooper) queueProbes(probes []evpn.Probe) {
	now := time.Now()
	for i := range probes {
		if d := s.bds.all[probes[i].VNI]; d != nil {
			d.local.QueueProbe(&probes[i], now)
		}
	}
}

// sendProbes sends the probes that are due.
func (s *snooper) sendProbes(now time.Time) {
	s.probes = s.bds.hosts.Due(s.probes[:0], now)
	for i := range s.probes {
		q := &s.probes[i]
		l := s.bds.topo.Link(q.Port)
		if l == nil {
			continue // the loss of its MACs is told in a moment
		}
		q.From = l.MAC
		if err := s.k.SendProbe(q.ProbeRequest); err != nil {
			s.log.Debug("cannot ask a host whether it is there; trying again", "vni", q.VNI, "mac", q.MAC, "ip", q.IP, "err", err)
			s.bds.hosts.Unsent(q)
		}
	}
}

// listen has the local ports of the served VNIs snooped, as the
// configuration has it.
func (s *snooper) listen() {
	s.bds.hosts.SetProbeRate(s.cfg.Hosts.ProbeRate)
	for _, d := range s.bds.sorted() {
		if d.attached() {
			d.local.Configure(s.cfg.hosts(d.vni), s.bds.topo.Ageing(d.at))
		}
	}
	// A port that is down is snooped from the moment it comes up: many a host
	// announces itself then, and never again.
	var ports []int
	for _, l := range s.bds.topo.Links() {
		if l.VXLAN == nil && slices.ContainsFunc(s.bds.index.OnBridge(l.Master), func(d *bdState) bool { return d.local.Snooping() }) {
			ports = append(ports, l.Index)
		}
	}
	if s.off {
		return
	}
	if err := s.k.SnoopPorts(ports); err != nil {
		s.problems.set(topology.Problem{Kind: ProblemHosts, Text: fmt.Sprintf(
			"cannot listen for ARP and ND on all local ports: %s; it is tried again", snoopAdvice(err))})
		s.syncSoon(pauseMost)
		return
	}
	s.problems.clear(ProblemHosts, 0, "")
}

// cannot records that nothing can be snooped at all.
func (s *snooper) cannot(err error) {
	s.off = true
	s.problems.set(topology.Problem{Kind: ProblemHosts, Text: "cannot listen for ARP and ND on local ports: " + snoopAdvice(err)})
}

func snoopAdvice(err error) string {
	if errors.Is(err, syscall.EPERM) {
		return fmt.Sprintf("%v: evpnd needs CAP_NET_RAW in this network namespace", err)
	}
	return err.Error()
}
