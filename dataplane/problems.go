package dataplane

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"syscall"

	"github.com/evpnd/evpnd/dataplane/entries"
	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// The kinds of problems that are not of a device's place: what does not work.
const (
	ProblemHosts topology.ProblemKind = "hosts"
	ProblemFlags topology.ProblemKind = "flags"
	ProblemEntry topology.ProblemKind = "entry"
	ProblemWrite topology.ProblemKind = "write"
	ProblemRead  topology.ProblemKind = "read"
)

// problems are those that stand, but for what is wrong with single entries.
type problems struct {
	log *slog.Logger
	all map[problemKey]topology.Problem
}

type problemKey struct {
	kind   topology.ProblemKind
	vni    evpn.VNI
	device string
}

func keyOf(x *topology.Problem) problemKey { return problemKey{x.Kind, x.VNI, x.Device} }

// set records a problem and returns whether it is new.
func (p *problems) set(x topology.Problem) bool {
	old, ok := p.all[keyOf(&x)]
	p.all[keyOf(&x)] = x
	if (!ok || old.Text != x.Text) && x.Kind != ProblemRead && x.Kind != ProblemWrite {
		p.log.Warn(x.Text, "vni", x.VNI, "device", x.Device)
	}
	return !ok
}

// clear records that a problem is gone.
func (p *problems) clear(kind topology.ProblemKind, vni evpn.VNI, device string) {
	delete(p.all, problemKey{kind, vni, device})
}

// clearWhere records that the problems are gone of which gone says so.
func (p *problems) clearWhere(gone func(problemKey) bool) {
	maps.DeleteFunc(p.all, func(k problemKey, _ topology.Problem) bool { return gone(k) })
}

// sorted returns the problems in a stable order.
func (p *problems) sorted() []topology.Problem {
	return slices.SortedFunc(maps.Values(p.all), func(a, b topology.Problem) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.VNI, b.VNI), cmp.Compare(a.Device, b.Device))
	})
}

// advice says what an error means and what to do.
func advice(err error) string {
	var foreign entries.ForeignError
	switch {
	case errors.As(err, &foreign) && foreign.By&entries.OwnAddress != 0:
		return fmt.Sprintf("%v: another node announces it as well; give one of the two another address", err)
	case errors.As(err, &foreign) && foreign.By == entries.StaticNeighbor:
		return fmt.Sprintf("%v: remove that one (ip neigh del)", err)
	case errors.As(err, &foreign):
		return fmt.Sprintf("%v: remove that one (bridge fdb del) or have it announced nowhere else", err)
	case errors.Is(err, syscall.EPERM):
		return fmt.Sprintf("%v: evpnd needs CAP_NET_ADMIN in this network namespace", err)
	case errors.Is(err, syscall.ENOBUFS), errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ENOSPC):
		return fmt.Sprintf("%v: the kernel is short of memory, or a table is full (net.ipv4.neigh.default.gc_thresh3, bridge fdb_max_learned)", err)
	case errors.Is(err, syscall.ENODEV):
		return fmt.Sprintf("%v: the device went away; it is written when it is back", err)
	case errors.Is(err, syscall.EAFNOSUPPORT), errors.Is(err, syscall.EINVAL):
		return fmt.Sprintf("%v: the device may be of the other IP version than the remote address", err)
	case errors.Is(err, syscall.EEXIST):
		return fmt.Sprintf("%v: something else holds this entry; see bridge fdb show", err)
	}
	return err.Error()
}
