package doctor

import (
	"fmt"
	"strings"

	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/dataplane/topology"
)

func underlayMTU(h *Host, found func(Finding)) {
	h.tunnels(func(l, br *kernel.Link) {
		u := h.underlay(l)
		if u == nil {
			return
		}
		room := topology.InnerMTU(u.MTU, h.local(l))
		worst, fix := 0, []string(nil)
		for _, x := range []*kernel.Link{l, br} {
			if x != nil && x.MTU > room {
				worst = max(worst, x.MTU)
				fix = append(fix, fmt.Sprintf("ip link set dev %s mtu %d", quote(x.Name), room))
			}
		}
		if worst == 0 {
			return
		}
		found(Finding{
			Severity: Error, Object: device(l),
			Text:   fmt.Sprintf("frames of %d bytes may enter it, and the underlay (%s, MTU %d) has room for %d", worst, u.Name, u.MTU, room),
			Effect: "small frames arrive and large ones vanish: ping works, TCP hangs. Either give the underlay more, or the VNI and its hosts less",
			Fix:    fix,
		})
	})
}

func portMTU(h *Host, found func(Finding)) {
	h.tunnels(func(l, br *kernel.Link) {
		if br == nil {
			return
		}
		for _, p := range h.Ports(br.Index) {
			if p.Index != l.Index && p.VXLAN == nil && p.MTU > l.MTU {
				found(Finding{
					Severity: Warning, Object: device(p), Text: fmt.Sprintf("its MTU is %d, that of %s in the same bridge %d", p.MTU, l.Name, l.MTU),
					Effect: "the bridge drops larger frames of this port that are for other VTEPs; the host behind it needs the smaller MTU too",
					Fix:    []string{fmt.Sprintf("ip link set dev %s mtu %d", quote(p.Name), l.MTU)},
				})
			}
		}
	})
}

// strict is the reverse path filter of RFC 3704 §2.2; 2 is the loose one. The
// kernel uses the larger of all's and the device's.
const strict = 1

func rpFilter(h *Host, found func(Finding)) {
	all, _ := h.number("net/ipv4/conf/all/rp_filter")
	said := false
	h.tunnels(func(l, _ *kernel.Link) {
		a, u := h.local(l), h.underlay(l)
		if !a.Is4() || u == nil || said {
			return
		}
		own := h.Link(h.Addrs[a])
		n, _ := h.number("net/ipv4/conf/" + u.Name + "/rp_filter")
		if max(all, n) != strict || own == nil || own.Index == u.Index {
			return
		}
		said = true
		found(Finding{
			Severity: Warning, Object: device(u), Text: fmt.Sprintf("the reverse path filter is strict, and the VTEP address %v is on %s: tunnels may come in by a device that the way back does not use", a, own.Name),
			Effect: "with more than one way through the underlay, frames of some VTEPs are dropped without a trace",
			Fix:    []string{"sysctl -w net.ipv4.conf.all.rp_filter=2"},
		})
	})
}

func bridgeNF(h *Host, found func(Finding)) {
	any := false
	h.tunnels(func(_, br *kernel.Link) { any = any || br != nil })
	if !any {
		return
	}
	for _, name := range []string{"iptables", "ip6tables", "arptables"} {
		key := "net/bridge/bridge-nf-call-" + name
		if n, ok := h.number(key); ok && n != 0 {
			found(Finding{
				Severity: Note, Object: strings.ReplaceAll(key, "/", "."), Text: "frames that cross a bridge go through " + name + ", as Kubernetes wants it; switch it off where nothing on this host needs it",
				Effect: "rules that are meant for the host, as Docker's, can drop frames between the hosts of a VNI, and each frame costs more",
				Fix:    []string{"sysctl -w " + strings.ReplaceAll(key, "/", ".") + "=0"},
			})
		}
	}
}

func neighTable(h *Host, found func(Finding)) {
	for _, family := range []string{"ipv4", "ipv6"} {
		dir := "net." + family + ".neigh.default."
		most, ok := h.number(strings.ReplaceAll(dir, ".", "/") + "gc_thresh3")
		n := h.Neighbors[family]
		if !ok || n*10 < most*8 {
			continue
		}
		f := Finding{
			Severity: Warning, Object: dir + "gc_thresh3", Text: fmt.Sprintf("%d of at most %d neighbors are there, without those that evpnd made, which do not count", n, most),
			Effect: "when the table is full the kernel finds no new neighbor, not even a BGP peer",
			Fix:    []string{fmt.Sprintf("sysctl -w %[1]sgc_thresh3=%[2]d %[1]sgc_thresh2=%[3]d %[1]sgc_thresh1=%[4]d", dir, 4*max(n, most), 2*max(n, most), max(n, most))},
		}
		if n >= most {
			f.Severity = Error
		}
		found(f)
	}
}

// The capabilities that evpnd needs (linux/capability.h).
var needed = []struct {
	bit         int
	name, cause string
}{
	{12, "cap_net_admin", "it can write no entry to the kernel"},
	{13, "cap_net_raw", "it hears no ARP and ND, and so knows hosts' addresses only where a bridge has one"},
}

func capabilities(h *Host, found func(Finding)) {
	for _, p := range h.Daemons {
		var names, causes []string
		for _, c := range needed {
			if p.Caps&(1<<c.bit) == 0 {
				names, causes = append(names, strings.ToUpper(c.name)), append(causes, c.cause)
			}
		}
		if len(names) == 0 {
			continue
		}
		f := Finding{
			Severity: Error, Object: fmt.Sprintf("process %d (evpnd)", p.Pid), Text: "it lacks " + strings.Join(names, " and ") + "; start it as root, or by the unit of docs/security.md",
			Effect: strings.Join(causes, "; "),
		}
		if p.Exe != "" {
			f.Text += ", or as below, and again after that"
			f.Fix = []string{"setcap cap_net_admin,cap_net_raw,cap_net_bind_service+ep " + quote(p.Exe), fmt.Sprintf("kill %d", p.Pid)}
		} else {
			f.Text += "; it runs no file named evpnd that root alone can change, so there is none to give them to"
		}
		found(f)
	}
}

func clock(h *Host, found func(Finding)) {
	if !h.ClockSync {
		found(Finding{
			Severity: Note, Text: "the kernel's clock is not synchronized",
			Effect: "times in logs, histories and metrics cannot be held against those of other hosts; certificates may seem not valid yet. Sessions and forwarding do not mind: they use the clock that does not jump",
			Fix:    []string{"timedatectl set-ntp true"},
		})
	}
}
