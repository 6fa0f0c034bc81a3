package fake

import (
	"context"
	"errors"
	"slices"
	"syscall"

	"github.com/evpnd/evpnd/dataplane/hosts"
)

// heardMost is how many claims wait for a reader before more are lost.
const heardMost = 1 << 10

// Snoop implements dataplane.Kernel.
func (h *Handle) Snoop(ctx context.Context) (<-chan hosts.Snooped, error) {
	if err := h.fault("Hear"); err != nil {
		return nil, err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	h.spoken = make(chan struct{}, 1)
	out := make(chan hosts.Snooped)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case <-h.spoken:
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
	if err := h.fault("Listen"); err != nil {
		return err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	h.ports = slices.Clone(ports)
	return nil
}

// SendProbe implements dataplane.Kernel. Only a host that Answers was told of
// answers.
func (h *Handle) SendProbe(q hosts.ProbeRequest) error {
	if err := h.fault("Ask"); err != nil {
		return err
	}
	h.k.mu.Lock()
	defer h.k.mu.Unlock()
	l := h.k.links[q.Port]
	switch {
	case !slices.Contains(h.ports, q.Port) || l == nil:
		return errors.New("fake: the port is not listened on")
	case !l.Up:
		return syscall.ENETDOWN
	}
	h.k.asked = append(h.k.asked, q)
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
		if h.spoken == nil || !slices.Contains(h.ports, l.Index) || len(h.claims) >= heardMost {
			continue
		}
		h.claims = append(h.claims, c)
		select {
		case h.spoken <- struct{}{}:
		default:
		}
	}
	k.frame(l, c.MAC)
}

// Answers sets which questions are answered.
func (k *Kernel) Answers(f func(hosts.ProbeRequest) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.answers = f
}

// Asked returns the questions since the last call.
func (k *Kernel) Asked() []hosts.ProbeRequest {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := k.asked
	k.asked = nil
	return out
}
