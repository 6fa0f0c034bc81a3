package host

import (
	"encoding/json"
	"net/netip"
	"os/exec"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

type fault struct {
	Check, Severity, Object string
	Fix                     []string
}

// doctor runs evpnctl doctor in the namespace of h.
func (h *host) doctor(more ...string) (out []fault, status int) {
	h.t.Helper()
	cmd := exec.Command("ip", append([]string{"netns", "exec", h.NS.Name, lab.Binary(h.t, "evpnctl"), "doctor", "-o", "json"}, more...)...)
	text, err := cmd.Output()
	if status = exitCode(err); err != nil && status == 0 {
		h.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		h.t.Fatalf("doctor %q: exit %d, %v\n%s", more, status, err, text)
	}
	return out, status
}

// The doctor as an operator meets it: before the first start of evpnd, with
// it, and when something breaks while it runs.
func TestDoctor(t *testing.T) {
	h := newHost(t)
	sick := func(when string, status int, want string, more ...string) []fault {
		t.Helper()
		faults, got := h.doctor(more...)
		checks := ""
		var some []fault
		for _, f := range faults {
			if f.Check != "clock" && f.Check != "bridge-nf" { // those of this machine
				checks += f.Check + " " + f.Object + "; "
				some = append(some, f)
			}
		}
		if checks != want || len(faults) == len(some) && got != status {
			t.Errorf("%s: found %q, exit %d; want %q, exit %d", when, checks, got, want, status)
		}
		return some
	}
	mend := func(fs []fault) {
		t.Helper()
		for _, f := range fs {
			for _, c := range f.Fix {
				h.Must("sh", "-c", c)
			}
		}
	}
	h.IP("link", "add", "vx", "type", "vxlan", "id", "200", "dstport", "4789", "local", "172.30.0.1", "learning")
	mend(sick("before evpnd, a device in no bridge", exitErrors, "no-bridge device vx; device-down device vx; vxlan-learning device vx; ", "--host-only"))
	sick("mended", 0, "", "--host-only")

	e := h.Evpnd(minimal)
	h.shows(e, "vni list", "200", "served")
	sick("with evpnd", 0, "", "--api", e.API)
	h.NS.Addr("lo", netip.MustParsePrefix("172.30.0.2/32"))
	h.IP("link", "set", "vx", "type", "vxlan", "local", "172.30.0.2")
	mend(sick("another local address than the configuration has", exitWarnings, "local-differs device vx; ", "--api", e.API, "--config", e.Config))
	sick("mended", 0, "", "--api", e.API, "--config", e.Config)
	e.Reload(minimal + "vnis: {settings: [{vni: 200, import: ['*:999']}]}\n")
	sick("it imports not what it exports", exitWarnings, "export-not-imported vni 200; ", "--api", e.API)
	e.Reload(minimal)
	sick("it does again", 0, "", "--api", e.API)
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
	sick("evpnd has ended", 0, "no-evpnd ; ", "--api", e.API, "--config", e.Config)
}

const exitWarnings, exitErrors = 3, 4
