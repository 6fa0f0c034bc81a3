package linux

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
)

// Kernel is the dataplane.Kernel of one network namespace.
type Kernel struct {
	tables
	second tables
	writer *socket
	// watcher is nil once Watch has it; its goroutine closes it.
	watcher *socket
	echo    echo
	ear     ear
	netns   netnsID
	netnsFD int
	out     []byte // the batch being written
}

// tables reads with a socket of its own. One goroutine at a time may use it.
type tables struct {
	reader  *socket
	req     []byte    // the request being made
	answers *receiver // nil before the first Find
}

var _ dataplane.Kernel = (*Kernel)(nil)

// Open opens the network namespace of the calling thread. What the Kernel
// does later may be asked for from any thread. Close frees the sockets.
func Open() (*Kernel, error) {
	var s [4]*socket
	for i := range s {
		var err error
		if s[i], err = open(); err != nil {
			for _, o := range s[:i] {
				err = errors.Join(err, o.close())
			}
			return nil, err
		}
	}
	ns, fd, err := openNetns()
	if err != nil {
		return nil, errors.Join(err, s[0].close(), s[1].close(), s[2].close(), s[3].close())
	}
	return &Kernel{
		netns: ns, netnsFD: fd,
		tables: newTables(s[0]), second: newTables(s[3]), writer: s[1], watcher: s[2],
		out: make([]byte, 0, batchSize*96),
	}, nil
}

func newTables(s *socket) tables { return tables{reader: s, req: make([]byte, 0, 1024)} }

// Second implements dataplane.Kernel.
func (k *Kernel) Second() dataplane.Tables { return &k.second }

// Close closes the sockets. What Watch opened is closed by its context.
func (k *Kernel) Close() error {
	err := errors.Join(k.reader.close(), k.second.reader.close(), k.writer.close(), unix.Close(k.netnsFD))
	if k.watcher != nil {
		err = errors.Join(err, k.watcher.close())
	}
	return err
}

// dumpTries bounds how often a dump is repeated because the table changed
// under it. A table that never rests is then taken as read: every change
// since is told by a notice as well.
const dumpTries = 5

func (k *tables) dump(what string, b []byte, kind uint16, reset func(), yield func([]byte)) error {
	for try := 1; ; try++ {
		reset()
		err := k.reader.dump(b, kind, yield)
		if errors.Is(err, errInterrupted) || errors.Is(err, unix.EINTR) {
			if try < dumpTries {
				// finish only ever adds flags; the request is as it was.
				continue
			}
			err = nil
		}
		if err != nil {
			return fmt.Errorf("read %s from the kernel: %w", what, err)
		}
		return nil
	}
}

// FDB implements dataplane.Kernel. The filter by bridge is the IFLA_MASTER
// of struct ifinfomsg, which every kernel since 3.17 understands.
func (k *tables) FDB(bridge int, yield func(*dataplane.Entry)) error {
	b := begin(nil, unix.RTM_GETNEIGH)
	b = append(b, make([]byte, unix.SizeofIfInfomsg)...)
	b[hdrLen] = unix.AF_BRIDGE
	return k.entries("forwarding entries", putU32(b, unix.IFLA_MASTER, uint32(bridge)), yield)
}

// Port implements dataplane.Kernel. The filter is the index in struct
// ifinfomsg: for a port the kernel walks the bridge's table once for each 32
// KB of what is behind that port, and of the bridge it gives what has no port
// (br_fdb_dump).
func (k *tables) Port(port int, yield func(*dataplane.Entry)) error {
	b := begin(nil, unix.RTM_GETNEIGH)
	b = append(b, make([]byte, unix.SizeofIfInfomsg)...)
	b[hdrLen] = unix.AF_BRIDGE
	native.PutUint32(b[hdrLen+4:], uint32(port))
	return k.entries("forwarding entries", b, yield)
}

func (k *tables) entries(what string, b []byte, yield func(*dataplane.Entry)) error {
	var e dataplane.Entry
	return k.dump(what, b, unix.RTM_NEWNEIGH, func() {}, func(body []byte) {
		if decodeEntry(body, &e) {
			yield(&e)
		}
	})
}

// Neighbors implements dataplane.Kernel.
func (k *tables) Neighbors(yield func(*dataplane.Entry)) error {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		b := begin(nil, unix.RTM_GETNEIGH)
		b = append(b, make([]byte, unix.SizeofNdMsg)...)
		b[hdrLen] = family
		if err := k.entries("neighbor entries", b, yield); err != nil {
			return err
		}
	}
	return nil
}

// Links implements dataplane.Kernel.
func (k *Kernel) Links() ([]dataplane.Link, error) {
	b := begin(nil, unix.RTM_GETLINK)
	b = append(b, make([]byte, unix.SizeofIfInfomsg)...)
	// Without the mask a device's virtual functions are listed as well,
	// without the statistics a message is half as long.
	b = putU32(b, unix.IFLA_EXT_MASK, rtextFilterSkipStat)
	var out []dataplane.Link
	err := k.dump("devices", b, unix.RTM_NEWLINK, func() { out = out[:0] }, func(body []byte) {
		if l, ok := decodeLink(body); ok {
			out = append(out, l)
		}
	})
	slices.SortFunc(out, func(x, y dataplane.Link) int { return x.Index - y.Index })
	return out, err
}

// Addrs implements dataplane.Kernel.
func (k *Kernel) Addrs() ([]dataplane.Addr, error) {
	b := begin(nil, unix.RTM_GETADDR)
	b = append(b, make([]byte, unix.SizeofIfAddrmsg)...)
	var out []dataplane.Addr
	err := k.dump("addresses", b, unix.RTM_NEWADDR, func() { out = out[:0] }, func(body []byte) {
		if len(body) < unix.SizeofIfAddrmsg {
			return
		}
		a := dataplane.Addr{Ifindex: int(native.Uint32(body[4:]))}
		for x := attrs(body[unix.SizeofIfAddrmsg:]); x.next(); {
			// IFA_LOCAL is the own address where there is a peer's as well.
			if x.kind() == unix.IFA_LOCAL || x.kind() == unix.IFA_ADDRESS && !a.IP.IsValid() {
				a.IP = x.addr()
			}
		}
		if a.IP.IsValid() {
			out = append(out, a)
		}
	})
	return out, err
}
