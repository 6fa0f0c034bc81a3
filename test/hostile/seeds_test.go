package hostile

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/evpnd/evpnd/test/peer"
)

var update = flag.Bool("update", false, "write the seeds of the fuzz targets of bgp/wire from the corpus")

const seedDir = "../../bgp/wire/testdata/fuzz"

// seed renders arguments of a fuzz target in the format of package testing.
func seed(args ...any) []byte {
	var b bytes.Buffer
	b.WriteString("go test fuzz v1\n")
	for _, a := range args {
		switch a := a.(type) {
		case []byte:
			fmt.Fprintf(&b, "[]byte(%q)\n", a)
		case bool:
			fmt.Fprintf(&b, "bool(%v)\n", a)
		case uint8:
			fmt.Fprintf(&b, "byte(%q)\n", a)
		}
	}
	return b.Bytes()
}

// TestSeeds holds that the fuzz targets of bgp/wire have the whole corpus, so
// that what is known to be nasty is where fuzzing begins, and is tried in each
// run of go test.
func TestSeeds(t *testing.T) {
	known := map[string]bool{}
	for _, e := range corpus(t) {
		k, b, err := e.assemble(samples)
		if err != nil {
			t.Fatal(err)
		}
		var target string
		var want []byte
		switch k {
		case kindUpdate:
			target, want = "FuzzUpdate", seed(b, true, true)
		case kindOpen:
			target, want = "FuzzOpen", seed(b)
		default: // cut where a header may be
			target, want = "FuzzStream", seed(append(bytes.Clone(b), peer.Unreach()...), uint8(19))
		}
		file := filepath.Join(seedDir, target, "hostile-"+e.Name)
		known[file] = true
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the corpus says (%v): run go test ./test/hostile -run TestSeeds -update", file, err)
		}
	}
	files, err := filepath.Glob(filepath.Join(seedDir, "*", "hostile-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f] {
			t.Errorf("%s is of no entry of the corpus any more: remove it", f)
		}
	}
}
