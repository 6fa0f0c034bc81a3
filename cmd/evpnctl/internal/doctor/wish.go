package doctor

import (
	"fmt"
	"net/netip"
	"os"

	"gopkg.in/yaml.v3"
)

// LoadWish reads from evpnd's configuration what is to be on the host. It
// looks at a few keys only: whether the file is right is for evpnd --check to
// say.
func LoadWish(path string) (Wish, error) {
	var f struct {
		BGP struct {
			Peers []struct{ Address string }
		}
		VTEP struct{ Address string }
		VNIs struct {
			Settings []struct {
				VNI    int
				Create *struct{}
			}
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return Wish{}, err
	}
	if err := yaml.Unmarshal(b, &f); err != nil {
		return Wish{}, fmt.Errorf("%s cannot be read; evpnd --check --config %s says more: %w", path, quote(path), err)
	}
	var w Wish
	w.VTEP, _ = netip.ParseAddr(f.VTEP.Address) // evpnd --check tells of a wrong one
	for _, p := range f.BGP.Peers {
		if a, err := netip.ParseAddr(p.Address); err == nil {
			w.Others = append(w.Others, a)
		}
	}
	for _, v := range f.VNIs.Settings {
		w.VNIs = append(w.VNIs, WishVNI{VNI: v.VNI, Create: v.Create != nil})
	}
	return w, nil
}
