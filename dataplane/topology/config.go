package topology

import (
	"fmt"
	"net/netip"
	"path"
	"slices"

	"github.com/evpnd/evpnd/evpn"
)

// Config says which broadcast domains are served and which devices are made. It
// has no defaults: whoever fills it in has them. It must not be changed once
// handed over.
type Config struct {
	// Select restricts the VNIs that are served. Empty serves every VXLAN
	// device with a VNI that is a port of a bridge.
	Select Select
	// VTEP is the local address of VXLAN devices that have none of their own.
	// It may be invalid when every device has one.
	VTEP netip.Addr
	// Declared are the VNIs for which bridge and VXLAN device are made.
	Declared []Declared
}

// Select names VNIs by number and by device. A VNI that any part names is
// selected; declared VNIs always are.
type Select struct {
	Ranges  []Range
	Devices []string // names or shell globs (path.Match)
}

// Range is the VNIs from First to Last, both included.
type Range struct{ First, Last evpn.VNI }

// Declared is a VNI whose bridge and VXLAN device are made where they are
// missing, and removed when it is declared no more. Only what was made is
// removed, which is known by the device's alias. All fields but MTU and Ports
// must be set.
type Declared struct {
	VNI    evpn.VNI
	Bridge string     // name of the bridge
	Device string     // name of the VXLAN device
	Local  netip.Addr // local address of the VXLAN device
	Port   uint16     // UDP port
	MTU    int        // of both devices; 0: what the underlay leaves room for
	Ports  []string   // devices that become ports of the bridge as they appear
}

// DefaultPort is the VXLAN port that IANA assigned (RFC 7348 §5). The
// kernel's own default is another.
const DefaultPort = 4789

// maxDeviceName is IFNAMSIZ without the final zero.
const maxDeviceName = 15

// Validate returns the first thing that is wrong with c.
func (c *Config) Validate() error {
	for _, r := range c.Select.Ranges {
		if !r.First.Valid() || !r.Last.Valid() || r.First > r.Last {
			return fmt.Errorf("VNI range %d-%d: want two numbers from 1 to %d, the smaller first", r.First, r.Last, evpn.MaxVNI)
		}
	}
	for _, d := range c.Select.Devices {
		if _, err := path.Match(d, ""); err != nil {
			return fmt.Errorf("device name %q: %w", d, err)
		}
	}
	seen := make(map[evpn.VNI]bool)
	names := make(map[string]evpn.VNI)
	for i := range c.Declared {
		d := &c.Declared[i]
		if seen[d.VNI] {
			return fmt.Errorf("VNI %d is declared twice", d.VNI)
		}
		if err := d.validate(); err != nil {
			return err
		}
		if other, ok := names[d.Device]; ok || d.Device == d.Bridge {
			return fmt.Errorf("declared VNI %d: device name %q is used twice (VNI %d)", d.VNI, d.Device, other)
		}
		names[d.Device], seen[d.VNI] = d.VNI, true
	}
	return nil
}

func (d *Declared) validate() error {
	switch {
	case !d.VNI.Valid():
		return fmt.Errorf("declared VNI %d: want a number from 1 to %d", d.VNI, evpn.MaxVNI)
	case !d.Local.IsValid():
		return fmt.Errorf("declared VNI %d has no local address: set one for it, or the VTEP address for all", d.VNI)
	case d.Port == 0:
		return fmt.Errorf("declared VNI %d has no UDP port: the one of VXLAN is %d", d.VNI, DefaultPort)
	}
	for _, name := range []string{d.Bridge, d.Device} {
		if name == "" {
			return fmt.Errorf("declared VNI %d: bridge and VXLAN device need a name each", d.VNI)
		}
		if len(name) > maxDeviceName {
			return fmt.Errorf("declared VNI %d: device name %q is longer than %d characters", d.VNI, name, maxDeviceName)
		}
	}
	return nil
}

// selects tells whether the VXLAN device of that name with that VNI is to be
// served.
func (c *Config) selects(device string, vni evpn.VNI) bool {
	s := &c.Select
	if len(s.Ranges)+len(s.Devices) == 0 {
		return true
	}
	for _, r := range s.Ranges {
		if r.First <= vni && vni <= r.Last {
			return true
		}
	}
	for _, d := range s.Devices {
		if ok, err := path.Match(d, device); ok && err == nil {
			return true
		}
	}
	return slices.ContainsFunc(c.Declared, func(d Declared) bool { return d.VNI == vni })
}
