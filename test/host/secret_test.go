package host

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
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

// The secrets of TestSecrets, which look like nothing else.
const (
	inLine   = "Xylo-Inline-1"
	inFile   = "Xylo-File-2"
	forRange = "Xylo-Range-3"
)

const secretive = `bgp:
  asn: 65000
  listen: 10.90.1.1
  peers:
    - {address: 10.90.1.2, asn: 65000, password: Xylo-Inline-1}
    - {address: 10.90.1.3, asn: 65000, password-file: peer.password}
  dynamic-peers:
    - {range: 10.90.2.0/24, password: Xylo-Range-3}
vtep:
  address: 10.90.1.1
log:
  level: debug
`

// Neither a password nor the key of the certificate is in the log, at debug
// level, in any answer of the API, or in an error of a file that is wrong;
// with sessions that are up, and such as do not come up.
func TestSecrets(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Setpriv, lab.Users)
	l := lab.New(t)
	under := l.Fabric("underlay")
	h1 := under.Node("h1", netip.MustParsePrefix("10.90.1.1/24"))
	h2 := under.Node("h2", netip.MustParsePrefix("10.90.1.2/24"))
	h1.AddVNI(lab.VNI{VNI: 200})
	s := newService(t, h1.NS)
	s.file("peer.password", inFile+"\n")
	ca := newAuthority(t, s)
	_, key := ca.issue("server")
	api := s.rest(", 'tcp://127.0.0.1:50051'") + "  tls: {cert: server.pem, key: server.key, client-ca: ca.pem}\n"
	s.start(h1.NS, secretive+api)
	good := h2.Evpnd(strings.Replace(strings.Replace(other, password, inLine, 1), ", ttl-security: 1", "", 1))
	good.Established(1)

	secrets := append(keyLines(t, key), inLine, inFile, forRange)
	hides := func(what, text string) {
		t.Helper()
		for _, secret := range secrets {
			for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte(secret))} {
				if strings.Contains(text, form) {
					t.Errorf("%s shows %q:\n%s", what, form, text)
				}
			}
		}
	}

	for _, c := range []string{
		"status", "peer list", "peer show 10.90.1.2", "peer show 10.90.1.3", "vni list", "vni show 200", "vtep list",
		"mac list", "neighbor list", "route list", "config reload", "peer reset 10.90.1.2", "version",
	} {
		for _, format := range []string{"json", "yaml", "wide"} {
			out, err := s.try(append(strings.Fields(c), "-o", format)...)
			if err != nil {
				t.Errorf("evpnctl %s -o %s: %v\n%s", c, format, err, out)
			}
			hides("evpnctl "+c, out)
		}
	}
	watch := h1.Start("watch", lab.Binary(t, "evpnctl"), "--api", s.api, "watch", "-o", "json")
	l.Until(10*time.Second, "watch has told all", func() (bool, string) {
		return strings.Contains(watch.Output(), "snapshot-end"), watch.Output()
	})
	hides("evpnctl watch", watch.Output())

	for what, change := range map[string][2]string{
		"an unknown key beside it":    {"password: Xylo-Inline-1", "password: Xylo-Inline-1, pasword: Xylo-Inline-1"},
		"a password that is too long": {"Xylo-Inline-1", strings.Repeat("Xylo-Inline-1", 10)},
		"a quote that is not closed":  {"Xylo-Inline-1", `"Xylo-Inline-1`},
		"an alias":                    {"Xylo-Inline-1", "*Xylo-Inline-1"},
		"a list":                      {"Xylo-Inline-1", "[Xylo-Inline-1]"},
		"a colon":                     {"Xylo-Range-3", "Xylo-Range-3: x"},
		"two passwords":               {"password-file: peer.password", "password-file: peer.password, password: Xylo-Inline-1"},
		"a wrong number beside it":    {"asn: 65000, password: Xylo-Inline-1", "asn: x, password: Xylo-Inline-1"},
		"the key for the certificate": {"key: server.key", "key: ca.pem, kee: server.key"},
		"a password that came twice":  {"password: Xylo-Inline-1", "password: Xylo-Inline-1, password: Xylo-Inline-1"},
	} {
		s.file("evpnd.yaml", strings.Replace(secretive+api, change[0], change[1], 1))
		out, err := s.try("config", "reload")
		if exitCode(err) != 1 || !strings.Contains(out, "was not changed") {
			t.Errorf("%s: reload ended with %v\n%s", what, err, out)
		}
		hides(what, out)
		checked, _ := exec.Command(lab.Binary(t, "evpnd"), "--check", "--config", s.config).CombinedOutput()
		hides(what+", --check", string(checked))
	}
	s.Signal(syscall.SIGHUP) // its error goes to the log
	l.Until(10*time.Second, "the log has the mistake", func() (bool, string) {
		return strings.Contains(s.Output(), "the configuration was not changed"), s.Output()
	})
	log := s.Output()
	if !strings.Contains(log, "level=DEBUG") {
		t.Errorf("the log is not at debug level:\n%s", log)
	}
	hides("the log", log)
}

// keyLines returns the lines of a PEM file that are the key.
func keyLines(t *testing.T, path string) (lines []string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); len(line) > 20 && !strings.Contains(line, "-----") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		t.Fatalf("no key in %s", path)
	}
	return lines
}

// What evpnd's user may not read is told with what to do, and what everybody
// may read has an alarm.
func TestSecretFiles(t *testing.T) {
	h := newHost(t)
	s := newService(t, h.NS)
	pw := s.file("peer.password", inFile+"\n")
	config := "bgp:\n  asn: 65000\n  router-id: 172.30.0.1\n  peers: [{address: 192.0.2.1, asn: 65000, password-file: peer.password}]\n" + s.rest("")
	refused := func(file string) {
		t.Helper()
		<-s.Done()
		if err := s.Stop(); exitCode(err) != 1 || !hasAll(s.Output(), []string{file, "permission denied", "uid 54321", "chgrp 54321 " + file}) {
			t.Errorf("evpnd ended with %v:\n%s", err, s.Output())
		}
	}
	if err := os.Chmod(pw, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(h.NS, config)
	refused(pw)

	// To the same while it runs, and nothing changes.
	s.file("peer.password", inFile+"\n")
	s.start(h.NS, config)
	h.awaitLog(s.Proc, "msg=ready")
	if err := os.Chmod(pw, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := s.try("config", "reload"); exitCode(err) != 1 || !hasAll(out, []string{"was not changed", "chgrp 54321 " + pw}) {
		t.Errorf("reload ended with %v\n%s", err, out)
	}
	if out, err := s.try("status"); err != nil || strings.Contains(out, "secret-readable") {
		t.Errorf("status: %v\n%s", err, out)
	}

	// Open to all, as is the way to it.
	if err := errors.Join(os.Chmod(pw, 0o644), os.Chmod(filepath.Dir(pw), 0o755)); err != nil {
		t.Fatal(err)
	}
	s.shows(h.Lab, "status", pw, "chmod o-r")
	if err := os.Chmod(pw, 0o640); err != nil {
		t.Fatal(err)
	}
	h.Until(5*time.Second, "the alarm is over", func() (bool, string) {
		out, err := s.try("status")
		return err == nil && !strings.Contains(out, "secret-readable"), out
	})
}
