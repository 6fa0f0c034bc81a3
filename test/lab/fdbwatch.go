package lab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// FDBWatch follows the forwarding entries of a VXLAN device by what the
// kernel tells everybody of them, and so sees the moment in which an entry
// is there.
type FDBWatch struct {
	lab   *Lab
	fd    int
	index uint32
	hosts uint32 // the bridge; 0: no notices are kept

	mu      sync.Mutex
	notices []Notice
	at      map[[6]byte]netip.Addr
	behind  map[netip.Addr]int
	removed map[[6]byte]int
	awaited []*awaited
	stopped bool
	err     error
	done    chan struct{}
}

type awaited struct {
	until func(*FDBWatch) bool
	when  chan time.Time
}

// WatchFDB starts to follow the entries of the device that have a
// destination. It does not know the ones that were there before. With the
// name of its bridge it keeps Notices, the bridge's neighbor entries included.
func (n *NS) WatchFDB(dev string, bridge ...string) *FDBWatch {
	n.lab.Helper()
	w := &FDBWatch{
		lab: n.lab, at: map[[6]byte]netip.Addr{}, behind: map[netip.Addr]int{},
		removed: map[[6]byte]int{}, done: make(chan struct{}),
	}
	if err := n.Do(func() error { return w.open(dev, bridge) }); err != nil {
		n.lab.Fatalf("lab: %s: watch %s: %v", n.Short, dev, err)
	}
	go w.read()
	n.lab.Cleanup(w.stop)
	return w
}

func (w *FDBWatch) open(dev string, bridge []string) error {
	ifi, err := net.InterfaceByName(dev)
	if err != nil {
		return err
	}
	w.index = uint32(ifi.Index)
	for _, b := range bridge {
		if ifi, err = net.InterfaceByName(b); err != nil {
			return err
		}
		w.hosts = uint32(ifi.Index)
	}
	if w.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE); err != nil {
		return err
	}
	// Room for a hundred thousand entries at once; a loss shows as ENOBUFS.
	if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<30); err != nil {
		_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1<<30)
	}
	if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 50000}); err != nil {
		return err
	}
	return unix.Bind(w.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.RTNLGRP_NEIGH - 1)})
}

func (w *FDBWatch) read() {
	defer close(w.done)
	defer unix.Close(w.fd)
	buf := make([]byte, 1<<16)
	for {
		n, _, err := unix.Recvfrom(w.fd, buf, 0)
		w.mu.Lock()
		switch {
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		case err != nil:
			w.err, w.stopped = err, true
		default:
			w.messages(buf[:n])
		}
		stopped := w.stopped
		w.mu.Unlock()
		if stopped {
			return
		}
	}
}

// messages takes in a datagram of netlink messages.
func (w *FDBWatch) messages(b []byte) {
	now := time.Now()
	for len(b) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return
		}
		w.message(binary.NativeEndian.Uint16(b[4:]), b[unix.SizeofNlMsghdr:size], now)
		b = b[min((size+3)&^3, len(b)):]
	}
}

func (w *FDBWatch) message(kind uint16, b []byte, now time.Time) {
	if len(b) < unix.SizeofNdMsg {
		return
	}
	index := binary.NativeEndian.Uint32(b[4:])
	if b[0] != unix.AF_BRIDGE {
		if index == w.hosts {
			w.note(kind, b)
		}
		return
	}
	if index != w.index {
		return
	}
	w.note(kind, b)
	var mac [6]byte
	var dst netip.Addr
	for b = b[unix.SizeofNdMsg:]; len(b) >= 4; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < 4 || size > len(b) {
			return
		}
		switch binary.NativeEndian.Uint16(b[2:]) {
		case unix.NDA_LLADDR:
			copy(mac[:], b[4:size])
		case unix.NDA_DST:
			dst, _ = netip.AddrFromSlice(b[4:size])
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	if kind == unix.RTM_DELNEIGH {
		w.removed[mac]++
	}
	if !dst.IsValid() || mac == ([6]byte{}) {
		return // the bridge's own entry, or the flood list
	}
	w.set(mac, dst, kind == unix.RTM_NEWNEIGH)
	for i := 0; i < len(w.awaited); {
		if a := w.awaited[i]; a.until(w) {
			a.when <- now
			w.awaited = append(w.awaited[:i], w.awaited[i+1:]...)
		} else {
			i++
		}
	}
}

func (w *FDBWatch) set(mac [6]byte, dst netip.Addr, there bool) {
	if old, ok := w.at[mac]; ok && (there || old == dst) {
		w.behind[old]--
		delete(w.at, mac)
	}
	if there {
		w.at[mac] = dst
		w.behind[dst]++
	}
}

// Behind returns how many MACs are behind the VTEP. It is for the functions
// that Await calls.
func (w *FDBWatch) Behind(vtep netip.Addr) int { return w.behind[vtep] }

// At returns the VTEP that a MAC is behind. It is for the functions that
// Await calls.
func (w *FDBWatch) At(mac [6]byte) netip.Addr { return w.at[mac] }

// Len returns how many MACs there are. It is for the functions that Await
// calls.
func (w *FDBWatch) Len() int { return len(w.at) }

// Removals returns how often an entry of the MAC was removed, be it the
// device's or that of the bridge. An entry that was replaced was not.
func (w *FDBWatch) Removals(mac [6]byte) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.removed[mac]
}

// Where returns the VTEP that a MAC is behind; invalid when there is no entry.
func (w *FDBWatch) Where(mac [6]byte) netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[mac]
}

// note keeps a notice, where that was asked for: it takes time.
func (w *FDBWatch) note(kind uint16, b []byte) {
	if w.hosts != 0 && len(w.notices) < maxNotices {
		w.notices = append(w.notices, Notice{
			Neighbor: b[0] != unix.AF_BRIDGE, Gone: kind == unix.RTM_DELNEIGH, message: slices.Clone(b),
		})
	}
}

// Notice is what the kernel told of one change.
type Notice struct {
	Neighbor bool // of an address, else of a MAC or a flood destination
	Gone     bool
	message  []byte
}

// String renders state, flags and attributes as they came (struct ndmsg).
func (n Notice) String() string {
	what := "new"
	if n.Gone {
		what = "del"
	}
	b := n.message
	return fmt.Sprintf("%s family %d state %#x flags %#x %x", what, b[0], binary.NativeEndian.Uint16(b[8:]), b[10], b[unix.SizeofNdMsg:])
}

// maxNotices bounds what is kept of notices.
const maxNotices = 1 << 20

// Notices returns what the kernel told of changes so far, at most a million,
// when the watch was told the bridge: of every entry of the device, the flood
// list and the bridge's own entries among them, and of the bridge's neighbor
// entries. To write an entry that is there already is one too.
func (w *FDBWatch) Notices() []Notice {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.notices[:len(w.notices):len(w.notices)]
}

// Await returns a channel that gets the time of the change after which until
// is true for the first time. until is called after every change.
func (w *FDBWatch) Await(until func(*FDBWatch) bool) <-chan time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := &awaited{until: until, when: make(chan time.Time, 1)}
	w.awaited = append(w.awaited, a)
	return a.when
}

// State returns how many MACs there are, and what went wrong, if something
// did.
func (w *FDBWatch) State() (count int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.at), w.err
}

func (w *FDBWatch) stop() {
	w.mu.Lock()
	w.stopped = true
	err := w.err
	w.mu.Unlock()
	<-w.done
	if err != nil {
		w.lab.Errorf("lab: watching forwarding entries: %v", err)
	}
}
