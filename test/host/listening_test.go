package host

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/evpnd/evpnd/test/lab"
)

// leg stands for GoBGP's end of the leg inside the process, whose port is
// chosen by the kernel. It is signed with a key that only the process has
// (docs/security.md, and TestLegs in package bgp).
const leg = "127.0.0.1:*"

// listening checks that the sockets of the namespace that somebody can talk
// to are just these: TCP by address, and unix sockets by path. UDP is the
// kernel's own VXLAN alone.
func listening(t *testing.T, n *lab.NS, p *lab.Proc, tcp, unix []string) {
	t.Helper()
	own := sockets(t, p)
	var got []string
	for _, f := range []string{"tcp", "tcp6"} {
		for _, line := range table(t, n, f) {
			const listen = "0A"
			if at := address(t, line[1]); line[3] == listen {
				if at.Addr().IsLoopback() && !slices.Contains(tcp, at.String()) {
					got = append(got, at.Addr().String()+":*")
					continue
				}
				got = append(got, at.String())
			}
		}
	}
	slices.Sort(got)
	slices.Sort(tcp)
	if !slices.Equal(got, tcp) {
		t.Errorf("TCP listens on %q, want %q", got, tcp)
	}
	for _, f := range []string{"udp", "udp6", "udplite", "raw", "raw6", "icmp", "icmp6"} {
		for _, line := range table(t, n, f) {
			const inode = 9
			if at := address(t, line[1]); f != "udp" && f != "udp6" || at.Port() != 4789 || own["socket:["+line[inode]+"]"] {
				t.Errorf("%s has a socket on %v: %q", f, at, line)
			}
		}
	}
	var paths []string
	for _, line := range table(t, n, "unix") {
		const accepts = "00010000" // __SO_ACCEPTCON in Flags
		if line[3] == accepts {
			paths = append(paths, line[len(line)-1])
		}
	}
	slices.Sort(unix)
	slices.Sort(paths)
	if !slices.Equal(paths, unix) {
		t.Errorf("unix sockets listen on %q, want %q", paths, unix)
	}
}

// sockets returns those that a process has open, as in socket:[INODE].
func sockets(t *testing.T, p *lab.Proc) map[string]bool {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd/", p.Pid())
	fds, err := os.ReadDir(dir)
	if err != nil || len(fds) == 0 {
		t.Fatalf("%s has no open files: %v", p.Name, err)
	}
	own := make(map[string]bool)
	for _, fd := range fds {
		if to, err := os.Readlink(dir + fd.Name()); err == nil {
			own[to] = true
		}
	}
	return own
}

// table returns the lines of a file of /proc/net, in columns.
func table(t *testing.T, n *lab.NS, name string) (lines [][]string) {
	t.Helper()
	out, err := n.Run("sh", "-c", "cat /proc/net/"+name+" 2>/dev/null || true")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range slices.Collect(strings.Lines(out)) {
		if cols := strings.Fields(line); i > 0 && len(cols) > 5 {
			lines = append(lines, cols)
		}
	}
	return lines
}

// address reads one of /proc/net: words of 32 bits in the order of the host,
// and the port.
func address(t *testing.T, s string) netip.AddrPort {
	t.Helper()
	addr, port, _ := strings.Cut(s, ":")
	b, err := hex.DecodeString(addr)
	if err != nil || len(b)%4 != 0 {
		t.Fatalf("no address: %q", s)
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b)
	var p uint16
	if _, err := fmt.Sscanf(port, "%X", &p); err != nil {
		t.Fatalf("no port: %q", s)
	}
	return netip.AddrPortFrom(a, p)
}

// With nothing configured to listen nothing does, but the leg in the process.
func TestNothingListens(t *testing.T) {
	h := newHost(t)
	s := newService(t, h.NS)
	s.start(h.NS, "bgp: {asn: 65000, router-id: 172.30.0.1, listen: none}\napi: {listen: none}\n")
	h.awaitLog(s.Proc, "msg=ready")
	listening(t, h.NS, s.Proc, []string{leg}, nil)
}

// The defaults are BGP's port and one socket, and the reader of /proc/net
// sees what there is.
func TestDefaultListeners(t *testing.T) {
	h := newHost(t)
	s := newService(t, h.NS)
	s.start(h.NS, "bgp: {asn: 65000, router-id: 172.30.0.1}\n"+s.rest(""))
	h.awaitLog(s.Proc, "msg=ready")
	listening(t, h.NS, s.Proc, []string{"0.0.0.0:179", leg, "[::]:179"}, []string{strings.TrimPrefix(s.api, "unix://")})
}
