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

// Package hosts decides what local hosts say and which are probed. Here claims
// find their broadcast domains, and probes their way out.

// snoop takes over what hosts said at the ports of bridges.
func (p *Plane) snoop(x *hosts.Snooped) {
	p.stats.Claims += uint64(len(x.Claims))
	p.stats.Ignored += uint64(x.Ignored)
	now := time.Now()
	for i := range x.Claims {
		c := &x.Claims[i]
		l := p.topo.Link(c.Port)
		if l == nil || l.VXLAN != nil || c.MAC == l.MAC || p.topo.Has(c.IP) {
			continue
		}
		for _, d := range p.index.In(l.Master, 0) {
			if d.fdb.Foreign(c.MAC)&entries.OwnAddress == 0 && d.local.Snoop(c, now) {
				bound, _ := d.local.Broken(now)
				p.log.Warn("hosts claim too many addresses; the rest is not announced", "vni", d.vni, "bound", p.boundText(bound))
			}
		}
	}
}

// boundText says which bound claims broke.
func (p *Plane) boundText(b hosts.Bound) string {
	switch {
	case !b.MAC.IsZero():
		return fmt.Sprintf("MAC %s on port %s claims more than %d addresses", b.MAC, p.portName(b.Port), b.Max)
	case b.Port != 0:
		return fmt.Sprintf("hosts on port %s claim more than %d addresses", p.portName(b.Port), b.Max)
	}
	return fmt.Sprintf("hosts claim more than %d addresses", b.Max)
}

// queueProbes takes over the probes that the engine wants.
func (p *Plane) queueProbes(probes []evpn.Probe) {
	now := time.Now()
	for i := range probes {
		if d := p.domains[probes[i].VNI]; d != nil {
			d.local.QueueProbe(&probes[i], now)
		}
	}
}

// sendProbes sends the probes that are due.
func (p *Plane) sendProbes(now time.Time) {
	p.probes = p.hosts.Due(p.probes[:0], now)
	for i := range p.probes {
		q := &p.probes[i]
		l := p.topo.Link(q.Port)
		if l == nil {
			continue // the loss of its MACs is told in a moment
		}
		q.From = l.MAC
		if err := p.k.SendProbe(q.ProbeRequest); err != nil {
			p.log.Debug("cannot ask a host whether it is there; trying again", "vni", q.VNI, "mac", q.MAC, "ip", q.IP, "err", err)
			p.hosts.Unsent(q)
		}
	}
}

// snoopPorts has the local ports of the served VNIs snooped, as the
// configuration has it.
func (p *Plane) snoopPorts() {
	p.hosts.SetProbeRate(p.cfg.Hosts.ProbeRate)
	for _, d := range p.sorted() {
		if br := p.topo.Link(d.at.Bridge); br != nil {
			d.local.Configure(p.cfg.hosts(d.vni), br.Ageing)
		}
	}
	// A port that is down is snooped from the moment it comes up: many a host
	// announces itself then, and never again.
	var ports []int
	for _, l := range p.topo.Links() {
		if l.VXLAN == nil && slices.ContainsFunc(p.index.OnBridge(l.Master), func(d *domain) bool { return d.local.Snooping() }) {
			ports = append(ports, l.Index)
		}
	}
	if p.snoopOff {
		return
	}
	if err := p.k.SnoopPorts(ports); err != nil {
		p.setTrouble(topology.Problem{Kind: ProblemHosts, Text: fmt.Sprintf(
			"cannot listen for ARP and ND on all local ports: %s; it is tried again", snoopAdvice(err))})
		p.syncSoon(holdMost)
		return
	}
	p.clearTrouble(ProblemHosts, 0, "")
}

// cannotSnoop records that nothing can be snooped at all.
func (p *Plane) cannotSnoop(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.snoopOff = true
	p.setTrouble(topology.Problem{Kind: ProblemHosts, Text: "cannot listen for ARP and ND on local ports: " + snoopAdvice(err)})
}

func snoopAdvice(err error) string {
	if errors.Is(err, syscall.EPERM) {
		return fmt.Sprintf("%v: evpnd needs CAP_NET_RAW in this network namespace", err)
	}
	return err.Error()
}
