package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

// A bad file changes nothing and is told by line and key, to evpnctl and to
// the log; a good one is taken on SIGHUP too.
func TestReload(t *testing.T) {
	h := newHost(t)
	h.addVNI("vx", "br0", "200")
	e := h.Evpnd(minimal)
	h.shows(e, "vni list", "200", "served")
	if err := appendTo(e.Config, "vnis: {selekt: [300]}\n"); err != nil {
		t.Fatal(err)
	}
	out, err := e.Try("config", "reload")
	if err == nil || !strings.Contains(out, "selekt") || !strings.Contains(out, `"select"`) {
		t.Errorf("reload of a bad file: %v\n%s", err, out)
	}
	e.Signal(syscall.SIGHUP)
	h.Until(5*time.Second, "the log has the mistake", func() (bool, string) {
		return strings.Contains(e.Output(), "configuration was not changed"), e.Output()
	})
	h.shows(e, "vni list", "200", "served")

	good, err := os.ReadFile(e.Config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(e.Config, []byte(strings.Replace(string(good), "selekt", "select", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	e.Signal(syscall.SIGHUP)
	h.shows(e, "vni list", "200", "not served")
}

func appendTo(file, text string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// Without a router id anywhere evpnd says so, and begins as soon as the
// loopback interface has an address to take it from.
func TestIdentityFromLoopback(t *testing.T) {
	lab.Need(t, lab.Namespaces)
	l := lab.New(t)
	h := &host{Lab: l, NS: l.NS("h1"), t: t}
	e := h.Evpnd("bgp: {asn: 65000, listen: 127.0.0.1}\n")
	h.shows(e, "status", "router id", "bgp.router-id")
	h.shows(e, "status", "ready:", "no")
	h.NS.Addr("lo", netip.MustParsePrefix("172.30.0.7/32"))
	h.shows(e, "status", "router id:", "172.30.0.7")
	h.shows(e, "status", "ready:", "yes")
}

// A port that is taken is told, and taken over when it is free.
func TestPortTaken(t *testing.T) {
	h := newHost(t)
	h.addVNI("vx", "br0", "200")
	var other net.Listener
	if err := h.Do(func() (err error) {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		other, err = lc.Listen(context.Background(), "tcp4", "127.0.0.1:179")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	e := h.Evpnd(minimal)
	h.shows(e, "status", "127.0.0.1:179", "in use")
	h.shows(e, "vni list", "200", "served")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	h.hides(e, "status", "127.0.0.1:179")
}

// A socket of the API that a live daemon has is not taken from it.
func TestAPITaken(t *testing.T) {
	h := newHost(t)
	e := h.Evpnd(minimal)
	second := h.Start("second", lab.Binary(t, "evpnd"), "--config", e.Config)
	<-second.Done()
	if err := second.Stop(); exitCode(err) != 1 || !strings.Contains(second.Output(), "evpnd.sock") {
		t.Errorf("the second evpnd ended with %v:\n%s", err, second.Output())
	}
	h.shows(e, "status", "ready:", "yes")
}

func exitCode(err error) int {
	if x, ok := err.(*exec.ExitError); ok {
		return x.ExitCode()
	}
	return 0
}

// Without CAP_NET_ADMIN evpnd says what is missing and serves what it can.
func TestMissingPrivilege(t *testing.T) {
	h := newHost(t)
	lab.Need(t, lab.Setpriv)
	h.IP("link", "add", "br0", "type", "bridge")
	h.IP("link", "add", "vx", "type", "vxlan", "id", "200", "dstport", "4789", "local", "172.30.0.1", "learning")
	h.IP("link", "set", "vx", "master", "br0", "up")
	h.IP("link", "set", "br0", "up")
	dir := t.TempDir()
	api := "unix://" + filepath.Join(dir, "s")
	file := filepath.Join(dir, "c.yaml")
	if err := os.WriteFile(file, []byte(minimal+"api: {listen: '"+api+"'}\nstate: {directory: '"+dir+"'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Start("evpnd", "setpriv", "--inh-caps=-net_admin", "--bounding-set=-net_admin", lab.Binary(t, "evpnd"), "--config", file)
	h.Until(10*time.Second, "status tells of CAP_NET_ADMIN", func() (bool, string) {
		out, _ := exec.Command(lab.Binary(t, "evpnctl"), "--api", api, "status").CombinedOutput()
		return strings.Contains(string(out), "CAP_NET_ADMIN") && strings.Contains(string(out), "vnis:           1"), string(out)
	})
}

// A namespace whose loopback interface is down is told so at once: the
// sessions need it.
func TestLoopbackDown(t *testing.T) {
	h := newHost(t)
	h.IP("link", "set", "lo", "down")
	file := filepath.Join(h.Dir(), "c.yaml")
	if err := os.WriteFile(file, []byte(minimal+"api: {listen: none}\nstate: {directory: '"+h.Dir()+"'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := h.Start("evpnd", lab.Binary(t, "evpnd"), "--config", file)
	<-p.Done()
	if err := p.Stop(); exitCode(err) != 1 || !strings.Contains(p.Output(), "ip link set lo up") {
		t.Errorf("evpnd ended with %v:\n%s", err, p.Output())
	}
}

// systemd is told when evpnd is ready, and when it stops.
func TestNotify(t *testing.T) {
	h := newHost(t)
	path := filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	e := h.Evpnd(minimal)
	next := func() string {
		b := make([]byte, 256)
		if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("no word for systemd: %v", err)
		}
		return string(b[:n])
	}
	if s := next(); s != "READY=1" {
		t.Errorf("first word %q, want READY=1", s)
	}
	if err := e.Stop(); err != nil {
		t.Errorf("evpnd ended with %v", err)
	}
	if s := next(); s != "STOPPING=1" {
		t.Errorf("last word %q, want STOPPING=1", s)
	}
}

// --check says what is wrong by line and key, and does nothing else.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		text string
		code int
		want []string
	}{
		"good":    {minimal, 0, []string{"valid"}},
		"unknown": {minimal + "vtepp: {}\n", 1, []string{":7", "vtepp", `"vtep"`}},
		"two":     {"bgp: {asn: 0, router-id: x}\n", 1, []string{"bgp.asn", "bgp.router-id"}},
	} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(lab.Binary(t, "evpnd"), "--check", "--config", file).CombinedOutput()
		if exitCode(err) != c.code || !hasAll(string(out), c.want) {
			t.Errorf("%s: exit %v\n%s", name, err, out)
		}
	}
	for args, want := range map[string]string{"--nonsense": "unknown flag", "surplus": "surplus"} {
		out, err := exec.Command(lab.Binary(t, "evpnd"), args).CombinedOutput()
		if exitCode(err) != 2 || !strings.Contains(string(out), want) {
			t.Errorf("evpnd %s: exit %v\n%s", args, err, out)
		}
	}
	if out, err := exec.Command(lab.Binary(t, "evpnd"), "--config", filepath.Join(dir, "none")).CombinedOutput(); exitCode(err) != 1 {
		t.Errorf("no file: exit %v\n%s", err, out)
	}
}
