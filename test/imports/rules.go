// Package imports holds every package of the module against the table of who
// may import whom.
//
//	evpn         imports nothing but the standard library
//	evpn/run     imports evpn and the standard library
//	bgp          | import evpn, and never each other
//	dataplane    |
//	proto        imports nothing of ours
//	cmd/evpnd    imports everything: it is the glue
//	cmd/internal/text  imports evpn, bgp and dataplane: it turns what they say
//	             into sentences, for the daemon and for evpnctl's doctor
//	cmd/evpnctl  imports proto: it knows only what any client of the API knows;
//	             its doctor imports dataplane, whose rules and reader of the
//	             host it shares with the daemon
//	test         imports everything
//
// Turned the other way, some libraries have one place: gobgp in bgp/gobgp (and in
// test/reflector, a reflector to test with), netlink in dataplane/linux, proto in
// cmd.
//
// The point is that the core stays a function of its inputs, and that another
// program can take core and one adapter without the other. The rules are for
// each file, so that a message names the line to change; tests may bring
// libraries of their own into evpn, but follow the other rules too.
package imports

import (
	"fmt"
	"slices"
	"strings"
)

// Module is the path that all packages of ours begin with.
const Module = "github.com/evpnd/evpnd"

// Import is one import of one file.
type Import struct {
	Pos  string // file:line, for the message
	From string // the package with the file, as a folder of the module; "." is its root
	Path string // what is imported
	Test bool   // by a test
}

// layer is a folder and what the packages in and below it may import.
type layer struct {
	folder   string
	ours     []string // folders of ours beside the own one; anywhere is all
	stdOnly  bool
	because  string
	fromTest []string // folders of ours that tests may import too
}

const anywhere = "..."

// layers is the table. A package belongs to the first folder it is in, so inner
// folders come first.
var layers = []layer{
	{folder: "evpn/run", ours: []string{"evpn"}, stdOnly: true, because: "a Go program runs the engine between any two adapters", fromTest: []string{"bgp", "dataplane", "test/peer"}},
	{folder: "evpn", stdOnly: true, because: "the rules of EVPN are pure: no I/O, no library"},
	{folder: "bgp", ours: []string{"evpn"}, because: "an adapter knows the core and no other adapter; glue belongs to cmd/evpnd", fromTest: []string{"test/lab"}},
	{folder: "dataplane/entries", ours: []string{"evpn"}, stdOnly: true, because: "desired and actual are compared without a kernel"},
	{folder: "dataplane/hosts", ours: []string{"evpn"}, stdOnly: true, because: "what local hosts say is weighed without a kernel"},
	{folder: "dataplane/kernel", ours: []string{"evpn"}, stdOnly: true, because: "it has values alone"},
	{folder: "dataplane/topology", ours: []string{"evpn", "dataplane/kernel"}, stdOnly: true, because: "what devices are for is said without a kernel"},
	{folder: "dataplane", ours: []string{"evpn"}, because: "an adapter knows the core and no other adapter; glue belongs to cmd/evpnd", fromTest: []string{"test/lab"}},
	{folder: "proto", because: "clients get the API without the daemon"},
	{folder: "cmd/evpnd", ours: []string{"evpn", "bgp", "dataplane", "proto", "cmd/internal/apiaddr", "cmd/internal/text"}, because: "the daemon is no part of a test", fromTest: []string{"test"}},
	{folder: doctor, ours: []string{"evpn", "dataplane", "cmd/internal/text"}, because: "it looks at the host with the daemon's rules and reader, also where no evpnd runs that could be asked", fromTest: []string{"test"}},
	{folder: "cmd/internal/text", ours: []string{"evpn", "bgp", "dataplane"}, because: "it turns what these three say into sentences"},
	{folder: "cmd/internal/apiaddr", stdOnly: true, because: "daemon and CLI read the address of the API alike"},
	{folder: "cmd/evpnctl", ours: []string{"proto", "cmd/internal/apiaddr"}, because: "the CLI is a client of the API like any other", fromTest: []string{"test"}},
	{folder: "test", ours: []string{anywhere}},
}

