package doctor

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/evpnd/evpnd/dataplane/topology"
	"github.com/evpnd/evpnd/evpn"
)

// LoadExpected reads from evpnd's configuration what is to be on the host. It
// looks at a few keys only: whether the file is right is for evpnd --check to
// say.
func LoadExpected(path string) (Expected, error) {
	var f struct {
		BGP struct {
			Peers []struct{ Address string }
		}
		VTEP struct{ Address string }
		VNIs struct {
			Select   selection
			Settings []struct {
				VNI    evpn.VNI
				Create *struct{}
			}
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Expected{}, err
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		return Expected{}, fmt.Errorf("%s cannot be read; evpnd --check --config %s says more: %w", path, quote(path), err)
	}
	var e Expected
	e.Select = topology.Select(f.VNIs.Select)
	e.VTEP, _ = netip.ParseAddr(f.VTEP.Address) // evpnd --check tells of a wrong one
	for _, p := range f.BGP.Peers {
		if a, err := netip.ParseAddr(p.Address); err == nil {
			e.Others = append(e.Others, a)
		}
	}
	for _, v := range f.VNIs.Settings {
		e.VNIs = append(e.VNIs, v.VNI)
		if v.Create != nil {
			e.Declared = append(e.Declared, topology.Declared{VNI: v.VNI})
		}
	}
	return e, nil
}

// selection is vnis.select: one or a list of VNIs, ranges of them, and names or
// patterns of devices.
type selection topology.Select

func (s *selection) UnmarshalYAML(n *yaml.Node) error {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	for _, n := range nodes {
		text := n.Value
		if text == "" || text[0] < '0' || text[0] > '9' {
			s.Devices = append(s.Devices, text)
			continue
		}
		low, high, isRange := strings.Cut(text, "-")
		if !isRange {
			high = low
		}
		first, err1 := evpn.ParseVNI(strings.TrimSpace(low))
		last, err2 := evpn.ParseVNI(strings.TrimSpace(high))
		if err := errors.Join(err1, err2); err != nil {
			return fmt.Errorf("vnis.select: %q is neither a VNI, a range nor a device", text)
		}
		s.Ranges = append(s.Ranges, topology.Range{First: first, Last: last})
	}
	return nil
}
