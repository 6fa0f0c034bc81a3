package fake

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/dataplane/hosts"
	"github.com/evpnd/evpnd/dataplane/kernel"
	"github.com/evpnd/evpnd/evpn"
)

// Kernel is the system. Any goroutine may call its methods.
type Kernel struct {
	mu      sync.Mutex
	links   map[int]*link
	next    int
	addrs   []kernel.Addr
	neighs  map[neighKey]kernel.Entry
	handles []*Handle
	writer  *Handle // whose write is carried out
	probes  []hosts.ProbeRequest
	answers func(hosts.ProbeRequest) bool
}

type neighKey struct {
	ifindex int
	ip      netip.Addr
}

// link is a device with its tables.
type link struct {
	kernel.Link
	bridge map[brKey]brEntry   // a bridge's
	device map[devKey]devEntry // a VXLAN device's
	flood  []kernel.Entry      // a VXLAN device's zero-MAC destinations
}

// brKey is the key of an entry of a bridge. The VLAN is 0 in a bridge that does
// not filter VLANs.
type brKey struct {
	mac  evpn.MAC
	vlan uint16
}

// devKey is the key of an entry of a VXLAN device (struct vxlan_fdb_key).
type devKey struct {
	mac    evpn.MAC
	srcVNI evpn.VNI
}

// devKey returns the key under which a VXLAN device has an entry. The source VNI
// is the device's own when none is given, as vxlan_fdb_parse has it. Older
// kernels, 6.12 among them, ignore it on a device that has one VNI.
func (l *link) devKey(e *kernel.Entry) devKey {
	key := devKey{e.MAC, e.SrcVNI}
	if key.srcVNI == 0 {
		key.srcVNI = l.VXLAN.VNI
	}
	return key
}

// shownSrcVNI is the source VNI that an entry tells (vxlan_fdb_info): none on a
// device that has one VNI.
func (l *link) shownSrcVNI(key devKey) evpn.VNI {
	if l.VXLAN.External {
		return key.srcVNI
	}
	return 0
}

// brEntry is an entry of a bridge (struct net_bridge_fdb_entry).
type brEntry struct {
	port                       int
	local, static, sticky, ext bool
}

// devEntry is a unicast entry of a VXLAN device (struct vxlan_fdb).
type devEntry struct {
	state kernel.State
	flags kernel.Flags
	dest  evpn.Via
}

// New returns a kernel with a loopback.
func New() *Kernel {
	k := &Kernel{links: make(map[int]*link), neighs: make(map[neighKey]kernel.Entry)}
	k.add(kernel.Link{Name: "lo", MTU: 65536, Up: true, Loopback: true})
	return k
}

func (k *Kernel) add(l kernel.Link) *link {
	k.next++
	l.Index = k.next
	l.MAC = evpn.MAC{0x0e, 0xff, 0, 0, byte(l.Index >> 8), byte(l.Index)}
	if l.MTU == 0 {
		l.MTU = 1500
	}
	n := &link{Link: l}
	switch l.Kind {
	case "bridge":
		n.bridge = make(map[brKey]brEntry)
	case "vxlan":
		n.device = make(map[devKey]devEntry)
		v := *l.VXLAN
		n.VXLAN = &v
	}
	n.Master, n.Port = 0, nil
	k.links[l.Index] = n
	k.notify(dataplane.Notice{Kind: dataplane.NoticeLink, Ifindex: l.Index})
	return n
}

// named returns a device. It panics where there is none, as a fault of the test.
func (k *Kernel) named(name string) *link {
	if l := k.find(name); l != nil {
		return l
	}
	panic("fake: no device " + name)
}

func (k *Kernel) find(name string) *link {
	for _, l := range k.links {
		if l.Name == name {
			return l
		}
	}
	return nil
}

func (k *Kernel) ordered() []*link {
	out := make([]*link, 0, len(k.links))
	for i := 1; i <= k.next; i++ {
		if l := k.links[i]; l != nil {
			out = append(out, l)
		}
	}
	return out
}

// Add makes a device (`ip link add`), down, and returns its index.
func (k *Kernel) Add(l kernel.Link) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.add(l).Index
}

// SetUp is `ip link set up` and `down`.
func (k *Kernel) SetUp(name string, up bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.setUp(k.named(name), up)
}

func (k *Kernel) setUp(l *link, up bool) {
	if l.Up == up {
		return
	}
	l.Up = up
	if !up {
		if br := k.links[l.Master]; br != nil {
			k.flushPort(br, l.Index, false)
		}
		k.flushDevice(l, false)
		k.flushNeighbors(l.Index)
	}
	k.notify(dataplane.Notice{Kind: dataplane.NoticeLink, Ifindex: l.Index})
}

// SetMaster makes a device a port of a bridge, or of none when bridge is
// empty.
func (k *Kernel) SetMaster(name, bridge string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	br := 0
	if bridge != "" {
		br = k.named(bridge).Index
	}
	k.setMaster(k.named(name), br)
}

