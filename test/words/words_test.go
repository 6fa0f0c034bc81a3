package words

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestNames holds every name in the module against the glossary.
func TestNames(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.Open(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	words, err := Glossary(page)
	if err != nil {
		t.Fatal(err)
	}
	if len(words) < 20 {
		t.Fatalf("the glossary replaces %d words, want at least 20: %v", len(words), words)
	}
	checked := 0
	for _, folder := range []string{"evpn", "bgp", "dataplane", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(file string, e fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go") {
				return err
			}
			names, err := Names(file, nil)
			for _, n := range names {
				checked++
				if wrong := Check(words, n); wrong != "" {
					t.Error(wrong)
				}
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if checked < 2000 {
		t.Errorf("only %d names were seen", checked)
	}
}

func TestGlossary(t *testing.T) {
	words, err := Glossary(strings.NewReader("# Page\n| a | b | c |\n## Words\n| word | means | in place of |\n|---|---|---|\n| via | where | dest, target |\n| VNI | a number | |\n## More\n| x | y | z |\n"))
	if err != nil || len(words) != 2 || words["dest"] != "via" || words["target"] != "via" {
		t.Errorf("words %v, error %v", words, err)
	}
}

func TestCheck(t *testing.T) {
	const src = `package p
type Dest struct{ a, viaDest int; f func(dest int) }
type T interface{ Dests() }
const destA, b = 1, 2
func (t *x) unDest(dest int) { dest := 1; _ = dest }
`
	names, err := Names("old_dest.go", src)
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	for _, n := range names {
		if Check(map[string]string{"dest": "via"}, n) != "" {
			wrong = append(wrong, n.Pos+" "+n.Name)
		}
	}
	want := []string{"old_dest.go old_dest", "old_dest.go:2 Dest", "old_dest.go:2 viaDest", "old_dest.go:4 destA", "old_dest.go:5 unDest"}
	if !slices.Equal(wrong, want) {
		t.Errorf("wrong are %q, want %q", wrong, want)
	}
}

func TestSplit(t *testing.T) {
	for name, want := range map[string]string{
		"flood_hold": "flood hold", "floodHold": "flood hold", "FloodHold": "flood hold", "VTEPs": "vteps", "MACKey": "mac key",
		"sortedVNIs": "sorted vnis", "BDUp": "bd up", "toldAt2": "told at",
	} {
		if got := strings.Join(split(name), " "); got != want {
			t.Errorf("%s is split into %q, want %q", name, got, want)
		}
	}
}

// TestWalks finds every function that the page walks through in the file that
// the page names before it.
func TestWalks(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, walks, _ := strings.Cut(string(page), "\n## Three walks\n")
	walks, _, _ = strings.Cut(walks, "\n## ")
	_, walks, _ = strings.Cut(walks, "\n1. ")
	file, text, found := "", "", 0
	for i, token := range strings.Split(walks, "`") {
		switch {
		case i%2 == 0: // between two
		case strings.HasSuffix(token, ".go"):
			b, err := os.ReadFile(filepath.Join(root, token))
			if err != nil {
				t.Errorf("%s: %v", token, err)
			}
			file, text = token, string(b)
		case !strings.ContainsAny(token, " ./"):
			found++
			if !regexp.MustCompile(`(?m)^func (\([^)]*\) )?` + token + `[\[(]|^\t` + token + `\(`).MatchString(text) {
				t.Errorf("%s has no function %s", file, token)
			}
		}
	}
	if found < 20 {
		t.Errorf("%d functions are named, want at least 20", found)
	}
}
