package host

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/test/lab"
)

const (
	password = "seven of nine" // of the session between the two evpnds
	serviced = `bgp:
  asn: 65000
  listen: 10.90.1.1
  peers:
    - {address: 10.90.1.2, asn: 65000, password-file: peer.password, interface: eth0, ttl-security: 1}
vtep:
  address: 10.90.1.1
vnis:
  settings:
    - {vni: 200, create: {ports: [v-c1]}}
`
	other = `bgp:
  asn: 65000
  listen: 10.90.1.2
  peers:
    - {address: 10.90.1.1, asn: 65000, password: "seven of nine", ttl-security: 1}
vtep:
  address: 10.90.1.2
`
)

// rest is the part of a service's configuration that is the same for all.
func (s *service) rest(more string) string {
	return fmt.Sprintf("state: {directory: %s}\napi:\n  listen: [%s%s]\n  group: %d\n  mode: 0666\n",
		filepath.Join(filepath.Dir(s.etc), "state"), s.api, more, socketGroup)
}

// As a user of its own, with three capabilities and nothing else, evpnd does
// all of its work.
func TestUnprivileged(t *testing.T) {
	lab.Need(t, lab.Namespaces, lab.Ping, lab.Setpriv, lab.Users)
	l := lab.New(t)
	under := l.Fabric("underlay")
	h1 := under.Node("h1", netip.MustParsePrefix("10.90.1.1/24"))
	h2 := under.Node("h2", netip.MustParsePrefix("10.90.1.2/24"))
	v := lab.VNI{VNI: 200}
	h2.AddVNI(v)
	c2 := h2.Container("c2", v, "02:42:ac:12:00:02", netip.MustParsePrefix("172.18.0.2/16"))
	e2 := h2.Evpnd(other)

	s := newService(t, h1.NS)
	s.file("peer.password", password+"\n")
	ca := newAuthority(t, s)
	ca.issue("server")
	s.start(h1.NS, serviced+s.rest(", 'tcp://127.0.0.1:50051'")+"  tls: {cert: server.pem, key: server.key, client-ca: ca.pem}\n")
	e2.Established(1)
	s.shows(l, "vni list", "200", "br200", "vxlan200", "served") // made by itself
	c1 := h1.Container("c1", v, "02:42:ac:12:00:01", netip.MustParsePrefix("172.18.0.1/16"))

	s.privileges(t)
	s.owns(t, filepath.Join(h1.Dir(), "run", "evpnd.sock"))

	l.Until(10*time.Second, "h2 knows c1 with its address", func() (bool, string) {
		c1.Announce() // heard on the port, as soon as evpnd knows that; br200 has no address
		m := e2.KnowsMAC(200, c1.MAC, h1.VTEP)
		return slices.Contains(m.IPs, c1.IPv4), fmt.Sprint(m, s.Output())
	})
	c2.Announce()
	l.Until(10*time.Second, "h1's kernel has c2 behind h2", func() (bool, string) {
		fdb := h1.FDB("vxlan200")
		return slices.ContainsFunc(fdb, func(e lab.FDBEntry) bool { return e.MAC == c2.MAC && e.Dst == h2.VTEP.String() }), fmt.Sprint(fdb)
	})
	l.Until(10*time.Second, "h1's kernel has c2's address", func() (bool, string) {
		ns := h1.Neighbors("br200")
		return slices.ContainsFunc(ns, func(n lab.Neighbor) bool { return n.IP == c2.IPv4 && n.MAC == c2.MAC }), fmt.Sprint(ns)
	})
	c1.Reach(c2.IPv4, 10*time.Second)
	if out, err := s.try("status"); err != nil || strings.Contains(out, "CAP_") || strings.Contains(out, "not permitted") {
		t.Errorf("status: %v\n%s", err, out)
	}
	if log := s.Output(); strings.Contains(log, "not permitted") || strings.Contains(log, "ermission denied") {
		t.Errorf("something was refused to evpnd:\n%s", log)
	}
	listening(t, h1.NS, s.Proc, []string{"10.90.1.1:179", "127.0.0.1:50051", leg}, []string{filepath.Join(h1.Dir(), "run", "evpnd.sock")})

	// What it has made it also removes.
	s.file("evpnd.yaml", strings.Replace(serviced, "{vni: 200, create: {ports: [v-c1]}}", "{vni: 300}", 1)+s.rest(""))
	if out, err := s.try("config", "reload"); err != nil {
		t.Errorf("reload: %v\n%s", err, out)
	}
	l.Until(10*time.Second, "vxlan200 is removed", func() (bool, string) {
		out, err := h1.Run("ip", "link", "show", "vxlan200")
		return err != nil, out
	})
	if err := s.Stop(); err != nil {
		t.Errorf("evpnd ended with %v:\n%s", err, s.Output())
	}
}

// privileges checks what the kernel says of the process.
func (s *service) privileges(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	caps := fmt.Sprintf("%016x", capabilities)
	id := strings.Repeat(strconv.Itoa(daemonUser)+"\t", 4)
	want := map[string]string{
		"Uid": strings.TrimSpace(id), "Gid": strings.TrimSpace(id), "Groups": strconv.Itoa(socketGroup), "NoNewPrivs": "1",
		"CapInh": caps, "CapPrm": caps, "CapEff": caps, "CapBnd": caps, "CapAmb": caps,
	}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		if w, ok := want[key]; ok && strings.TrimSpace(value) != w {
			t.Errorf("%s is %q, want %q", key, strings.TrimSpace(value), w)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		t.Errorf("/proc/PID/status lacks %v", want)
	}
}

// owns checks that the socket is what the configuration says.
func (s *service) owns(t *testing.T, sock string) {
	t.Helper()
	fi, err := os.Stat(sock)
	if err != nil {
		t.Fatal(err)
	}
	st := fi.Sys().(*syscall.Stat_t)
	if st.Uid != daemonUser || st.Gid != socketGroup || fi.Mode().Perm() != 0o666 {
		t.Errorf("the socket is of %d:%d with mode %v, want %d:%d with 0666", st.Uid, st.Gid, fi.Mode().Perm(), daemonUser, socketGroup)
	}
}

// A socket of another group that evpnd is not in is refused with what to do.
func TestSocketOfAForeignGroup(t *testing.T) {
	h := newHost(t)
	s := newService(t, h.NS)
	s.start(h.NS, minimal+strings.Replace(s.rest(""), strconv.Itoa(socketGroup), strconv.Itoa(adminGroup), 1))
	<-s.Done()
	if err := s.Stop(); exitCode(err) != 1 || !hasAll(s.Output(), []string{"api.group", "SupplementaryGroups=54323"}) {
		t.Errorf("evpnd ended with %v:\n%s", err, s.Output())
	}
}