func (k *Kernel) setMaster(l *link, bridge int) {
	if l.Master == bridge {
		return
	}
	if br := k.links[l.Master]; br != nil {
		k.flushPort(br, l.Index, true)
	}
	l.Master, l.Port = bridge, nil
	if br := k.links[bridge]; br != nil {
		l.Port = &kernel.Port{Learning: true}
		key := brKey{mac: l.MAC}
		br.bridge[key] = brEntry{port: l.Index, local: true, static: true}
		k.notifyBridge(br, key)
	}
	k.notify(dataplane.Notice{Kind: dataplane.NoticeLink, Ifindex: l.Index})
}

// Rename is `ip link set name`.
func (k *Kernel) Rename(name, to string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.named(name)
	l.Name = to
	k.notify(dataplane.Notice{Kind: dataplane.NoticeLink, Ifindex: l.Index})
}

// Del is `ip link del`.
func (k *Kernel) Del(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.del(k.named(name))
}

func (k *Kernel) del(l *link) {
	for _, o := range k.ordered() {
		if o.Master == l.Index {
			k.setMaster(o, 0)
		}
	}
	k.setMaster(l, 0)
	k.flushDevice(l, true)
	k.flushNeighbors(l.Index)
	delete(k.links, l.Index)
	k.addrs = slices.DeleteFunc(k.addrs, func(a kernel.Addr) bool { return a.Ifindex == l.Index })
	k.notify(dataplane.Notice{Kind: dataplane.NoticeLinkGone, Ifindex: l.Index})
}

// AddAddr is `ip addr add`.
func (k *Kernel) AddAddr(name string, ip netip.Addr) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.named(name)
	k.addrs = append(k.addrs, kernel.Addr{Ifindex: l.Index, IP: ip})
	k.notify(dataplane.Notice{Kind: dataplane.NoticeLink, Ifindex: l.Index})
}

// SetPortFlags is `bridge link set learning neigh_suppress`.
func (k *Kernel) SetPortFlags(name string, learning, suppress bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l := k.named(name)
	l.Port.Learning, l.Port.NeighSuppress = learning, suppress
	k.notify(dataplane.Notice{Kind: dataplane.NoticeLink, Ifindex: l.Index})
}

// Frame lets a frame with the source address src come in at a bridge port
// (br_fdb_update).
func (k *Kernel) Frame(port string, src evpn.MAC) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.frame(k.named(port), src)
}

func (k *Kernel) frame(l *link, src evpn.MAC) {
	br := k.links[l.Master]
	if br == nil || !l.Up || !br.Up || !l.Port.Learning {
		return
	}
	key := brKey{mac: src}
	e, ok := br.bridge[key]
	switch {
	case !ok:
		br.bridge[key] = brEntry{port: l.Index}
	case e.local || e.sticky || e.port == l.Index:
		return
	default:
		e.port, e.ext = l.Index, false
		br.bridge[key] = e
	}
	k.notifyBridge(br, key)
}

// flushPort removes a port's entries: all, or those that a port that goes
// down loses.
func (k *Kernel) flushPort(br *link, port int, all bool) {
	for _, key := range br.bridgeKeys() {
		e := br.bridge[key]
		if e.port != port || !all && (e.static || e.ext) {
			continue
		}
		n := br.bridgeEntry(key)
		delete(br.bridge, key)
		k.notify(dataplane.Notice{Kind: dataplane.NoticeEntryGone, Entry: n})
	}
}

// flushDevice removes a VXLAN device's entries: all, or those that neither
// are permanent nor static.
func (k *Kernel) flushDevice(l *link, all bool) {
	for _, key := range l.deviceKeys() {
		if !all && l.device[key].state&(kernel.Permanent|kernel.NoARP) != 0 {
			continue
		}
		n := l.deviceEntry(key)
		delete(l.device, key)
		k.notify(dataplane.Notice{Kind: dataplane.NoticeEntryGone, Entry: n})
	}
	if all {
		for _, e := range l.flood {
			k.notify(dataplane.Notice{Kind: dataplane.NoticeEntryGone, Entry: e})
		}
		l.flood = nil
	}
}

func (k *Kernel) flushNeighbors(ifindex int) {
	for _, key := range k.neighKeys() {
		if key.ifindex == ifindex {
			_ = k.delNeighbor(key)
		}
	}
}

func (k *Kernel) neighKeys() []neighKey {
	keys := make([]neighKey, 0, len(k.neighs))
	for key := range k.neighs {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b neighKey) int {
		if a.ifindex != b.ifindex {
			return a.ifindex - b.ifindex
		}
		return a.ip.Compare(b.ip)
	})
	return keys
}

// delNeighbor deletes an entry the way neigh_delete does: first it fails and
// loses its flags, then it goes.
func (k *Kernel) delNeighbor(key neighKey) error {
	e, ok := k.neighs[key]
	if !ok {
		return syscall.ENOENT
	}
	delete(k.neighs, key)
	e.State, e.Flags = kernel.Failed, 0
	k.notify(dataplane.Notice{Kind: dataplane.NoticeEntry, Entry: e})
	k.notify(dataplane.Notice{Kind: dataplane.NoticeEntryGone, Entry: e})
	return nil
}

