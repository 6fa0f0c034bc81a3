package bgp

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/evpnd/evpnd/evpn"
)

const bgpd = "/usr/lib/frr/bgpd"

// needFRR skips a test that cannot run here.
func needFRR(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(bgpd); err != nil {
		t.Skip("skipped: needs FRR (apt install frr)")
	}
}

// frr is a bgpd on 127.0.0.2.
type frr struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
}

func startFRR(t *testing.T, conf string) *frr {
	t.Helper()
	dir, err := os.MkdirTemp("", "evpnd-frr-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	u, err := user.Lookup("frr")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	file := filepath.Join(dir, "bgpd.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, uid, gid); err != nil {
		t.Fatal(err)
	}
	f := &frr{t: t, dir: dir}
	t.Cleanup(f.kill)
	f.start()
	return f
}

func (f *frr) start() {
	f.t.Helper()
	f.cmd = exec.Command(bgpd, "-f", filepath.Join(f.dir, "bgpd.conf"), "-i", filepath.Join(f.dir, "bgpd.pid"),
		"--vty_socket", f.dir, "-z", filepath.Join(f.dir, "zebra.api"), "-l", "127.0.0.2", "-p", "179", "--log", "stdout", "--no_zebra")
	out := &bytes.Buffer{}
	f.cmd.Stdout, f.cmd.Stderr = out, out
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := f.cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if f.t.Failed() {
			f.t.Logf("bgpd: %s", out)
		}
	})
}

// kill ends bgpd as a crash would.
func (f *frr) kill() {
	if f.cmd != nil {
		_ = f.cmd.Process.Kill()
		_ = f.cmd.Wait()
		f.cmd = nil
	}
}

func (f *frr) vtysh(command string) string {
	out, _ := exec.Command("vtysh", "--vty_socket", f.dir, "-d", "bgpd", "-c", command).CombinedOutput()
	return string(out)
}

const frrConf = `
router bgp 65000
 bgp router-id 10.0.0.2
 bgp graceful-restart
 no bgp default ipv4-unicast
 no bgp network import-check
 neighbor 127.0.0.1 remote-as 65000
 neighbor 127.0.0.1 timers connect 1
 neighbor 127.0.0.1 update-source 127.0.0.2
 %s
 address-family l2vpn evpn
  neighbor 127.0.0.1 activate
  neighbor 127.0.0.1 route-reflector-client
 exit-address-family
`

// TestFRR: sessions with FRR whoever connects, our routes as FRR shows them,
// and a bgpd that is killed, started, and cleared.
func TestFRR(t *testing.T) {
	needFRR(t)
	if !inNetns(t) {
		return
	}
	f := startFRR(t, fmt.Sprintf(frrConf, ""))
	peer := Peer{Address: netip.MustParseAddr("127.0.0.2"), Session: Session{AS: 65000, ConnectRetry: 100 * time.Millisecond}}
	s := run(t, Config{Listen: []netip.AddrPort{netip.AddrPortFrom(lo, 179)}, Peers: []Peer{peer}})
	s.Adverts() <- []evpn.Advert{local(10, "", 0), local(11, "172.18.0.11", 3)}
	up := seldom[*evpn.PeerUp](s)
	if up.RouterID != netip.MustParseAddr("10.0.0.2") || !up.Internal {
		t.Errorf("PeerUp %+v", up)
	}
	seldom[*evpn.EndOfRIB](s)
	eventually(t, "FRR shows our routes", func() bool {
		out := f.vtysh("show bgp l2vpn evpn route detail")
		return strings.Contains(out, "[2]:[0]:[48]:[02:42:ac:12:00:0b]:[32]:[172.18.0.11]") && strings.Contains(out, "[02:42:ac:12:00:0a]") &&
			strings.Contains(out, "RT:65000:10") && strings.Contains(out, "ET:8") && strings.Contains(out, "MM:3") && strings.Contains(out, "VNI 10")
	})
	nei := f.vtysh("show bgp neighbors 127.0.0.1 json")
	if !strings.Contains(nei, `"bgpState":"Established"`) {
		t.Errorf("FRR: %s", nei)
	}

	// Killed and started again.
	f.kill()
	seldom[*evpn.PeerDown](s)
	began := time.Now()
	f.start()
	seldom[*evpn.PeerUp](s)
	t.Logf("%v from the start of bgpd to Established", time.Since(began))
	seldom[*evpn.EndOfRIB](s)

	// Cleared, which FRR tells us by CEASE.
	f.vtysh("clear bgp *")
	if d := seldom[*evpn.PeerDown](s); d.Retain == 0 {
		t.Errorf("an administrative reset is no goodbye: %+v", d)
	}
	began = time.Now()
	seldom[*evpn.PeerUp](s)
	t.Logf("%v from CEASE to Established", time.Since(began))
	seldom[*evpn.EndOfRIB](s)

	// What has been read up to here are copies of our own.
	eventually(t, "both are quiet", func() bool {
		select {
		case <-s.Events():
			return false
		case <-time.After(100 * time.Millisecond):
			return true
		}
	})

	// A soft reset has both sides send their routes again, and nothing
	// falls.
	before := s.Peers()[0].Received.Update
	if err := s.Reset(peer.Address, true); err != nil {
		t.Error(err)
	}
	eventually(t, "FRR sends its routes again, and still has ours", func() bool {
		return s.Peers()[0].Received.Update > before && strings.Contains(f.vtysh("show bgp l2vpn evpn"), "172.18.0.11")
	})
}

// TestFRRPassword: MD5, FRR the one that connects.
func TestFRRPassword(t *testing.T) {
	needFRR(t)
	if !inNetns(t) {
		return
	}
	startFRR(t, fmt.Sprintf(frrConf, "neighbor 127.0.0.1 password geheim"))
	s := run(t, Config{
		Listen: []netip.AddrPort{netip.AddrPortFrom(lo, 179)},
		Peers:  []Peer{{Address: netip.MustParseAddr("127.0.0.2"), Session: Session{AS: 65000, Password: "geheim", Passive: true}}},
	})
	seldom[*evpn.PeerUp](s)
	if st := s.Peers(); !st[0].Incoming {
		t.Errorf("status %+v, want the connection from FRR", st[0])
	}
}
