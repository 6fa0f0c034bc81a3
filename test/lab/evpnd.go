package lab

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Evpnd is an evpnd on a node.
type Evpnd struct {
	*Proc
	API    string // for evpnctl --api
	Config string // its file
	ns     *NS
	prog   string // what Restart starts
	head   string // what the lab adds to the configuration
}

// Evpnd starts evpnd in the namespace. config is YAML without the keys api,
// state and log, which the lab adds; EVPND_LAB_LOG=debug makes it say more.
func (n *NS) Evpnd(config string) *Evpnd {
	n.lab.Helper()
	e := &Evpnd{
		ns: n, API: "unix://" + filepath.Join(n.Dir(), "evpnd.sock"), Config: filepath.Join(n.Dir(), "evpnd.yaml"),
		prog: Binary(n.lab, "evpnd"),
	}
	e.head = fmt.Sprintf("api:\n  listen: %s\nstate:\n  directory: %s\nlog:\n  level: %s\n", e.API, filepath.Join(n.Dir(), "state"), cmp.Or(os.Getenv("EVPND_LAB_LOG"), "info"))
	e.write(config)
	e.Restart()
	return e
}

func (e *Evpnd) write(config string) {
	e.ns.lab.Helper()
	if err := e.ns.lab.create(func() error { return os.WriteFile(e.Config, []byte(e.head+config), 0o644) }); err != nil {
		e.ns.lab.Fatalf("lab: %v", err)
	}
}

// Restart starts evpnd again after it was ended, and waits until its API
// answers.
func (e *Evpnd) Restart() {
	e.ns.lab.Helper()
	e.Proc = e.ns.Start("evpnd", e.prog, "--config", e.Config)
	e.ns.lab.Until(10*time.Second, e.Name+" answers", func() (bool, string) {
		if !e.Running() {
			e.ns.lab.Fatalf("%s ended: %v\n%s", e.Name, e.err, indent(tail(e.Output(), 20)))
		}
		out, err := e.Try("status")
		return err == nil, out
	})
}

// Upgrade has the next Restart start another file, with the same content.
func (e *Evpnd) Upgrade() {
	e.ns.lab.Helper()
	b, err := os.ReadFile(e.prog)
	if err == nil {
		e.prog = filepath.Join(e.ns.Dir(), fmt.Sprintf("evpnd-%d", time.Now().UnixNano()))
		err = e.ns.lab.create(func() error { return os.WriteFile(e.prog, b, 0o755) })
	}
	if err != nil {
		e.ns.lab.Fatalf("lab: upgrade of %s: %v", e.Name, err)
	}
}

// Reload gives evpnd another configuration while it runs.
func (e *Evpnd) Reload(config string) {
	e.ns.lab.Helper()
	e.write(config)
	e.Ctl("config", "reload")
}

// Diff asks what Reload would change, and returns what evpnctl printed. It fails
// with exit status 1 when something would.
func (e *Evpnd) Diff(config string, args ...string) (string, error) {
	e.ns.lab.Helper()
	file := e.Config + ".new"
	if err := e.ns.lab.create(func() error { return os.WriteFile(file, []byte(e.head+config), 0o644) }); err != nil {
		e.ns.lab.Fatalf("lab: %v", err)
	}
	return e.Try(append([]string{"config", "diff", file}, args...)...)
}

// Try runs evpnctl and returns what it printed, on both outputs.
func (e *Evpnd) Try(args ...string) (string, error) {
	out, err := exec.Command(Binary(e.ns.lab, "evpnctl"), append([]string{"--api", e.API}, args...)...).CombinedOutput()
	return string(out), err
}

// Ctl is Try for what has to work.
func (e *Evpnd) Ctl(args ...string) string {
	e.ns.lab.Helper()
	out, err := e.Try(args...)
	if err != nil {
		e.ns.lab.Fatalf("%s: evpnctl %s: %v\n%s", e.Name, strings.Join(args, " "), err, indent(out))
	}
	return out
}

// list decodes what evpnctl prints with -o json.
func list[E any](e *Evpnd, args ...string) []E {
	e.ns.lab.Helper()
	out := e.Ctl(append(args, "-o", "json")...)
	var v []E
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		e.ns.lab.Fatalf("%s: evpnctl %s -o json: %v\n%s", e.Name, strings.Join(args, " "), err, indent(out))
	}
	return v
}

// Peer is an object of evpnctl peer list.
type Peer struct {
	Address     netip.Addr `json:"address"`
	ASN         uint32     `json:"asn"`
	State       string     `json:"state"`
	Description string     `json:"description"`
	Established int        `json:"established_count"` // times it became so
}

// Peers returns evpnd's peers.
func (e *Evpnd) Peers() []Peer {
	e.ns.lab.Helper()
	return list[Peer](e, "peer", "list")
}

