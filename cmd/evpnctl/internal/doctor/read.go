package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	raw "github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Read reads the host in the network namespace of the calling thread.
func Read(wish Wish) (*Host, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("cannot ask the kernel: %w", err)
	}
	defer nl.Close()
	h := &Host{
		Wish: wish, Addrs: make(map[netip.Addr]int), Routes: make(map[netip.Addr]int), Neighbors: make(map[string]int),
		Sysctls: make(map[string]string),
		Daemons: daemons(), ClockSync: clockSync(),
	}
	if err := h.readLinks(nl); err != nil {
		return nil, fmt.Errorf("cannot read the network devices: %w", err)
	}
	if err := h.readAddrs(nl); err != nil {
		return nil, fmt.Errorf("cannot read the addresses: %w", err)
	}
	h.readRoutes(nl)
	h.readSysctls()
	if h.Sysctls[limitIPv4] != "" {
		if err := h.readNeighbors(nl); err != nil {
			return nil, fmt.Errorf("cannot read the neighbor tables: %w", err)
		}
	}
	return h, nil
}

// dumped takes a list that changed while it was read, as lists of a live host
// do: it has nearly all.
func dumped(err error) error {
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil
	}
	return err
}

func (h *Host) readLinks(nl *netlink.Handle) error {
	ports, err := readPorts()
	if err != nil {
		return err
	}
	links, err := nl.LinkList()
	if dumped(err) != nil {
		return err
	}
	for _, x := range links {
		a := x.Attrs()
		l := Link{
			Index: a.Index, Master: a.MasterIndex, Lower: a.ParentIndex, Name: a.Name, Kind: x.Type(), MTU: a.MTU,
			Up: a.Flags&net.FlagUp != 0, Loopback: a.Flags&net.FlagLoopback != 0,
		}
		if v, ok := x.(*netlink.Vxlan); ok && !v.FlowBased && v.VxlanId != 0 {
			l.VXLAN = &VXLAN{VNI: v.VxlanId, Port: v.Port, Lower: v.VtepDevIndex, Learning: v.Learning, Local: addr(v.SrcAddr)}
		}
		if l.VXLAN != nil {
			l.Port = ports[l.Index]
		}
		h.Links = append(h.Links, l)
	}
	slices.SortFunc(h.Links, func(a, b Link) int { return a.Index - b.Index })
	return nil
}

// readPorts returns the ports of all bridges, by index. (LinkGetProtinfo reads
// all of them for one.)
func readPorts() (map[int]*Port, error) {
	req := raw.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
	req.AddData(raw.NewIfInfomsg(unix.AF_BRIDGE))
	msgs, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	if dumped(err) != nil {
		return nil, err
	}
	ports := make(map[int]*Port)
	for _, m := range msgs {
		x, err := netlink.LinkDeserialize(&unix.NlMsghdr{Type: unix.RTM_NEWLINK}, m)
		if err != nil {
			return nil, err
		}
		if p := x.Attrs().Protinfo; p != nil {
			ports[x.Attrs().Index] = &Port{Learning: p.Learning, NeighSuppress: p.NeighSuppress}
		}
	}
	return ports, nil
}

func addr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	if a = a.Unmap(); !a.IsValid() || a.IsUnspecified() {
		return netip.Addr{}
	}
	return a
}

func (h *Host) readAddrs(nl *netlink.Handle) error {
	list, err := nl.AddrList(nil, netlink.FAMILY_ALL)
	if dumped(err) != nil {
		return err
	}
	for _, a := range list {
		h.Addrs[addr(a.IP)] = a.LinkIndex
	}
	return nil
}

// readRoutes asks where the other VTEPs and the peers are. Who cannot be
// reached has no route.
func (h *Host) readRoutes(nl *netlink.Handle) {
	for _, to := range h.Wish.Others {
		if r, err := nl.RouteGet(to.AsSlice()); err == nil && len(r) > 0 {
			h.Routes[to] = r[0].LinkIndex
		}
	}
	routes, err := nl.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Dst: nil}, netlink.RT_FILTER_DST)
	for i := range routes {
		if dumped(err) == nil && routes[i].LinkIndex != 0 {
			h.Routes[netip.Addr{}] = routes[i].LinkIndex
			return
		}
	}
}

const limitIPv4 = "net/ipv4/neigh/default/gc_thresh3"

func (h *Host) readSysctls() {
	names := []string{
		limitIPv4, "net/ipv6/neigh/default/gc_thresh3", "net/ipv4/conf/all/rp_filter",
		"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables", "net/bridge/bridge-nf-call-arptables",
	}
	for _, l := range h.Links {
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
func (h *Host) readNeighbors(nl *netlink.Handle) error {
	for name, family := range map[string]int{"ipv4": netlink.FAMILY_V4, "ipv6": netlink.FAMILY_V6} {
		list, err := nl.NeighList(0, family)
		if dumped(err) != nil {
			return err
		}
		for i := range list {
			if list[i].State&netlink.NUD_PERMANENT == 0 && list[i].Flags&netlink.NTF_EXT_LEARNED == 0 {
				h.Neighbors[name]++
			}
		}
	}
	return nil
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
