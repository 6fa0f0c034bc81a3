package topology

import (
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// Index tells which broadcast domains a kernel entry is of. T is what its user
// has for a broadcast domain. The zero value is empty.
//
// An entry of a VXLAN device's own table is of one. An entry of a bridge or of
// an SVI can be of several: two VXLAN devices with different VNIs may be ports
// of one bridge that does not filter VLANs.
type Index[T any] struct {
	device map[deviceKey][]T
	vlan   map[vlanKey][]T
	bridge map[int][]T
	svi    map[int][]T
}

type deviceKey struct {
	device int
	srcVNI evpn.VNI
}

type vlanKey struct {
	bridge int
	vlan   uint16
}

// Add adds a broadcast domain. Of returns them in the order they were added.
func (x *Index[T]) Add(a Attachment, bd T) {
	if x.device == nil {
		x.device, x.vlan = make(map[deviceKey][]T), make(map[vlanKey][]T)
		x.bridge, x.svi = make(map[int][]T), make(map[int][]T)
	}
	device, vlan := deviceKey{a.VXLAN, a.SrcVNI}, vlanKey{a.Bridge, a.VLAN}
	x.device[device] = append(x.device[device], bd)
	x.vlan[vlan] = append(x.vlan[vlan], bd)
	x.bridge[a.Bridge] = append(x.bridge[a.Bridge], bd)
	x.svi[a.SVI] = append(x.svi[a.SVI], bd)
}

// Of returns the broadcast domains that an entry is of, those with
// [Attachment.Table] other than NoTable.
func (x *Index[T]) Of(e *kernel.Entry) []T {
	switch {
	case e.Family != kernel.Bridge:
		return x.svi[e.Ifindex]
	case e.Bridge == 0:
		return x.device[deviceKey{e.Ifindex, e.SrcVNI}]
	}
	return x.In(e.Bridge, e.VLAN)
}

// In returns the broadcast domains of frames in a bridge, tagged with a VLAN or
// without one (0).
func (x *Index[T]) In(bridge int, vlan uint16) []T {
	if bds := x.vlan[vlanKey{bridge, vlan}]; len(bds) > 0 {
		return bds
	}
	return x.vlan[vlanKey{bridge, 0}]
}

// OnBridge returns the broadcast domains that have a bridge, whatever VLAN.
func (x *Index[T]) OnBridge(bridge int) []T { return x.bridge[bridge] }

// Len returns how many keys there are.
func (x *Index[T]) Len() int { return len(x.device) + len(x.vlan) + len(x.bridge) + len(x.svi) }