func (l *link) bridgeKeys() []brKey {
	return slices.SortedFunc(maps.Keys(l.bridge), func(a, b brKey) int {
		return cmp.Or(a.mac.Compare(b.mac), cmp.Compare(a.vlan, b.vlan))
	})
}

func (l *link) deviceKeys() []devKey {
	return slices.SortedFunc(maps.Keys(l.device), func(a, b devKey) int {
		return cmp.Or(a.mac.Compare(b.mac), cmp.Compare(a.srcVNI, b.srcVNI))
	})
}

// bridgeEntry describes an entry as br_fdb_fill_info does.
func (l *link) bridgeEntry(key brKey) kernel.Entry {
	b := l.bridge[key]
	e := kernel.Entry{
		Family: kernel.Bridge, Ifindex: b.port, Bridge: l.Index,
		MAC: key.mac, VLAN: key.vlan, State: kernel.Reachable,
	}
	switch {
	case b.local:
		e.State = kernel.Permanent
	case b.static:
		e.State = kernel.NoARP
	}
	if b.ext {
		e.Flags |= kernel.ExtLearned
	}
	if b.sticky {
		e.Flags |= kernel.Sticky
	}
	return e
}

// ownEntries appends the entries of the device's own table.
func (l *link) ownEntries(all []kernel.Entry) []kernel.Entry {
	all = append(all, l.flood...)
	for _, key := range l.deviceKeys() {
		all = append(all, l.deviceEntry(key))
	}
	return all
}

func (l *link) deviceEntry(key devKey) kernel.Entry {
	d := l.device[key]
	return kernel.Entry{
		Family: kernel.Bridge, Ifindex: l.Index, MAC: key.mac, SrcVNI: l.shownSrcVNI(key),
		State: d.state, Flags: d.flags | kernel.Self, IP: d.dest.VTEP, VNI: d.dest.VNI,
	}
}

func (k *Kernel) notifyBridge(br *link, key brKey) {
	k.notify(dataplane.Notice{Kind: dataplane.NoticeEntry, Entry: br.bridgeEntry(key)})
}

// String renders the tables as `bridge fdb show` and `ip neigh show` do.
func (k *Kernel) String() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var b strings.Builder
	for _, l := range k.ordered() {
		for _, key := range l.bridgeKeys() {
			k.line(&b, l.bridgeEntry(key))
		}
		for _, e := range l.ownEntries(nil) {
			k.line(&b, e)
		}
	}
	for _, key := range k.neighKeys() {
		e := k.neighs[key]
		fmt.Fprintf(&b, "%s dev %s lladdr %s", e.IP, k.links[e.Ifindex].Name, e.MAC)
		if e.Flags&kernel.ExtLearned != 0 {
			b.WriteString(" extern_learn")
		}
		if e.Flags&kernel.Router != 0 {
			b.WriteString(" router")
		}
		fmt.Fprintf(&b, " %s\n", stateName(e.State))
	}
	return b.String()
}

func (k *Kernel) line(b *strings.Builder, e kernel.Entry) {
	fmt.Fprintf(b, "%s dev %s", e.MAC, k.links[e.Ifindex].Name)
	if e.IP.IsValid() {
		fmt.Fprintf(b, " dst %s", e.IP)
	}
	if e.VLAN != 0 {
		fmt.Fprintf(b, " vlan %d", e.VLAN)
	}
	if e.VNI != 0 {
		fmt.Fprintf(b, " vni %d", e.VNI)
	}
	if e.SrcVNI != 0 {
		fmt.Fprintf(b, " src_vni %d", e.SrcVNI)
	}
	if e.Bridge == 0 {
		b.WriteString(" self")
	}
	if e.Flags&kernel.ExtLearned != 0 {
		b.WriteString(" extern_learn")
	}
	if e.Flags&kernel.Sticky != 0 {
		b.WriteString(" sticky")
	}
	if e.Bridge != 0 {
		fmt.Fprintf(b, " master %s", k.links[e.Bridge].Name)
	}
	switch {
	case e.State&kernel.Permanent != 0:
		b.WriteString(" permanent")
	case e.State&kernel.NoARP != 0:
		b.WriteString(" static")
	}
	b.WriteString("\n")
}

func stateName(s kernel.State) string {
	for _, n := range []struct {
		state kernel.State
		name  string
	}{
		{kernel.Permanent, "PERMANENT"},
		{kernel.NoARP, "NOARP"},
		{kernel.Reachable, "REACHABLE"},
		{kernel.Stale, "STALE"},
		{kernel.Delay, "DELAY"},
		{kernel.Probe, "PROBE"},
		{kernel.Failed, "FAILED"},
	} {
		if s&n.state != 0 {
			return n.name
		}
	}
	return "NONE"
}
