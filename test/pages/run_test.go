package pages

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

const config = "/etc/evpnd/evpnd.yaml"

// Who does what the README says has two hosts whose containers reach each
// other.
func TestQuickStart(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Ping, lab.Hosts)
	t.Parallel()
	l := lab.New(t)
	under := l.Fabric("underlay")
	a, b := newHost(t, l, under, "a", "192.0.2.1/24"), newHost(t, l, under, "b", "192.0.2.2/24")
	devices, file := block(t, "README.md", "ip link add br200"), block(t, "README.md", "bgp:")
	start, look := block(t, "README.md", "evpnd --check"), block(t, "README.md", "evpnctl status")
	a.run(devices)
	b.run(other(devices))
	a.write(config, file.Text)
	b.write(config, other(file).Text)
	a.stay(l, start)
	b.stay(l, start)
	for _, h := range []*host{a, b} {
		l.Until(20*time.Second, "the session is established", func() (bool, string) {
			out, err := h.try("evpnctl peer list")
			return err == nil && strings.Contains(out, "established"), out
		})
	}

	vni := lab.VNI{VNI: 200}
	c1 := a.Container("c1", vni, "02:42:ac:12:00:0a", netip.MustParsePrefix("172.18.0.10/16"))
	c2 := b.Container("c2", vni, "02:42:ac:12:00:0b", netip.MustParsePrefix("172.18.0.11/16"))
	reach := func(when string) {
		l.Until(20*time.Second, "the containers reach each other "+when, func() (bool, string) {
			out, err := c1.Run("ping", "-c", "1", "-W", "1", c2.IPv4.String())
			return err == nil, out
		})
		c1.Must("ping", "-c", "2", "-i", "0.2", "-W", "2", "-M", "do", "-s", "1422", c2.IPv4.String()) // and 28 bytes of headers
	}
	reach("by the devices that were made by hand")
	for _, h := range []*host{a, b} {
		h.run(look)
		l.Until(10*time.Second, "both containers are listed", func() (bool, string) {
			out, err := h.try("evpnctl mac list")
			return err == nil && strings.Contains(out, c1.MAC) && strings.Contains(out, c2.MAC), out
		})
	}

	made := block(t, "README.md", "vnis:")
	for i, h := range []*host{a, b} {
		h.IP("link", "del", "vxlan200")
		h.IP("link", "del", "br200")
		h.write(config, []string{file.Text, other(file).Text}[i]+made.Text)
		if out, err := h.try("evpnctl config reload"); err != nil {
			t.Fatal(err, out)
		}
		l.Until(10*time.Second, "evpnd makes the devices", func() (bool, string) {
			out, err := h.Run("ip", "link", "show", "master", "br200")
			return err == nil && strings.Contains(out, "vxlan200"), out
		})
	}
	c1.Plug(vni)
	c2.Plug(vni)
	reach("by the devices that evpnd made")

	a.write(config, file.Text+made.Text+block(t, "docs/metrics.md", "metrics:").Text)
	if out, err := a.try("evpnctl config reload"); err != nil {
		t.Fatal(err, out)
	}
	for _, page := range []string{"/metrics", "/healthz"} {
		l.Until(10*time.Second, page+" is served", func() (bool, string) {
			status, body, err := a.Get("http://127.0.0.1:9179" + page)
			return err == nil && status == 200, fmt.Sprint(status, err, body)
		})
	}
}

// Who installs evpnd as docs/security.md says has one that is not root.
func TestInstall(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Hosts, lab.Users, lab.Setpriv, lab.SystemdAnalyze)
	t.Parallel()
	const page = "docs/security.md"
	l := lab.New(t)
	under := l.Fabric("underlay")
	file, err := Read(root, "README.md")
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for _, b := range file.Blocks {
		if b.Lang == "yaml" && strings.HasPrefix(b.Text, "bgp:") {
			text = b.Text
		}
	}
	user := map[string]string{"a": "install -D", "b": "useradd"} // two ways to make it
	for i, name := range []string{"a", "b"} {
		h := newHost(t, l, under, name, fmt.Sprintf("192.0.2.%d/24", i+1))
		h.write(config, text)
		// As the README has it, root tried it first, and left its files.
		h.shutdown(h.stay(l, Block{Page: page, Text: "evpnd --config " + config}))
		h.run(block(t, page, user[name]))
		h.run(block(t, page, "chgrp"))
		if name == "a" {
			h.run(block(t, page, "systemctl"))
		}
		p := h.stay(l, block(t, page, "caps="))
		out, err := h.try("stat -c '%U' /run/evpnd/evpnd.sock; stat -c '%U %a' " + config)
		if err != nil || out != "evpnd\nroot 640\n" {
			t.Errorf("%s: %v, socket and configuration are of %q, want evpnd and root 640", name, err, out)
		}
		if strings.Contains(p.Output(), "permission denied") {
			t.Errorf("%s: evpnd may not what it must:\n%s", name, p.Output())
		}
		h.shutdown(p)
	}
	h := newHost(t, l, under, "c", "192.0.2.3/24")
	h.write(config, text+block(t, page, "api:").Text)
	if out, err := h.try("groupadd -f netadmin && evpnd --check --config " + config); err != nil {
		t.Errorf("the section api of %s: %v %s", page, err, out)
	}
}

