package lab

import (
	"encoding/json"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// frrDir is where Debian keeps FRR's daemons.
	frrDir = "/usr/lib/frr"
	// frrUser is whom they become. It must be in the group frrvty, which
	// Debian sees to; root is not.
	frrUser = "frr"
)

// FRR is zebra and bgpd on a node, with sockets and files of their own.
type FRR struct {
	ns    *NS
	dir   string
	Zebra *Proc
	BGPd  *Proc
}

// FRR starts zebra and bgpd in the namespace. conf is bgpd's configuration.
// zebra is told to resolve VTEP next hops over any route, which FRR does
// only for specific ones by itself.
func (n *NS) FRR(conf string) *FRR {
	n.lab.Helper()
	Need(n.lab, FRRouting)
	f := &FRR{ns: n, dir: filepath.Join(n.Dir(), "frr")}
	if err := n.lab.create(func() error { return os.MkdirAll(f.dir, 0o755) }); err != nil {
		n.lab.Fatalf("lab: %v", err)
	}
	write := func(name, text string) {
		if err := n.lab.create(func() error { return os.WriteFile(filepath.Join(f.dir, name), []byte(text), 0o644) }); err != nil {
			n.lab.Fatalf("lab: %v", err)
		}
	}
	write("zebra.conf", "hostname "+n.Short+"\nip nht resolve-via-default\nipv6 nht resolve-via-default\n")
	write("bgpd.conf", "hostname "+n.Short+"\n"+conf)
	write("vtysh.conf", "")
	if err := chown(f.dir, frrUser); err != nil {
		n.lab.Fatalf("lab: %v", err)
	}
	f.StartZebra()
	f.StartBGP()
	return f
}

// StartZebra starts zebra again after it was stopped.
func (f *FRR) StartZebra() {
	f.ns.lab.Helper()
	for _, name := range []string{"zebra.vty", "zserv.sock"} { // of one that was killed
		_ = os.Remove(filepath.Join(f.dir, name))
	}
	// Debian's size of the netlink buffer. With the default zebra ends when
	// many entries change at once.
	f.Zebra = f.start("zebra", "-s", "90000000")
	f.await("zebra.vty")
	f.await("zserv.sock")
}

func (f *FRR) start(daemon string, more ...string) *Proc {
	f.ns.lab.Helper()
	args := []string{
		filepath.Join(frrDir, daemon), "--vty_socket", f.dir, "-i", filepath.Join(f.dir, daemon+".pid"),
		"-z", filepath.Join(f.dir, "zserv.sock"), "-f", filepath.Join(f.dir, daemon+".conf"),
		"-u", frrUser, "-g", frrUser, "--log", "stdout",
	}
	return f.ns.Start(daemon, append(args, more...)...)
}

// StartBGP starts bgpd again after it was stopped.
func (f *FRR) StartBGP() {
	f.ns.lab.Helper()
	f.BGPd = f.start("bgpd")
	f.ns.lab.Until(10*time.Second, f.ns.Short+": bgpd answers", func() (bool, string) {
		out, err := f.run("show bgp summary json")
		return err == nil && strings.HasPrefix(strings.TrimSpace(out), "{"), out + "\n" + f.BGPd.Output()
	})
}

func (f *FRR) await(file string) {
	f.ns.lab.Helper()
	f.ns.lab.Until(10*time.Second, f.ns.Short+": "+file, func() (bool, string) {
		_, err := os.Stat(filepath.Join(f.dir, file))
		return err == nil, f.Zebra.Output()
	})
}

func (f *FRR) run(cmds ...string) (string, error) {
	var args []string
	for _, c := range cmds {
		args = append(args, "-c", c)
	}
	return f.Shell(args...)
}

// Shell runs vtysh with options, as -c "show version".
func (f *FRR) Shell(args ...string) (string, error) {
	return f.ns.Run(append([]string{"vtysh", "--vty_socket", f.dir, "--config_dir", f.dir}, args...)...)
}

// Vtysh runs commands of FRR's shell and returns what it printed.
func (f *FRR) Vtysh(cmds ...string) string {
	f.ns.lab.Helper()
	out, err := f.run(cmds...)
	if err != nil {
		f.ns.lab.Fatalf("%s: vtysh: %v", f.ns.Short, err)
	}
	return out
}

// Configure runs commands in FRR's configuration mode.
func (f *FRR) Configure(lines ...string) {
	f.ns.lab.Helper()
	f.Vtysh(append([]string{"configure terminal"}, lines...)...)
}

// JSON runs a show command, with json at its end, and decodes its answer
// into v. It says whether there was an answer that could be decoded, and
// returns it as text.
func (f *FRR) JSON(show string, v any) (bool, string) {
	f.ns.lab.Helper()
	out, err := f.run(show + " json")
	if err != nil {
		return false, err.Error()
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		return false, err.Error() + "\n" + out
	}
	return true, out
}

// Established waits until FRR has so many established EVPN sessions.
func (f *FRR) Established(sessions int) {
	f.ns.lab.Helper()
	f.ns.lab.Until(20*time.Second, f.ns.Short+": FRR's sessions are established", func() (bool, string) {
		up, out := f.sessions()
		return up == sessions, out
	})
}

// Sessions returns how many EVPN sessions are established.
func (f *FRR) Sessions() int {
	f.ns.lab.Helper()
	up, _ := f.sessions()
	return up
}

// sessions counts the established sessions, -1 when FRR does not answer.
func (f *FRR) sessions() (int, string) {
	f.ns.lab.Helper()
	var sum struct {
		Peers map[string]struct {
			State string `json:"state"`
		} `json:"peers"`
	}
	ok, out := f.JSON("show bgp l2vpn evpn summary", &sum)
	if !ok {
		return -1, out
	}
	up := 0
	for _, p := range sum.Peers {
		if p.State == "Established" {
			up++
		}
	}
	return up, out
}

func chown(path, name string) error {
	u, err := user.Lookup(name)
	if err != nil {
		return err
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	return os.Chown(path, uid, -1)
}
