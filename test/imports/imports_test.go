package imports

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the module's folder as seen from this test.
const root = "../.."

// listed is the part of what go list says of a package that counts here. All
// files count, also those for another system.
type listed struct {
	Dir, ImportPath                                              string
	GoFiles, CgoFiles, IgnoredGoFiles, TestGoFiles, XTestGoFiles []string
}

// packages lists those of the module. A package that does not compile is
// listed too: the compiler says that better.
func packages(t *testing.T) []listed {
	t.Helper()
	// go test keeps a result while the files that the test itself has opened
	// are the same. It does not see what go list reads, so new files and
	// folders are made part of that here.
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.IsDir() && path != root && (strings.HasPrefix(e.Name(), ".") || e.Name() == "bin") {
			return filepath.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "list", "-e", "-json=Dir,ImportPath,GoFiles,CgoFiles,IgnoredGoFiles,TestGoFiles,XTestGoFiles", "./...")
	cmd.Dir = root
	var failure strings.Builder
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, failure.String())
	}
	var all []listed
	for in := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// folder is the package's place in the module.
func (p listed) folder() string {
	if p.ImportPath == Module {
		return "."
	}
	return strings.TrimPrefix(p.ImportPath, Module+"/")
}

// files calls f with the syntax of every file of p.
func (p listed) files(t *testing.T, mode parser.Mode, f func(pos func(ast.Node) string, test bool, file *ast.File)) {
	t.Helper()
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles, p.TestGoFiles, p.XTestGoFiles) {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, mode)
		if err != nil {
			t.Errorf("%s/%s: %v", p.folder(), name, err)
			continue
		}
		pos := func(n ast.Node) string {
			return fmt.Sprintf("%s/%s:%d", p.folder(), name, set.Position(n.Pos()).Line)
		}
		f(pos, strings.HasSuffix(name, "_test.go"), file)
	}
}

func TestImports(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range packages(t) {
		if l, ok := layerOf(p.folder()); ok {
			seen[l.folder] = true
		}
		p.files(t, parser.ImportsOnly, func(pos func(ast.Node) string, test bool, file *ast.File) {
			for _, spec := range file.Imports {
				path, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					t.Errorf("%s: %v", pos(spec), err)
					continue
				}
				if text := Check(Import{Pos: pos(spec), From: p.folder(), Path: path, Test: test}); text != "" {
					t.Error(text)
				}
			}
		})
	}
	for _, l := range layers {
		if !seen[l.folder] {
			t.Errorf("no package in %s: the table is about folders that are not there", l.folder)
		}
	}
}

// TestRawNetlink looks for netlink sockets made without a library, which no
// import shows.
func TestRawNetlink(t *testing.T) {
	found := false
	for _, p := range packages(t) {
		p.files(t, parser.SkipObjectResolution, func(pos func(ast.Node) string, _ bool, file *ast.File) {
			ast.Inspect(file, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok || s.Sel.Name != "AF_NETLINK" && s.Sel.Name != "NetlinkRIB" {
					return true
				}
				found = true
				if !within(p.folder(), "dataplane/linux") && !within(p.folder(), "test") {
					t.Errorf("%s: raw netlink (%s) outside of dataplane/linux and test", pos(s), s.Sel.Name)
				}
				return true
			})
		})
	}
	if !found {
		t.Error("no netlink socket found even in dataplane/linux: this test looks for the wrong thing")
	}
}

