package daemon

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/evpnd/evpnd/cmd/evpnd/internal/config"
)

// A file with a secret that everybody can read is told, until it is closed,
// and only when the way to it is open too.
func TestExposedSecrets(t *testing.T) {
	top, err := os.MkdirTemp("/tmp", "evpnd-secret-") // a way that is open to all
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(top) })
	set := func(path string, mode os.FileMode) {
		t.Helper()
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	set(top, 0o755)
	path := func(name string) string { return filepath.Join(top, name) }
	for name, text := range map[string]string{"key": "", "a": "one\n", "b": "two\n", "evpnd.yaml": `
bgp:
  asn: 65000
  peers:
    - {address: 10.0.0.1, asn: 65000, password-file: a}
    - {address: 10.0.0.2, asn: 65000, password-file: a}
    - {address: 10.0.0.3, asn: 65000}
  dynamic-peers:
    - {range: 10.1.0.0/16, password: three}
    - {range: 10.2.0.0/16, password-file: b}
api:
  listen: tcp://127.0.0.1:1
  tls: {cert: cert, key: key, client-ca: ca}
`} {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(path("evpnd.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	files := secretFiles(path("evpnd.yaml"), cfg)
	if want := []string{path("a"), path("b"), path("evpnd.yaml"), path("key")}; !slices.Equal(files, want) {
		t.Fatalf("secrets are in %v, want %v", files, want)
	}
	s := &sessions{}
	s.setSecrets(files)
	told := func(why string, want ...string) {
		t.Helper()
		var got []string
		for _, p := range s.alarms() {
			if p.Kind == "secret-readable" {
				got = append(got, p.Object)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: told of %v, want %v", why, got, want)
		}
	}
	told("all are closed")
	set(path("a"), 0o644)
	set(path("evpnd.yaml"), 0o640)
	told("one is open", "file "+path("a"))
	set(top, 0o750)
	told("and its directory is closed")
	set(top, 0o755)
	set(path("a"), 0o640)
	told("and is closed again")
	if err := os.Remove(path("b")); err != nil {
		t.Fatal(err)
	}
	told("and one is gone")
}
