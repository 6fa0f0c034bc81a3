package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// TestBad holds the messages for wrong files against those in testdata. They
// are written by hand: what an operator reads is part of the interface.
func TestBad(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/bad.txtar")
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range archive.Files {
		files[f.Name] = string(f.Data)
	}
	cases := 0
	for _, f := range archive.Files {
		name, isCase := strings.CutSuffix(f.Name, ".yaml")
		if !isCase {
			continue
		}
		cases++
		t.Run(name, func(t *testing.T) {
			want, ok := files[name+".errors"]
			if !ok || want == "" {
				t.Fatalf("testdata/bad.txtar has no %s.errors", name)
			}
			c, err := parse(f.Name, f.Data)
			if c != nil {
				t.Error("a configuration came with the error")
			}
			var problems Errors
			if !errors.As(err, &problems) {
				t.Fatalf("got error %v of type %T, want Errors", err, err)
			}
			if diff := cmp.Diff(strings.TrimSpace(want), problems.Error()); diff != "" {
				t.Errorf("messages differ (-want +got):\n%s", diff)
			}
		})
	}
	if len(files) != 2*cases || cases < 20 {
		t.Errorf("%d files and %d cases in testdata/bad.txtar: one of a pair is missing", len(files), cases)
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	_, err := Load(filepath.Join(dir, "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.yaml") {
		t.Errorf("missing file: got %v", err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("a directory was taken for a configuration")
	}
	huge := filepath.Join(dir, "huge.yaml")
	f, err := os.Create(huge)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(maxSize + 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(huge); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("huge file: got %v", err)
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"asn", "asn", 0},
		{"peer", "peers", 1},
		{"levle", "level", 1}, // neighbors swapped
		{"kitten", "sitting", 3},
		{"", "abc", 3},
		{"abc", "", 3},
	} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