// TestPure looks for goroutines, locks, clocks, I/O and chance in pure packages.
func TestPure(t *testing.T) {
	impure := []string{"context", "io/fs", "log", "log/slog", "net", "os", "os/exec", "os/signal", "runtime", "sync", "sync/atomic", "crypto/rand"}
	values := map[string][]string{ // of packages that have pure functions as well
		"time": {"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"},
		"rand": {"Float64", "Int", "IntN", "Int64", "Int64N", "N", "Perm", "Shuffle", "Uint32", "Uint64"},
	}
	seen := 0
	for _, p := range packages(t) {
		if !isPure(p.folder()) {
			continue
		}
		p.files(t, parser.SkipObjectResolution, func(pos func(ast.Node) string, test bool, file *ast.File) {
			if test {
				return
			}
			seen++
			for _, spec := range file.Imports {
				if path, _ := strconv.Unquote(spec.Path.Value); slices.Contains(impure, path) {
					t.Errorf("%s: a pure package imports %s", pos(spec), path)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt:
					t.Errorf("%s: a goroutine in a pure package", pos(n))
				case *ast.SelectorExpr:
					if x, ok := n.X.(*ast.Ident); ok && slices.Contains(values[x.Name], n.Sel.Name) {
						t.Errorf("%s: %s.%s in a pure package", pos(n), x.Name, n.Sel.Name)
					}
				}
				return true
			})
		})
	}
	if seen == 0 {
		t.Error("no pure package found: this test looks for the wrong thing")
	}
}

// TestDoctorReads holds the doctor to reading: of the packages that speak to the
// kernel it uses the reader and what that reads.
func TestDoctorReads(t *testing.T) {
	called := 0
	for _, p := range packages(t) {
		if !within(p.folder(), doctor) {
			continue
		}
		p.files(t, parser.SkipObjectResolution, func(pos func(ast.Node) string, test bool, file *ast.File) {
			if test {
				return
			}
			for _, i := range file.Imports {
				if path, _ := strconv.Unquote(i.Path.Value); i.Name != nil || path == Module+"/dataplane" {
					t.Errorf("%s: import of %s: want only packages that read, under their own names", pos(i), path)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				if of, _ := s.X.(*ast.Ident); of != nil && of.Name == "linux" {
					if called++; !slices.Contains([]string{"OpenReader", "Reader"}, s.Sel.Name) {
						t.Errorf("%s: linux.%s can do more than read", pos(s), s.Sel.Name)
					}
				}
				return true
			})
		})
	}
	if called == 0 {
		t.Error("the doctor asks the kernel nothing: this test looks for the wrong thing")
	}
}

