//go:build !race

// Under the race detector test/interop sees all of this, and more of it.

package containerlab

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// Every topology of the folder has its assertions.
func TestAllTopologies(t *testing.T) {
	files, err := filepath.Glob("*.clab.yml")
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, f := range Fabrics {
		known = append(known, f.File)
	}
	if slices.Sort(known); !slices.Equal(files, known) {
		t.Errorf("the folder has %v, and there are assertions for %v", files, known)
	}
}

// run runs a topology in namespaces, and under containerlab where that is asked
// for (EVPND_CLAB=1).
func run(t *testing.T, l *lab.Lab, top *Topology) Site {
	if os.Getenv("EVPND_CLAB") == "1" {
		return InContainerlab(l, top)
	}
	lab.Need(t, lab.Ping)
	return InNamespaces(l, top)
}

func TestTopologies(t *testing.T) {
	for _, f := range Fabrics {
		t.Run(f.File, func(t *testing.T) {
			t.Parallel()
			top, err := Read(f.File)
			if err != nil {
				t.Fatal(err)
			}
			l := lab.New(t)
			f.Hold(l, run(t, l, top))
		})
	}
}
