package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

// exposure finds the figure of systemd-analyze in its output, and in the page.
var exposure = regexp.MustCompile(`Overall exposure level for evpnd.service: ([0-9.]+)`)

// The unit is at least as closed as the page says, which is what the tool
// says of it, and systemd knows all that stands in it.
func TestExposure(t *testing.T) {
	lab.Need(t, lab.SystemdAnalyze)
	figure := func(what string, text []byte) float64 {
		m := exposure.FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s: no %s\n%s", what, exposure, text)
		}
		f, err := strconv.ParseFloat(string(m[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	top := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(top, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "configs/evpnd.service")
	cmd.Dir = top
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if is, most := figure("systemd-analyze", out), figure("docs/security.md", page); is > most {
		t.Errorf("exposure %.1f, docs/security.md says %.1f\n%s", is, most, out)
	}
	if unknown := regexp.MustCompile(`(?i)unknown key|failed to parse|invalid`).FindString(string(out)); unknown != "" {
		t.Errorf("systemd says %q\n%s", unknown, out)
	}
}