// MAC is an object of evpnctl mac list.
type MAC struct {
	VNI       int          `json:"vni"`
	MAC       string       `json:"mac"`
	IPs       []netip.Addr `json:"ips"`
	Origin    string       `json:"origin"`
	Interface string       `json:"interface"`
	VTEP      string       `json:"vtep"`
	Sequence  uint32       `json:"sequence"`
	Sticky    bool         `json:"sticky"`
	State     string       `json:"state"`
}

// MACs returns the MACs of a VNI as evpnd sees them.
func (e *Evpnd) MACs(vni int) []MAC {
	e.ns.lab.Helper()
	return list[MAC](e, "mac", "list", "--vni", fmt.Sprint(vni))
}

// Status is what evpnctl status says.
type Status struct {
	Synced bool `json:"synced"`  // the peers have said all
	InSync bool `json:"in_sync"` // the kernel holds all that is wanted
	// Repaired counts entries that others removed or changed.
	Repaired int `json:"repaired"`
	Counts   struct {
		RemoteMACs int `json:"remote_macs"`
		Entries    int `json:"kernel_entries"`
	} `json:"counts"`
	Alarms []struct {
		Kind   string `json:"kind"`
		Object string `json:"object"`
		Text   string `json:"text"`
	} `json:"alarms"`
	Process struct {
		Goroutines    int    `json:"goroutines"`
		HeapLiveBytes uint64 `json:"heap_live_bytes"` // what the last collection found
		GCCycles      uint64 `json:"gc_cycles"`
		OpenFiles     int    `json:"open_files"`
		ResidentBytes uint64 `json:"resident_bytes"`
	} `json:"process"`
}

// Status returns how evpnd is.
func (e *Evpnd) Status() Status {
	e.ns.lab.Helper()
	var s Status
	out := e.Ctl("status", "-o", "json")
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		e.ns.lab.Fatalf("%s: evpnctl status -o json: %v\n%s", e.Name, err, indent(out))
	}
	return s
}

// Established waits until evpnd has so many established sessions.
func (e *Evpnd) Established(sessions int) {
	e.ns.lab.Helper()
	e.ns.lab.Until(20*time.Second, e.Name+": sessions are established", func() (bool, string) {
		up := 0
		for _, p := range e.Peers() {
			if p.State == "established" {
				up++
			}
		}
		return up == sessions, e.Ctl("peer", "list") + tail(e.Output(), 10)
	})
}

// KnowsMAC waits until evpnd has the MAC in the VNI, behind the VTEP, or
// locally when vtep is not valid, and returns what it says of it.
func (e *Evpnd) KnowsMAC(vni int, mac string, vtep netip.Addr) MAC {
	e.ns.lab.Helper()
	var found MAC
	e.ns.lab.Until(10*time.Second, fmt.Sprintf("%s: MAC %s of VNI %d behind %v", e.Name, mac, vni, vtep), func() (bool, string) {
		for _, m := range e.MACs(vni) {
			local := !vtep.IsValid() && m.Origin == "local"
			remote := vtep.IsValid() && m.Origin == "remote" && m.VTEP == vtep.String()
			if m.MAC == mac && (local || remote) {
				found = m
				return true, ""
			}
		}
		return false, e.Ctl("mac", "list") + e.Ctl("peer", "list")
	})
	return found
}

// built are the binaries that this program has built.
var built struct {
	sync.Mutex
	dir string
	err error
}

// Binary returns the path of evpnd, evpnctl, or the reflector of the fault
// suite: the first two in the directory that EVPND_BIN names, and
// otherwise built from the tree, once for the program.
func Binary(t T, name string) string {
	t.Helper()
	if dir := os.Getenv("EVPND_BIN"); dir != "" && name != "reflector" {
		return filepath.Join(dir, name)
	}
	built.Lock()
	defer built.Unlock()
	if built.dir == "" && built.err == nil {
		built.dir, built.err = build()
	}
	if built.err != nil {
		t.Fatalf("lab: %v", built.err)
	}
	return filepath.Join(built.dir, name)
}

func build() (string, error) {
	dir, err := os.MkdirTemp("", "evpnd-bin-")
	if err != nil {
		return "", err
	}
	cmd := exec.Command("go", "build", "-o", dir, "./cmd/evpnd", "./cmd/evpnctl", "./test/reflector")
	cmd.Dir = root()
	if out, err := cmd.CombinedOutput(); err != nil {
		_ = os.RemoveAll(dir)
		return "", fmt.Errorf("go build: %w\n%s", err, indent(string(out)))
	}
	return dir, nil
}

// RemoveBuilt removes what Binary has built. Main calls it; a program
// without Main calls it at its end.
func RemoveBuilt() {
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		_ = os.RemoveAll(built.dir)
	}
}

// root returns the top of the source tree, where go.mod is.
func root() string {
	dir, err := os.Getwd()
	if err != nil {
		return "."
	}
	for d := dir; d != "/"; d = filepath.Dir(d) {
		if _, err := os.Stat(filepath.Join(d, "go.mod")); err == nil {
			return d
		}
	}
	return dir
}