// pure are the folders whose packages are functions of their inputs: no
// goroutine, lock, clock or I/O, and no random number but from a seed.
var pure = []string{"evpn", "dataplane/entries", "dataplane/hosts", "dataplane/kernel", "dataplane/topology"}

// isPure tells whether the packages of a folder are pure. evpn/run is the
// goroutine round the engine.
func isPure(folder string) bool {
	return !within(folder, "evpn/run") && slices.ContainsFunc(pure, func(p string) bool { return within(folder, p) })
}

// place is a library, or a folder of ours, that only some folders may import.
type place struct {
	path    string
	folders []string
	because string
	tests   bool // any test may
}

var kernel = []string{"dataplane/linux", "test"}

const doctor = "cmd/evpnctl/internal/doctor"

var places = []place{
	{path: "github.com/osrg/gobgp", folders: []string{"bgp/gobgp", "test/reflector"}, because: "all that is odd about GoBGP is in one package, and a reflector to test with"},
	{path: "github.com/vishvananda/netlink", folders: kernel, because: "the kernel is behind dataplane.Kernel, so that it can be faked"},
	{path: "github.com/mdlayher/netlink", folders: kernel, because: "the kernel is behind dataplane.Kernel, so that it can be faked"},
	{path: "github.com/vishvananda/netns", folders: kernel, because: "evpnd works in the namespace it is started in", tests: true},
	{path: Module + "/proto", folders: []string{"proto", "cmd", "test"}, because: "the API is how the daemon is seen, not how it works"},
}

// Check returns a sentence when i breaks a rule, and "" when it does not.
func Check(i Import) string {
	for _, p := range places {
		if within(i.Path, p.path) && !(p.tests && i.Test) && !slices.ContainsFunc(p.folders, func(f string) bool { return within(i.From, f) }) {
			return fmt.Sprintf("%s: %s imports %s, which only %s may: %s", i.Pos, i.From, i.Path, strings.Join(p.folders, " and "), p.because)
		}
	}
	l, ok := layerOf(i.From)
	if !ok {
		return fmt.Sprintf("%s: %s is in no folder of the table of imports: move it, or add its folder to test/imports and docs/architecture.md", i.Pos, i.From)
	}
	folder, ours := strings.CutPrefix(i.Path, Module+"/")
	switch {
	case i.Path == Module:
		return fmt.Sprintf("%s: %s imports the root of the module, which holds no package", i.Pos, i.From)
	case !ours && l.stdOnly && !i.Test && !standard(i.Path):
		return fmt.Sprintf("%s: %s imports %s, but only the standard library may be imported there: %s", i.Pos, i.From, i.Path, l.because)
	case !ours || l.allows(folder, i.Test):
		return ""
	case len(l.ours) == 0:
		return fmt.Sprintf("%s: %s imports %s, but nothing of ours may be imported there: %s", i.Pos, i.From, folder, l.because)
	}
	return fmt.Sprintf("%s: %s imports %s, but of ours only %s may be imported there: %s", i.Pos, i.From, folder, strings.Join(l.ours, ", "), l.because)
}

func layerOf(folder string) (layer, bool) {
	for _, l := range layers {
		if within(folder, l.folder) {
			return l, true
		}
	}
	return layer{}, false
}

func (l layer) allows(folder string, test bool) bool {
	allowed := append([]string{l.folder}, l.ours...)
	if test {
		allowed = append(allowed, l.fromTest...)
	}
	return slices.ContainsFunc(allowed, func(f string) bool { return f == anywhere || within(folder, f) })
}

// within tells whether path is top or below it.
func within(path, top string) bool { return path == top || strings.HasPrefix(path, top+"/") }

// standard tells whether a package comes with Go: its first element has no
// dot, which go mod asks of every module's.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}
