package evpn

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Target is an import target of a VNI: a route target, or with Any every
// route target with the same value whatever its administrator.
type Target struct {
	RT  RT   // with Any: type 0 and administrator 0
	Any bool // "*:N"
}

// AnyTarget returns the import target *:value.
func AnyTarget(value uint32) Target { return Target{RT: NewRT(0, value), Any: true} }

// ParseTarget reads what ParseRT reads, and "*:n".
func ParseTarget(s string) (Target, error) {
	if rest, ok := strings.CutPrefix(s, "*:"); ok {
		rt, err := ParseRT("0:" + rest)
		if err != nil {
			return Target{}, fmt.Errorf("import target %q: want the form *:100", s)
		}
		return Target{RT: rt, Any: true}, nil
	}
	rt, err := ParseRT(s)
	return Target{RT: rt}, err
}

func (t Target) String() string {
	if t.Any {
		return fmt.Sprintf("*:%d", binary.BigEndian.Uint32(t.RT[4:]))
	}
	return t.RT.String()
}

// Matches tells whether a route with rt is imported by t: a wildcard takes any
// administrator, and all encodings.
func (t Target) Matches(rt RT) bool {
	if t.Any {
		return t.RT == valueOf(rt)
	}
	return t.RT == rt
}

// valueOf returns rt with its administrator and encoding removed, so that
// the three encodings of one value become equal.
func valueOf(rt RT) RT {
	if rt[0] == adminAS2 {
		return NewRT(0, binary.BigEndian.Uint32(rt[4:]))
	}
	return NewRT(0, uint32(binary.BigEndian.Uint16(rt[6:])))
}

// vxlanTargetType marks a VNI in the value of an RFC 8365 §5.1.2.1 automatic
// target: A=0 (automatic), type 1 (VXLAN), domain 0.
const vxlanTargetType = 0x10000000

// Targets returns the route targets that vni exports and imports under c:
// those set for it, else those of c.Targets.
func (c *Config) targets(vni VNI) (export []RT, imports []Target) {
	var auto RT
	var wide Target
	switch c.Targets {
	case TargetRFC8365:
		auto = NewRT(uint16(c.AS), vxlanTargetType|uint32(vni))
		wide = Target{RT: auto}
	case TargetFixed:
		auto = NewRT(c.TargetAS, uint32(vni))
		wide = Target{RT: auto}
	default:
		auto = NewRT(uint16(c.AS), uint32(vni))
		wide = AnyTarget(uint32(vni))
	}
	set := c.BDs[vni]
	if export = set.Export; len(export) == 0 {
		export = []RT{auto}
	}
	if imports = set.Import; len(imports) == 0 {
		imports = []Target{wide}
	}
	return export, imports
}