// TestCheck tries the checker on imports that nobody has made.
func TestCheck(t *testing.T) {
	const gobgp, netlink = "github.com/osrg/gobgp/v3/pkg/server", "github.com/vishvananda/netlink/nl"
	for _, c := range []struct {
		from, path string
		test       bool
		want       string // a part of the message, "" when it is allowed
	}{
		{from: "evpn", path: "net/netip"},
		{from: "evpn", path: "golang.org/x/sys/unix", want: "only the standard library"},
		{from: "evpn", path: "github.com/google/go-cmp/cmp", want: "only the standard library"},
		{from: "evpn", path: "github.com/google/go-cmp/cmp", test: true},
		{from: "evpn", path: Module + "/evpn"}, // a test outside of the package
		{from: "evpn", path: Module + "/bgp", want: "nothing of ours"},
		{from: "evpn", path: Module + "/bgp", test: true, want: "nothing of ours"},
		{from: "evpn/prefix", path: Module + "/evpn"},
		{from: "evpn", path: Module + "/evpn/run"},
		{from: "evpn/run", path: Module + "/evpn"},
		{from: "evpn/run", path: Module + "/bgp", want: "of ours only evpn"},
		{from: "evpn/run", path: Module + "/bgp", test: true},
		{from: "evpn/run", path: "golang.org/x/sync/errgroup", want: "only the standard library"},

		{from: "bgp", path: Module + "/evpn"},
		{from: "bgp", path: Module + "/bgp/wire"},
		{from: "bgp/wire", path: Module + "/evpn"},
		{from: "bgp", path: gobgp, want: "only bgp/gobgp and test/reflector may"},
		{from: "bgp/wire", path: gobgp, want: "only bgp/gobgp and test/reflector may"},
		{from: "bgp/gobgp", path: gobgp},
		{from: "bgp/gobgp", path: Module + "/bgp/wire"},
		{from: "bgp/gobgp", path: Module + "/dataplane", want: "of ours only evpn"},
		{from: "bgp", path: Module + "/dataplane", want: "of ours only evpn"},
		{from: "bgp", path: Module + "/dataplane/fake", test: true, want: "of ours only evpn"},
		{from: "bgp", path: netlink, want: "only dataplane/linux and test may"},
		{from: "bgp", path: Module + "/proto/evpnd/v1", want: "only proto and cmd and test may"},
		{from: "bgp", path: Module + "/cmd/evpnd/internal/config", want: "of ours only evpn"},
		{from: "bgp", path: Module + "/test/lab", want: "of ours only evpn"},
		{from: "bgp", path: Module + "/test/lab", test: true},

		{from: "dataplane", path: Module + "/evpn"},
		{from: "dataplane", path: Module + "/bgp", want: "of ours only evpn"},
		{from: "dataplane", path: netlink, want: "only dataplane/linux and test may"},
		{from: "dataplane/fake", path: netlink, want: "only dataplane/linux and test may"},
		{from: "dataplane/linux", path: netlink},
		{from: "dataplane/linux", path: Module + "/dataplane"},
		{from: "dataplane/linux", path: gobgp, want: "only bgp/gobgp and test/reflector may"},
		{from: "dataplane/linuxer", path: netlink, want: "only dataplane/linux and test may"},

		{from: "proto/evpnd/v1", path: "google.golang.org/grpc"},
		{from: "proto/evpnd/v1", path: Module + "/evpn", want: "nothing of ours"},

		{from: "cmd/evpnd", path: Module + "/cmd/evpnd/internal/config"},
		{from: "cmd/evpnd/internal/api", path: Module + "/proto/evpnd/v1"},
		{from: "cmd/evpnd/internal/daemon", path: Module + "/dataplane/linux"},
		{from: "cmd/evpnd", path: gobgp, want: "only bgp/gobgp and test/reflector may"},
		{from: "cmd/evpnd", path: "github.com/vishvananda/netns", want: "only dataplane/linux and test may"},
		{from: "dataplane", path: "github.com/vishvananda/netns", test: true},
		{from: "cmd/evpnd", path: Module + "/test/lab", want: "no part of a test"},
		{from: "cmd/evpnctl", path: Module + "/proto/evpnd/v1"},
		{from: "cmd/evpnctl", path: "github.com/spf13/cobra"},
		{from: "cmd/evpnctl", path: Module + "/evpn", want: "of ours only proto"},
		{from: "cmd/evpnctl", path: Module + "/cmd/evpnd/internal/api", want: "of ours only proto"},

		{from: "test/interop", path: Module + "/test/lab"},
		{from: "test/interop", path: Module + "/dataplane/linux", test: true},
		{from: "test/reflector", path: gobgp},
		{from: "test/bench", path: gobgp, want: "only bgp/gobgp and test/reflector may"},
		{from: "test/bench", path: netlink},
		{from: "cmd/evpnctl", path: netlink, want: "only dataplane/linux and test may"},
		{from: "cmd/evpnctl/internal/doctor", path: netlink, want: "only dataplane/linux and test may"},
		{from: "cmd/evpnctl/internal/doctor", path: Module + "/dataplane/linux"},
		{from: "cmd/evpnctl/internal/doctor", path: Module + "/evpn"},
		{from: "cmd/evpnctl/internal/doctor", path: Module + "/bgp", want: "of ours only evpn, dataplane"},
		{from: "cmd/evpnctl/internal/cli", path: Module + "/dataplane/linux", want: "of ours only proto"},

		{from: "util", path: "fmt", want: "no folder of the table"},
		{from: ".", path: "fmt", want: "no folder of the table"},
		{from: "evpnx", path: "fmt", want: "no folder of the table"},
	} {
		name := c.from + " imports " + c.path
		if c.test {
			name += " in a test"
		}
		got := Check(Import{Pos: "x/y.go:7", From: c.from, Path: c.path, Test: c.test})
		switch {
		case c.want == "" && got != "":
			t.Errorf("%s: want it allowed, got %q", name, got)
		case c.want != "" && !strings.Contains(got, c.want):
			t.Errorf("%s: want a message with %q, got %q", name, c.want, got)
		case got != "" && !strings.HasPrefix(got, "x/y.go:7: "):
			t.Errorf("%s: the message %q does not begin with the place", name, got)
		}
	}
}
