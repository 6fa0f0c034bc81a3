package config

import (
	"fmt"
	"math"
	"reflect"
	"slices"

	"github.com/evpnd/evpnd/evpn"
)

// vnis checks the section of that name. A VNI with settings of its own that
// is not selected is most likely a mistake in one of the two.
func (d *decoder) vnis(c *Config) {
	v := &c.VNIs
	if d.has("vnis.select") && v.Select != nil && len(v.Select) == 0 {
		d.problem("vnis.select", "an empty list would serve nothing: remove the key to serve every VNI")
	}
	d.targets(c)
	var (
		once    = make(map[evpn.VNI]string)
		rds     = make(map[evpn.RD]evpn.VNI)
		devices = make(map[string]string)
	)
	for i := range v.Settings {
		s := &v.Settings[i]
		at := fmt.Sprintf("vnis.settings[%d]", i)
		if s.VNI != 0 {
			if before := first(once, s.VNI, at); before != "" {
				d.problem(at+".vni", "VNI %d has %s already", s.VNI, before)
			}
			if s.Create == nil && !v.mayServe(s.VNI) {
				d.problem(at+".vni", "VNI %d has settings but vnis.select leaves it out: select it, or remove them", s.VNI)
			}
		}
		if s.RD != (evpn.RD{}) {
			if other, again := rds[s.RD]; again {
				d.problem(at+".rd", "%s is that of VNI %d already, every VNI needs its own (RFC 7432 §7.9)", s.RD, other)
			}
			rds[s.RD] = s.VNI
		}
		d.emptyList(at+".import", len(s.Import))
		d.emptyList(at+".export", len(s.Export))
		inherit(d, at+".duplicates", &s.Duplicates, &v.Duplicates)
		inherit(d, at+".limits", &s.Limits, &v.Limits)
		inherit(d, at+".hosts", &s.Hosts, &v.Hosts)
		if !d.has(at + ".flood") {
			s.Flood = v.Flood
		}
		d.hosts(at, s)
		if s.Create != nil && s.VNI != 0 {
			d.create(at+".create", c, s, devices)
		}
	}
}

// inherit gives own, the section of one VNI at a path, what all has for the
// keys that the file does not have there.
func inherit[T any](d *decoder, at string, own, all *T) {
	to, from := reflect.ValueOf(own).Elem(), reflect.ValueOf(all).Elem()
	for _, f := range fieldsOf(to.Type()) {
		if !d.has(join(at, f.key)) {
			to.FieldByIndex(f.index).Set(from.FieldByIndex(f.index))
		}
	}
}

// hosts checks the addresses that a VNI has rules for.
func (d *decoder) hosts(at string, s *VNI) {
	twice(d, at+".sticky", s.Sticky)
	for i, a := range s.Gateways {
		key := fmt.Sprintf("%s.gateways[%d]", at, i)
		if a.Zone() != "" {
			d.problem(key, "want the address without its zone, %s: the VNI says on which link it is", a.WithZone(""))
		}
		d.unicast(key, a)
	}
	twice(d, at+".gateways", s.Gateways)
}

// targets checks that the automatic route targets can be made.
func (d *decoder) targets(c *Config) {
	t := &c.VNIs.Targets
	switch {
	case d.has("vnis.targets.fixed"):
		t.Form = evpn.TargetFixed
	case t.Form == evpn.TargetRFC8365 && c.BGP.ASN > math.MaxUint16:
		d.problem("vnis.targets", "targets of RFC 8365 §5.1.2.1 have room for an AS of 2 bytes only and bgp.asn is %d: use auto, or {fixed: N} with one N for the whole fabric", c.BGP.ASN)
	}
}

func (d *decoder) emptyList(key string, n int) {
	if d.has(key) && n == 0 {
		d.problem(key, "an empty list means no targets at all: remove the key for the automatic ones")
	}
}

// create completes and checks the devices that evpnd is to make. Two VNIs on
// one bridge would be one network.
func (d *decoder) create(at string, c *Config, s *VNI, devices map[string]string) {
	n := s.Create
	if n.Bridge == "" {
		n.Bridge = "br" + s.VNI.String()
	}
	if n.Device == "" {
		n.Device = "vxlan" + s.VNI.String()
	}
	d.vtep(at+".local", n.Local)
	if !n.Local.IsValid() {
		n.Local = c.VTEP.Address
	}
	for _, name := range []struct{ key, value string }{{at + ".bridge", n.Bridge}, {at + ".device", n.Device}} {
		if text := deviceName(name.value); text != "" {
			d.problem(name.key, "%s, not %q", text, printable(name.value))
			continue
		}
		if before := first(devices, name.value, name.key); before != "" {
			d.problem(name.key, "%s is %s already", name.value, before)
		}
	}
	for i, port := range n.Ports {
		at := fmt.Sprintf("%s.ports[%d]", at, i)
		if text := deviceName(port); text != "" {
			d.problem(at, "%s, not %q", text, printable(port))
		} else if before := first(devices, port, at); before != "" {
			d.problem(at, "%s is %s already", port, before)
		}
	}
}

// mayServe tells whether the selectors leave room for vni. Those that name
// devices do, because the devices are not known here, and so do those that
// could not be read.
func (v *VNIs) mayServe(vni evpn.VNI) bool {
	return len(v.Select) == 0 || slices.ContainsFunc(v.Select, func(s Selector) bool {
		return s.First == 0 || s.First <= vni && vni <= s.Last
	})
}
