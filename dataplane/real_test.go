package dataplane_test

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/linux"
	"github.com/evpnd/evpnd/evpn"
)

// real is a network namespace of its own on the running kernel.
type real struct {
	t    testing.TB
	name string
	peer map[string]*real // the host behind a port, where it has a namespace
}

var realCount atomic.Int32

func newReal(t testing.TB) *real {
	t.Helper()
	w := &real{t: t, peer: make(map[string]*real), name: fmt.Sprintf("evpnd-dp-%d-%d", os.Getpid(), realCount.Add(1))}
	if out, err := exec.Command("ip", "netns", "add", w.name).CombinedOutput(); err != nil {
		t.Skipf("SKIP: needs the right to make network namespaces (root, iproute2): %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("ip", "netns", "del", w.name).CombinedOutput(); err != nil {
			t.Errorf("ip netns del: %v: %s", err, out)
		}
	})
	w.ip("link set lo up")
	return w
}

func (w *real) run(name, args string) {
	w.t.Helper()
	argv := append([]string{"-n", w.name}, strings.Fields(args)...)
	if out, err := exec.Command(name, argv...).CombinedOutput(); err != nil {
		w.t.Fatalf("%s %s: %v: %s", name, args, err, out)
	}
}

func (w *real) ip(args string)     { w.t.Helper(); w.run("ip", args) }
func (w *real) bridge(args string) { w.t.Helper(); w.run("bridge", args) }

// inside runs f on a thread in the namespace.
func (w *real) inside(f func() error) {
	w.t.Helper()
	done := make(chan error)
	go func() {
		// The thread ends with the goroutine, for it is never unlocked.
		runtime.LockOSThread()
		ns, err := netns.GetFromName(w.name)
		if err == nil {
			defer ns.Close()
			err = netns.Set(ns)
		}
		if err == nil {
			err = f()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		w.t.Fatal(err)
	}
}

func (w *real) open(t testing.TB) dataplane.Kernel {
	var k *linux.Kernel
	w.inside(func() (err error) { k, err = linux.Open(); return err })
	t.Cleanup(func() { k.Close() })
	return k
}

func (w *real) addBridge(name string) {
	w.ip("link add " + name + " type bridge")
	w.ip("link set " + name + " up")
}

func (w *real) addVXLAN(name string, vni int, local, bridge string) {
	args := fmt.Sprintf("link add %s type vxlan id %d dstport 4789", name, vni)
	if local != "" {
		args += " local " + local
	}
	w.ip(args)
	if bridge != "" {
		w.ip("link set " + name + " master " + bridge)
	}
	w.ip("link set " + name + " up")
}

func (w *real) addExternal(name string) {
	w.ip("link add " + name + " type vxlan external vnifilter dstport 5000")
	w.ip("link set " + name + " up")
}

// addPort makes a veth pair; the host's end is name-h. Neither end sends
// anything by itself.
func (w *real) addPort(name, bridge string) {
	h := name + "-h"
	w.ip("link add " + name + " type veth peer name " + h)
	for _, dev := range []string{name, h} {
		w.ip("link set " + dev + " addrgenmode none")
	}
	w.ip("link set " + name + " master " + bridge)
	w.ip("link set " + h + " up")
	w.ip("link set " + name + " up")
}

func (w *real) setUp(name string, up bool) {
	if up {
		w.ip("link set " + name + " up")
	} else {
		w.ip("link set " + name + " down")
	}
}

func (w *real) setMaster(name, bridge string) {
	if bridge == "" {
		w.ip("link set " + name + " nomaster")
	} else {
		w.ip("link set " + name + " master " + bridge)
	}
}

func (w *real) rename(name, to string)     { w.ip("link set " + name + " name " + to) }
func (w *real) del(name string)            { w.ip("link del " + name) }
func (w *real) addAddr(dev, prefix string) { w.ip("addr add " + prefix + " dev " + dev) }

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (w *real) portFlags(name string, learning, suppress bool) {
	w.bridge("link set dev " + name + " learning " + onOff(learning) + " neigh_suppress " + onOff(suppress))
}

func (w *real) frame(port string, src evpn.MAC) {
	w.t.Helper()
	w.raw(port, "ffffffffffff"+bare(src)+"88b5"+strings.Repeat("00", 46))
}

func bare(m evpn.MAC) string { return strings.ReplaceAll(m.String(), ":", "") }

// claim sends a gratuitous ARP, or an unsolicited neighbor advertisement.
func (w *real) claim(port string, c hosts.Claim) {
	w.t.Helper()
	ip := hex.EncodeToString(c.IP.AsSlice())
	if c.IP.Is4() {
		w.raw(port, "ffffffffffff"+bare(c.MAC)+"0806"+"0001080006040001"+bare(c.MAC)+ip+"000000000000"+ip+strings.Repeat("00", 18))
		return
	}
	flags := 0
	if c.Router {
		flags |= 0x80
	}
	if c.Override {
		flags |= 0x20
	}
	body := fmt.Sprintf("8800%%04x%02x000000%s0201%s", flags, ip, bare(c.MAC))
	all := "ff020000000000000000000000000001"
	b, _ := hex.DecodeString(ip + all + "000000200000003a" + fmt.Sprintf(body, 0))
	sum := 0
	for i := 0; i < len(b); i += 2 {
		if sum += int(b[i])<<8 | int(b[i+1]); sum > 0xffff {
			sum -= 0xffff
		}
	}
	w.raw(port, "333300000001"+bare(c.MAC)+"86dd"+"6000000000203aff"+ip+all+fmt.Sprintf(body, 0xffff-sum))
}

// answer makes a host in a namespace of its own behind the port, which says
// nothing by itself.
func (w *real) answer(port string, ip netip.Addr, m evpn.MAC) {
	w.t.Helper()
	host := newReal(w.t)
	h := port + "-h"
	w.ip("link set " + h + " netns " + host.name)
	host.ip("link set " + h + " address " + m.String())
	bits := 24
	if ip.Is6() {
		bits = 64
	}
	host.ip(fmt.Sprintf("link set %s addrgenmode none", h))
	host.ip("link set " + h + " up")
	if ip.Is6() {
		host.ip(fmt.Sprintf("addr add %s/%d dev %s nodad", ip, bits, h))
	} else {
		host.ip(fmt.Sprintf("addr add %s/%d dev %s", ip, bits, h))
	}
	w.peer[port] = host
}

// raw sends a frame from the host behind a port.
func (w *real) raw(port, frame string) {
	w.t.Helper()
	w.forwards(port)
	at := w
	if host := w.peer[port]; host != nil {
		at = host
	}
	at.inside(func() error {
		ifi, err := net.InterfaceByName(port + "-h")
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		b, err := hex.DecodeString(frame)
		if err != nil {
			return err
		}
		return unix.Sendto(fd, b, 0, &unix.SockaddrLinklayer{Ifindex: ifi.Index})
	})
}

// forwards waits until the bridge takes frames from a port. It does not take
// them from one that was just set up: the kernel looks at links once a second
// at most, and what comes in before that is lost.
func (w *real) forwards(port string) {
	w.t.Helper()
	var out []byte
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		out, _ = exec.Command("bridge", "-n", w.name, "link", "show", "dev", port).CombinedOutput()
		if strings.Contains(string(out), "state forwarding") {
			return
		}
	}
	w.t.Fatalf("no frame can come in at %s: %s", port, out)
}

func TestReal(t *testing.T) {
	suite(t, func(t *testing.T) world { return newReal(t) })
}
