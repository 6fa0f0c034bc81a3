package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/evpnd/evpnd/bgp/wire"
	"github.com/evpnd/evpnd/test/peer"
)

// passedOn is what a real reflector did with moves that came as fast as it
// takes them.
type passedOn struct {
	Kind    string
	Clients int
	Moves   int
	Rate    float64       // moves a second, until the last client has read the last
	CPU     time.Duration // of the reflector, for each move
	Share   float64       // of one core, that the reflector took
	Updates float64       // UPDATEs a move that a client got: 2, or less when they were packed
}

// kind is a reflector that can be started.
type kind struct {
	name  string
	needs string // the program
	start func(dir string, at netip.AddrPort, clients []netip.Addr) (*exec.Cmd, error)
}

// senders is how many clients send. They are VTEPs too, but are not counted.
const senders = 10

var reflectors = []kind{{"FRR", "/usr/lib/frr/bgpd", startFRR}, {"GoBGP", "bin/test/reflector", startGoBGP}}

// startFRR starts bgpd alone: a reflector needs nothing of zebra.
func startFRR(dir string, at netip.AddrPort, clients []netip.Addr) (*exec.Cmd, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `router bgp %d
 bgp router-id %v
 no bgp default ipv4-unicast
 neighbor clients peer-group
 neighbor clients remote-as %[1]d
 neighbor clients passive
 neighbor clients timers 60 600
`, asn, at.Addr())
	for _, c := range clients {
		fmt.Fprintf(&b, " neighbor %v peer-group clients\n", c)
	}
	b.WriteString(" address-family l2vpn evpn\n  neighbor clients activate\n  neighbor clients route-reflector-client\n exit-address-family\n")
	conf := filepath.Join(dir, "bgpd.conf")
	if err := os.WriteFile(conf, []byte(b.String()), 0o644); err != nil {
		return nil, err
	}
	return exec.Command("/usr/lib/frr/bgpd", "-f", conf, "-i", filepath.Join(dir, "bgpd.pid"), "-Z", "-S", "-P", "0",
		"--vty_socket", dir, "-l", at.Addr().String(), "-p", strconv.Itoa(int(at.Port())), "--log", "stdout"), nil
}

func startGoBGP(_ string, at netip.AddrPort, clients []netip.Addr) (*exec.Cmd, error) {
	return goBGP("bin/test/reflector", at, clients), nil
}

// goBGP is test/reflector, built at a path.
func goBGP(path string, at netip.AddrPort, clients []netip.Addr) *exec.Cmd {
	args := []string{"-id", at.Addr().String(), "-listen", at.Addr().String(), "-port", strconv.Itoa(int(at.Port())), "-hold", "600"}
	for _, c := range clients {
		args = append(args, c.String())
	}
	return exec.Command(path, args...)
}

// client is one session that reads and counts.
type client struct {
	conn    net.Conn
	routes  atomic.Int64 // announced and withdrawn
	updates atomic.Int64
	ended   atomic.Pointer[error]
}

