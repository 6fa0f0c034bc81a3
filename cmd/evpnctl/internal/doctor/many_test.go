package doctor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// TestManyDevices: each of many ports is read, in a time that grows as their
// number does.
func TestManyDevices(t *testing.T) {
	lab.Need(t, lab.Namespaces)
	l := lab.New(t)
	read := func(devices int) (took time.Duration) {
		n := l.NS(fmt.Sprintf("many%d", devices))
		var links, ports strings.Builder
		links.WriteString("link add br0 type bridge\n")
		for i := 1; i <= devices; i++ {
			fmt.Fprintf(&links, "link add vx%d type vxlan id %d dstport 4789 local 172.30.0.1 nolearning\nlink set vx%d master br0\n", i, i, i)
			fmt.Fprintf(&ports, "link set dev vx%d learning off neigh_suppress on\n", i)
		}
		n.Must("sh", "-c", fmt.Sprintf("ip -batch - <<E\n%sE\nbridge -batch - <<E\n%sE", links.String(), ports.String()))
		if err := n.Do(func() error {
			for range 3 {
				began := time.Now()
				h, err := Read(Expected{})
				if d := time.Since(began); took == 0 || d < took {
					took = d
				}
				if err != nil {
					return err
				}
				for _, x := range h.Links() {
					if x.VXLAN != nil && (x.Port == nil || x.Port.Learning || !x.Port.NeighSuppress) {
						return fmt.Errorf("%s is read as port %+v", x.Name, x.Port)
					}
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return took
	}
	few, many := read(50), read(400)
	t.Logf("50 devices take %v to read, 400 take %v", few, many)
	if many > 20*few {
		t.Errorf("8 times as many devices take %d times as long", many/few)
	}
}
