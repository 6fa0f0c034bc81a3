package config

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/tools/txtar"
)

// FuzzLoad looks for files that make Load panic, give neither or both of a
// configuration and an error, or an error without a place.
func FuzzLoad(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/bad.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	every, err := os.ReadFile("testdata/every.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(every)
	f.Add([]byte("&a [*a]"))
	f.Add([]byte("bgp: &a {asn: 1, peers: [*a]}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse("testdata/fuzz.yaml", text)
		if (c == nil) == (err == nil) {
			t.Fatalf("got configuration %v and error %v", c, err)
		}
		var problems Errors
		if err == nil {
			return
		}
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("got error %v of type %T, want Errors", err, err)
		}
		for _, p := range problems {
			if p.File == "" || p.Line < 1 || p.Text == "" {
				t.Errorf("problem without a place or text: %#v", p)
			}
		}
	})
}
