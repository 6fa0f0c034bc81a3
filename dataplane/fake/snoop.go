package fake

import (
	"context"
	"errors"
	"slices"
	"syscall"

	"github.com/evpnd/evpnd/dataplane/hosts"
)

// maxClaims is how many claims wait for a reader before more are lost.
const maxClaims = 1 << 10

// Snoop implements dataplane.Kernel.
func (h *Handle) Snoop(ctx context.Context) (<-chan hosts.Snooped, error) {
	if err := h.fault("Snoop"); err != nil {
		return nil, err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	h.snooped = make(chan struct{}, 1)
	out := make(chan hosts.Snooped)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case <-h.snooped:
			}
			h.k.mu.Lock()
			x := hosts.Snooped{Claims: h.claims}
			h.claims = nil
			h.k.mu.Unlock()
			if len(x.Claims) == 0 {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case out <- x:
			}
		}
	}()
	return out, nil
}

// SnoopPorts implements dataplane.Kernel.
func (h *Handle) SnoopPorts(ports []int) error {
	if err := h.fault("SnoopPorts"); err != nil {
		return err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	h.ports = slices.Clone(ports)
	return nil
}

// SendProbe implements dataplane.Kernel. Answers says which probes are answered.
func (h *Handle) SendProbe(q hosts.ProbeRequest) error {
	if err := h.fault("SendProbe"); err != nil {
		return err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	l := h.k.links[q.Port]
	switch {
	case !slices.Contains(h.ports, q.Port) || l == nil:
		return errors.New("fake: the port is not snooped")
	case !l.Up:
		return syscall.ENETDOWN
	}
	h.k.probes = append(h.k.probes, q)
	if h.k.answers != nil && h.k.answers(q) {
		kind := hosts.ClaimARP
		if q.IP.Is6() {
			kind = hosts.ClaimNA
		}
		h.k.claim(l, hosts.Claim{Kind: kind, IP: q.IP, MAC: q.MAC})
	}
	return nil
}

// Claim lets the frame of a claim come in at a bridge port.
func (k *Kernel) Claim(port string, c hosts.Claim) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.claim(k.named(port), c)
}

func (k *Kernel) claim(l *link, c hosts.Claim) {
	c.Port = l.Index
	for _, h := range k.handles {
		if h.snooped == nil || !slices.Contains(h.ports, l.Index) || len(h.claims) >= maxClaims {
			continue
		}
		h.claims = append(h.claims, c)
		select {
		case h.snooped <- struct{}{}:
		default:
		}
	}
	k.frame(l, c.MAC)
}

// Answers sets which probes are answered: those for which f returns true.
func (k *Kernel) Answers(f func(hosts.ProbeRequest) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers = f
}

// Probes returns the probes since the last call.
func (k *Kernel) Probes() []hosts.ProbeRequest {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.probes
	k.probes = nil
	return out
}
