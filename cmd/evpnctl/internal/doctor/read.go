package doctor

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/linux"
	"github.com/evpnd/evpnd/dataplane/topology"
)

// Read reads the host in the network namespace of the calling thread. Of a table
// that never rests it has nearly all.
func Read(expected Expected) (*Host, error) {
	reader, err := linux.OpenReader()
	if err != nil {
		return nil, fmt.Errorf("cannot ask the kernel: %w", err)
	}
	defer reader.Close()
	h := &Host{
		Expected: expected, Addrs: make(map[netip.Addr]int), Routes: make(map[netip.Addr]int), Neighbors: make(map[string]int),
		Sysctls: make(map[string]string),
		Daemons: daemons(), ClockSync: clockSync(),
	}
	links, err := reader.Links()
	if err != nil {
		return nil, err
	}
	addrs, err := reader.Addrs()
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		h.Addrs[a.IP] = a.Ifindex
	}
	h.View = topology.NewView(links, addrs)
	h.readRoutes(reader)
	h.readSysctls()
	if h.Sysctls[limitIPv4] != "" {
		if err := h.readNeighbors(reader); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// readRoutes asks where the other VTEPs and the peers are. Who cannot be
// reached has no route.
func (h *Host) readRoutes(reader *linux.Reader) {
	for _, to := range h.Expected.Others {
		if dev, err := reader.Route(to); err == nil {
			h.Routes[to] = dev
		}
	}
	if dev, err := reader.DefaultRoute(); err == nil && dev != 0 {
		h.Routes[netip.Addr{}] = dev
	}
}

const limitIPv4 = "net/ipv4/neigh/default/gc_thresh3"

func (h *Host) readSysctls() {
	names := []string{
		limitIPv4, "net/ipv6/neigh/default/gc_thresh3", "net/ipv4/conf/all/rp_filter",
		"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables", "net/bridge/bridge-nf-call-arptables",
	}
	for _, l := range h.Links() {
		names = append(names, "net/ipv4/conf/"+l.Name+"/rp_filter")
	}
	for _, name := range names {
		if b, err := os.ReadFile("/proc/sys/" + name); err == nil {
			h.Sysctls[name] = strings.TrimSpace(string(b))
		}
	}
}

// readNeighbors counts as neigh_alloc does: entries that are permanent or
// learned from outside are exempt from the limits.
func (h *Host) readNeighbors(reader *linux.Reader) error {
	names := map[kernel.Family]string{kernel.IPv4: "ipv4", kernel.IPv6: "ipv6"}
	return reader.Neighbors(func(e *kernel.Entry) {
		if e.State&kernel.Permanent == 0 && e.Flags&kernel.ExtLearned == 0 {
			h.Neighbors[names[e.Family]]++
		}
	})
}

// daemons returns each evpnd in this network namespace.
func daemons() (out []Process) {
	here, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return nil
	}
	files, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, file := range files {
		dir := filepath.Dir(file)
		comm, _ := os.ReadFile(file) // it may have ended meanwhile
		if strings.TrimSpace(string(comm)) != "evpnd" {
			continue
		}
		if ns, err := os.Readlink(dir + "/ns/net"); err != nil || ns != here {
			continue
		}
		p := Process{}
		p.Pid, _ = strconv.Atoi(filepath.Base(dir))
		p.Exe = program(dir)
		status, err := os.ReadFile(dir + "/status")
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if caps, ok := strings.CutPrefix(line, "CapEff:"); ok {
				p.Caps, _ = strconv.ParseUint(strings.TrimSpace(caps), 16, 64)
			}
		}
		out = append(out, p)
	}
	return out
}

// program returns the file that the process at dir in /proc runs. What it is to
// be given for, its privileges, would be its owner's: it is empty where somebody
// else than root can write the file or put another in its place, and when it is
// not named evpnd, for a process can give itself any name.
func program(dir string) string {
	exe, err := os.Readlink(dir + "/exe")
	if err != nil {
		return ""
	}
	exe = strings.TrimSuffix(exe, " (deleted)") // as after an update
	if filepath.Base(exe) != "evpnd" {
		return ""
	}
	for at := exe; ; at = filepath.Dir(at) {
		st, err := os.Lstat(at)
		if err != nil {
			return ""
		}
		owner, ok := st.Sys().(*syscall.Stat_t)
		shared := st.Mode().Perm()&0o022 != 0 && (!st.IsDir() || st.Mode()&os.ModeSticky == 0)
		if !ok || owner.Uid != 0 || shared || st.Mode()&os.ModeSymlink != 0 {
			return ""
		}
		if at == "/" {
			return exe
		}
	}
}

// clockSync tells whether the kernel's clock is kept right by somebody
// (adjtimex(2), which only reads here).
func clockSync() bool {
	state, err := unix.Adjtimex(&unix.Timex{})
	return err != nil || state != unix.TIME_ERROR
}
