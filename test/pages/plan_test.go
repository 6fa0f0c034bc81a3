package pages

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// plan says of the blocks of a page who tries them: a test of this package, by
// its name, or one elsewhere, as "package Test". begins is how the block
// begins, and "" stands for every block of that kind.
var plan = []struct{ page, lang, begins, by string }{
	{"README.md", "console", "$ make demo", "test/demo TestDemo"},
	{"README.md", "console", "$ make test", "test/report TestReport"},
	{"README.md", "sh", "ip link add br200", "TestQuickStart"},
	{"README.md", "yaml", "bgp:", "TestQuickStart"},
	{"README.md", "sh", "evpnd --check", "TestQuickStart"},
	{"README.md", "sh", "evpnctl status", "TestQuickStart"},
	{"README.md", "yaml", "vnis:", "TestQuickStart"},
	{"docs/configuration.md", "yaml", "", "TestConfigurations"},
	{"docs/configuration.md", "console", "$ evpnd --check", "TestMistakes"},
	{"docs/docker.md", "sh", "", "test/docker TestDocker"},
	{"docs/doctor.md", "console", "$ evpnctl doctor", "TestDoctor"},
	{"docs/explain.md", "console", "$ evpnctl explain", "test/interop TestExplain"},
	{"docs/explain.md", "console", "$ evpnctl config diff", "test/interop TestConfigDiff"},
	{"docs/metrics.md", "yaml", "metrics:", "TestQuickStart"},
	{"docs/metrics.md", "yaml", "# prometheus.yml", "TestPrometheus"},
	{"docs/security.md", "sh", "install -D", "TestInstall"},
	{"docs/security.md", "sh", "useradd", "TestInstall"},
	{"docs/security.md", "sh", "chgrp", "TestInstall"},
	{"docs/security.md", "sh", "systemctl", "TestInstall"},
	{"docs/security.md", "sh", "caps=", "TestInstall"},
	{"docs/security.md", "yaml", "api:", "TestInstall"},
	{"docs/security.md", "console", "$ systemd-analyze", "test/host TestExposure"},
}

// by returns who tries a block, and "" when nobody does.
func by(b Block) (row int, who string) {
	for i, p := range plan {
		if b.Page == p.page && b.Lang == p.lang && strings.HasPrefix(b.Text, p.begins) {
			return i, p.by
		}
	}
	return -1, ""
}

// Every block is tried by somebody, and whoever is said to do it is there.
func TestPlan(t *testing.T) {
	sh, seen := newShell(t), map[int]bool{}
	for _, p := range read(t) {
		for _, b := range p.Blocks {
			row, who := by(b)
			seen[row] = true
			if b.Lang == "console" && called.MatchString(b.Commands()) {
				sh.look(t, b.String(), b.Commands())
			}
			switch {
			case who != "":
			case b.Lang == "sh":
				sh.look(t, b.String(), b.Text)
			case b.Lang == "text":
				for line := range strings.Lines(b.Text) {
					if called.MatchString(line) || strings.HasPrefix(line, "$ ") {
						t.Errorf("%v: a block of the kind text has a command: %s", b, line)
					}
				}
			default:
				t.Errorf("%v: nobody tries this block of the kind %q; a kind is sh, console, yaml or text, and who tries it stands in the table plan", b, b.Lang)
			}
		}
	}
	for i, p := range plan {
		if !seen[i] {
			t.Errorf("%s has no block of the kind %s that begins with %q", p.page, p.lang, p.begins)
		}
		pkg, test, elsewhere := strings.Cut(p.by, " ")
		if !elsewhere {
			pkg, test = "test/pages", p.by
		}
		if names, err := tests("./" + pkg); err != nil || !slices.Contains(names, test) {
			t.Errorf("%s: %s is to be tried by %s of %s, which is not there: %v", p.page, p.begins, test, pkg, err)
		}
	}
}

// block returns the one block of a page that begins so, for the test that is
// to try it.
func block(t *testing.T, page, begins string) Block {
	t.Helper()
	p, err := Read(root, page)
	if err != nil {
		t.Fatal(err)
	}
	var found []Block
	for _, b := range p.Blocks {
		if strings.HasPrefix(b.Text, begins) {
			found = append(found, b)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s has %d blocks that begin with %q, want one", path.Base(page), len(found), begins)
	}
	if _, who := by(found[0]); who != t.Name() {
		t.Errorf("%v: tried by %s, and the table says %q", found[0], t.Name(), who)
	}
	return found[0]
}
