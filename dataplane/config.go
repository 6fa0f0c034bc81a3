package dataplane

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"

	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/evpn"
)

// Config says what a Plane serves. It must not be changed once handed over.
type Config struct {
	// Select restricts the VNIs that are served. Empty serves every VXLAN
	// device with a VNI that is a port of a bridge.
	Select Select
	// VTEP is the local address of devices that have none of their own, and
	// of declared ones. It may be invalid when every device has one.
	VTEP netip.Addr
	// Declared are the VNIs that the Plane makes bridge and device for.
	Declared []Declared
	// Hosts is how addresses of local hosts are found, in each VNI that
	// VNIHosts does not name. Its ProbeRate bounds the node as well.
	Hosts    hosts.Config
	VNIHosts map[evpn.VNI]hosts.Config
}

// hosts returns how the hosts of a VNI are found.
func (c *Config) hosts(vni evpn.VNI) hosts.Config {
	if h, ok := c.VNIHosts[vni]; ok {
		return h
	}
	return c.Hosts
}

// Select names VNIs by number and by device. A VNI that any part names is
// selected; declared VNIs always are.
type Select struct {
	Ranges  []Range
	Devices []string // names or shell globs (path.Match)
}

// Range is the VNIs from First to Last, both included.
type Range struct{ First, Last evpn.VNI }

// Declared is a VNI whose bridge and VXLAN device the Plane makes where they
// are missing, and removes when it is declared no more. It removes only what
// it made, which it knows by the device's alias.
type Declared struct {
	VNI    evpn.VNI
	Bridge string     // br<vni> when empty
	Device string     // vxlan<vni> when empty
	Local  netip.Addr // Config.VTEP when invalid
	Port   uint16     // 4789 when zero
	MTU    int        // of both devices; from the underlay device when zero
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
	if err := c.Hosts.Validate(); err != nil {
		return fmt.Errorf("hosts: %w", err)
	}
	for _, vni := range slices.Sorted(maps.Keys(c.VNIHosts)) {
		if h := c.VNIHosts[vni]; !vni.Valid() {
			return fmt.Errorf("hosts of VNI %d: want a number from 1 to %d", vni, evpn.MaxVNI)
		} else if err := h.Validate(); err != nil {
			return fmt.Errorf("hosts of VNI %d: %w", vni, err)
		}
	}
	seen := make(map[evpn.VNI]bool)
	names := make(map[string]evpn.VNI)
	for _, d := range c.Declared {
		d = d.filled(c)
		switch {
		case !d.VNI.Valid():
			return fmt.Errorf("declared VNI %d: want a number from 1 to %d", d.VNI, evpn.MaxVNI)
		case seen[d.VNI]:
			return fmt.Errorf("VNI %d is declared twice", d.VNI)
		case !d.Local.IsValid():
			return fmt.Errorf("declared VNI %d has no local address: set one for it, or the VTEP address for all", d.VNI)
		}
		for _, n := range []string{d.Bridge, d.Device} {
			if len(n) > maxDeviceName {
				return fmt.Errorf("declared VNI %d: device name %q is longer than %d characters", d.VNI, n, maxDeviceName)
			}
		}
		if other, ok := names[d.Device]; ok || d.Device == d.Bridge {
			return fmt.Errorf("declared VNI %d: device name %q is used twice (VNI %d)", d.VNI, d.Device, other)
		}
		names[d.Device], seen[d.VNI] = d.VNI, true
	}
	return nil
}

// filled returns d with its defaults.
func (d Declared) filled(c *Config) Declared {
	if d.Bridge == "" {
		d.Bridge = fmt.Sprintf("br%d", d.VNI)
	}
	if d.Device == "" {
		d.Device = fmt.Sprintf("vxlan%d", d.VNI)
	}
	if !d.Local.IsValid() {
		d.Local = c.VTEP
	}
	if d.Port == 0 {
		d.Port = DefaultPort
	}
	return d
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