// dialClient brings a session up. The reflector may not listen yet.
func dialClient(from netip.Addr, to netip.AddrPort, within time.Duration) (*client, error) {
	limit := time.Now().Add(within)
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: time.Second}
	for {
		conn, err := d.Dial("tcp4", to.String())
		if err == nil {
			s := peer.New(conn)
			o := peer.Open(asn, from)
			if err = s.Write(o.Append(nil)); err == nil {
				err = s.Handshake()
			}
			if err == nil {
				return &client{conn: conn}, nil
			}
			conn.Close()
		}
		if time.Now().After(limit) {
			return nil, fmt.Errorf("session of client %v: %w", from, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// read counts until the session ends.
func (c *client) read() {
	buf := make([]byte, 32<<10)
	w := 0
	for {
		n, err := c.conn.Read(buf[w:])
		if err != nil {
			c.ended.Store(&err)
			return
		}
		w += n
		r := 0
		for w-r >= wire.HeaderLen {
			n := int(binary.BigEndian.Uint16(buf[r+16:]))
			if w-r < n {
				break
			}
			if wire.TypeOf(buf[r:]) == wire.TypeUpdate {
				c.updates.Add(1)
				c.routes.Add(int64(countRoutes(buf[r+wire.HeaderLen : r+n])))
			}
			r += n
		}
		w = copy(buf, buf[r:w])
	}
}

// countRoutes returns how many routes an UPDATE of a reflector, which is
// well-formed, announces and withdraws.
func countRoutes(body []byte) (n int) {
	b := body[4:]
	for len(b) >= 4 {
		typ, header, l := b[1], 3, int(b[2])
		if b[0]&0x10 != 0 {
			header, l = 4, int(binary.BigEndian.Uint16(b[2:]))
		}
		v := b[header : header+l]
		switch typ {
		case 14:
			v = v[5+int(v[3]):] // family, next hop, a reserved byte
		case 15:
			v = v[3:]
		default:
			v = nil
		}
		for ; len(v) >= 2; v = v[2+int(v[1]):] {
			n++
		}
		b = b[header+l:]
	}
	return n
}

// benchReflector starts a reflector with so many clients that read, and sends
// it moves through ten others.
func benchReflector(k kind, clients, moves int, seed uint64) (r passedOn, err error) {
	r = passedOn{Kind: k.name, Clients: clients, Moves: moves}
	dir, err := os.MkdirTemp("", "evpnd-sim")
	if err != nil {
		return r, err
	}
	defer os.RemoveAll(dir)
	l, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		return r, err
	}
	at := netip.MustParseAddrPort(l.Addr().String())
	l.Close() // the reflector takes the port

	var addrs []netip.Addr
	for i := range clients + senders {
		addrs = append(addrs, netip.AddrFrom4([4]byte{127, 2, byte(i >> 7), byte(1 + i&127)}))
	}
	cmd, err := k.start(dir, at, addrs)
	if err != nil {
		return r, err
	}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return r, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if err != nil {
			text := output.String()
			err = fmt.Errorf("%s with %d clients: %w\n%s", k.name, clients, err, text[max(0, len(text)-2000):])
		}
	}()
	all := make([]*client, len(addrs))
	defer func() {
		for _, c := range all {
			if c != nil {
				c.conn.Close()
			}
		}
	}()
	var g errgroup.Group
	g.SetLimit(20)
	for i := range all {
		g.Go(func() (err error) {
			all[i], err = dialClient(addrs[i], at, time.Minute)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	for _, c := range all {
		go c.read()
	}
	sending, reading := all[:senders], all[senders:]

	f := newFabric(site{VTEPs: 1000, MACs: moves, VNIs: 10, Seed: seed})
	first := make([][]byte, senders)
	for i := range f.at {
		v := f.at[i]
		first[i%senders] = append(first[i%senders], reach(v, f.vni(i), 0, 0, f.nlri(nil, i, v))...)
	}
	then := make([][]byte, senders)
	for _, m := range f.moves(moves) {
		s := &then[m.mac%senders] // the same as before: only who announced a route can withdraw it
		*s = append(append(*s, f.announce(m, 0)...), f.withdraw(m)...)
	}
	if err := feed(sending, first, reading, moves); err != nil {
		return r, fmt.Errorf("the first routes: %w", err)
	}
	var updates int64
	for _, c := range reading {
		updates -= c.updates.Load()
	}
	cpu, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return r, err
	}
	begin := time.Now()
	if err := feed(sending, then, reading, 3*moves); err != nil {
		return r, fmt.Errorf("the moves: %w", err)
	}
	took := time.Since(begin)
	after, err := cpuOf(cmd.Process.Pid)
	if err != nil {
		return r, err
	}
	for _, c := range reading {
		updates += c.updates.Load()
	}
	r.Rate = float64(moves) / took.Seconds()
	r.CPU = (after - cpu) / time.Duration(moves)
	r.Share = (after - cpu).Seconds() / took.Seconds()
	r.Updates = float64(updates) / float64(clients) / float64(moves)
	return r, nil
}

// feedTime is how long a reflector may take to pass on what it is fed.
const feedTime = 90 * time.Second

// feed sends, and waits until each reader has so many routes in all.
func feed(sending []*client, b [][]byte, reading []*client, routes int) error {
	failed := make(chan error, len(sending))
	for i, c := range sending {
		go func() {
			if _, err := c.conn.Write(b[i]); err != nil {
				failed <- err
			}
		}()
	}
	limit := time.Now().Add(feedTime)
	for i := 0; i < len(reading); {
		if reading[i].routes.Load() >= int64(routes) {
			i++
			continue
		}
		if err := reading[i].ended.Load(); err != nil {
			return fmt.Errorf("the session of client %d ended: %w", i, *err)
		}
		select {
		case err := <-failed:
			return err
		default:
		}
		if time.Now().After(limit) {
			return fmt.Errorf("client %d has %d of %d routes after %v", i, reading[i].routes.Load(), routes, feedTime)
		}
		time.Sleep(time.Millisecond)
	}
	for i, c := range reading {
		if got := c.routes.Load(); got != int64(routes) {
			return fmt.Errorf("client %d has %d routes, not %d", i, got, routes)
		}
	}
	return nil
}

// cpuOf returns the CPU time of a process, all of its threads: to 10 ms.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 13 {
		return 0, errors.New("/proc/PID/stat is not as expected")
	}
	user, err := strconv.Atoi(f[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}
