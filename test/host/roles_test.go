package host

import (
	"fmt"
	"os/exec"
	"strconv"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

// Who may change something is who the configuration says, on the socket by
// user and group, over TCP by certificate; the others can read. What is
// refused changes nothing, and evpnctl says what to do.
func TestRoles(t *testing.T) {
	h := newHost(t)
	s := newService(t, h.NS)
	ca := newAuthority(t, s)
	ca.issue("server")
	aliceCert, aliceKey := ca.issue("alice")
	bobCert, bobKey := ca.issue("bob")
	s.start(h.NS, minimal+s.rest(", 'tcp://172.30.0.1:50051'")+fmt.Sprintf("  admin-group: %d\n", adminGroup)+
		"  tls: {cert: server.pem, key: server.key, client-ca: ca.pem, admins: [alice]}\n")
	h.awaitLog(s.Proc, "msg=ready")

	overTLS := func(cert, key string, args ...string) (string, error) {
		out, err := exec.Command("ip", append([]string{
			"netns", "exec", h.Name, lab.Binary(t, "evpnctl"),
			"--api", "tcp://172.30.0.1:50051", "--tls-cert", cert, "--tls-key", key, "--tls-ca", s.etc + "/ca.pem",
		}, args...)...).CombinedOutput()
		return string(out), err
	}
	root := func(args ...string) (string, error) { return s.try(args...) }
	self := func(args ...string) (string, error) { return s.tryAs(daemonUser, visitor, "", args...) }
	member := func(args ...string) (string, error) {
		return s.tryAs(visitor, visitor, strconv.Itoa(adminGroup), args...)
	}
	stranger := func(args ...string) (string, error) { return s.tryAs(visitor, visitor, "", args...) }
	alice := func(args ...string) (string, error) { return overTLS(aliceCert, aliceKey, args...) }
	bob := func(args ...string) (string, error) { return overTLS(bobCert, bobKey, args...) }
	for name, c := range map[string]struct {
		try   func(...string) (string, error)
		words []string // of the refusal; none: an admin
	}{
		"root":              {root, nil},
		"evpnd's own user":  {self, nil},
		"one of the group":  {member, nil},
		"a stranger":        {stranger, []string{"evpnctl: uid 54324 may only read", "ReloadConfig is for root", "group 54323", "api.admin-group"}},
		"an admin over TCP": {alice, nil},
		"a reader over TCP": {bob, []string{`evpnctl: the certificate of ["bob"] may only read`, "api.tls.admins"}},
	} {
		if out, err := c.try("status"); err != nil {
			t.Errorf("%s cannot read: %v\n%s", name, err, out)
		}
		out, err := c.try("config", "reload")
		if c.words == nil && err != nil {
			t.Errorf("%s cannot reload: %v\n%s", name, err, out)
		}
		if c.words != nil && (exitCode(err) != 1 || !hasAll(out, c.words)) {
			t.Errorf("%s: exit %v, want a refusal with %q\n%s", name, err, c.words, out)
		}
	}
	for _, args := range [][]string{{"shutdown", "--withdraw"}, {"peer", "reset", "192.0.2.1"}, {"mac", "unfreeze", "--vni", "200", "02:00:00:00:00:01"}} {
		if out, err := stranger(args...); exitCode(err) != 1 || !hasAll(out, []string{"may only read"}) {
			t.Errorf("a stranger: evpnctl %q: exit %v\n%s", args, err, out)
		}
	}
	if !s.Running() {
		t.Fatalf("evpnd has ended:\n%s", s.Output())
	}
	if out, err := member("shutdown"); err != nil {
		t.Errorf("an admin cannot shut it down: %v\n%s", err, out)
	}
	<-s.Done()
	if err := s.Stop(); err != nil {
		t.Errorf("evpnd ended with %v", err)
	}
}