// The fault that docs/doctor.md shows is found and told as it stands there, and
// the commands mend it.
func TestDoctor(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Hosts)
	t.Parallel()
	l := lab.New(t)
	h := newHost(t, l, l.Fabric("underlay"), "a", "192.0.2.1/24")
	h.AddVNI(lab.VNI{VNI: 200})
	h.IP("link", "set", "vxlan200", "mtu", "1500")
	h.IP("link", "set", "br200", "mtu", "1500")
	h.Bridge("link", "set", "dev", "vxlan200", "learning", "off", "neigh_suppress", "on") // what evpnd sets
	shown := block(t, "docs/doctor.md", "$ evpnctl doctor")
	out, _ := h.try(shown.Commands() + "true") // the status is that of errors
	lines := shown.Output()
	if missing := Missing(lines[:len(lines)-1], out); len(missing) > 0 {
		t.Errorf("%v: it does not print\n%s\nbut\n%s", shown, strings.Join(missing, "\n"), out)
	}
	if !strings.Contains(out, "1 error, ") {
		t.Errorf("want one error:\n%s", out)
	}
	for _, line := range lines {
		if fix, ok := strings.CutPrefix(line, "fix "); ok {
			if out, err := h.try(fix); err != nil {
				t.Errorf("%v: %s: %v %s", shown, fix, err, out)
			}
		}
	}
	if out, _ := h.try("evpnctl doctor"); strings.Contains(out, "underlay-mtu") || !strings.Contains(out, "0 errors, ") {
		t.Errorf("the commands do not mend it:\n%s", out)
	}
}

// The mistakes that docs/configuration.md shows are told as it stands there.
func TestMistakes(t *testing.T) {
	shown := block(t, "docs/configuration.md", "$ evpnd --check")
	dir := t.TempDir()
	wrong := "bgp:\n  asn: 65000\n  router_id: 192.0.2.1\n  peers:\n    - address: 192.0.2.2\n      asn: 65000\n      hold-time: 2\n"
	if err := os.WriteFile(filepath.Join(dir, "evpnd.yaml"), []byte(wrong), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(lab.Binary(t, "evpnd"), "--check", "--config", "evpnd.yaml")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if want := strings.Join(shown.Output(), "\n"); err == nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%v: it prints\n%s\nwant\n%s", shown, out, want)
	}
}

// The configurations of docs/configuration.md are valid, and the first is the
// minimal one, as it says.
func TestConfigurations(t *testing.T) {
	p, err := Read(root, "docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	least, err := os.ReadFile(filepath.Join(root, "configs/minimal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range p.Blocks {
		if b.Lang != "yaml" {
			continue
		}
		text := b.Text
		if i == 0 && !strings.HasSuffix(string(least), "\n"+text) {
			t.Errorf("%v: it is not configs/minimal.yaml", b)
		}
		if !strings.HasPrefix(text, "bgp:") {
			text = string(least) + text
		}
		check(t, b, text)
	}
}

// check asks evpnd what it says of a configuration.
func check(t *testing.T, b Block, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "evpnd.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(lab.Binary(t, "evpnd"), "--check", "--config", file).CombinedOutput(); err != nil {
		t.Errorf("%v: evpnd --check: %v\n%s", b, err, out)
	}
}

// Prometheus takes the configuration of docs/metrics.md.
func TestPrometheus(t *testing.T) {
	lab.Need(t, lab.Promtool)
	b := block(t, "docs/metrics.md", "# prometheus.yml")
	dir := t.TempDir()
	rules, err := os.ReadFile(filepath.Join(root, "configs/prometheus/alerts.yml"))
	if err == nil {
		err = os.Mkdir(filepath.Join(dir, "evpnd"), 0o755)
	}
	for name, text := range map[string]string{"prometheus.yml": b.Text, "evpnd/alerts.yml": string(rules)} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("promtool", "check", "config", filepath.Join(dir, "prometheus.yml")).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "1 rule files found") {
		t.Errorf("%v: promtool: %v\n%s", b, err, out)
	}
}
