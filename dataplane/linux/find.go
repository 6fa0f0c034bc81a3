package linux

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/kernel"
)

// Lookup implements dataplane.Kernel (RTM_GETNEIGH of one key).
func (r *Reader) Lookup(e kernel.Entry) (kernel.Entry, error) {
	r.req = encodeLookup(r.req[:0], &e)
	var out kernel.Entry
	ok := false
	if err := r.sock.get(r.req, func(body []byte) { ok = decodeEntry(body, &out) }); err != nil {
		return out, err
	}
	if !ok {
		return out, syscall.EBADMSG
	}
	return out, nil
}

// encodeLookup appends the request for one key, for finish. The key of an
// entry of a bridge is MAC and VLAN, that of one of a VXLAN device MAC and
// source VNI, which vxlan_fdb_get takes from NDA_VNI.
func encodeLookup(b []byte, e *kernel.Entry) []byte {
	q := kernel.Entry{Family: e.Family, Ifindex: e.Ifindex}
	if e.Family != kernel.Bridge {
		return putAddr(putNdMsg(b, unix.RTM_GETNEIGH, &q), unix.NDA_DST, e.IP)
	}
	// A bridge too is asked as the owner of its own table: that finds an
	// entry behind whatever port it is.
	q.Flags = kernel.Self
	b = putNdMsg(b, unix.RTM_GETNEIGH, &q)
	b = append(putAttrHdr(b, unix.NDA_LLADDR, 6), e.MAC[:]...)
	b = append(b, 0, 0)
	if e.VLAN != 0 {
		b = putU16(b, unix.NDA_VLAN, e.VLAN)
	}
	if e.SrcVNI != 0 {
		b = putU32(b, unix.NDA_VNI, uint32(e.SrcVNI))
	}
	return b
}

// Find implements dataplane.Kernel: many look-ups with one send, whose
// answers are all there when it returns. An answer has its own datagram; the
// kernel trims it, so that those of a batch fit the smallest receive buffer.
func (r *Reader) Find(entries []kernel.Entry, errs []error) error {
	clear(errs)
	for len(entries) > 0 {
		n := min(len(entries), batchSize)
		if err := r.find(entries[:n], errs[:n]); err != nil {
			return fmt.Errorf("look up entries in the kernel: %w", err)
		}
		entries, errs = entries[n:], errs[n:]
	}
	return nil
}

func (r *Reader) find(entries []kernel.Entry, errs []error) error {
	s := r.sock
	first := s.run(len(entries))
	b := r.req[:0]
	for i := range entries {
		at := len(b)
		b = encodeLookup(b, &entries[i])
		finish(b[at:], unix.NLM_F_REQUEST, first+uint32(i))
	}
	r.req = b
	if err := s.send(b); err != nil {
		return os.NewSyscallError("write netlink", err)
	}
	if r.answers == nil {
		r.answers = newReceiver()
	}
	for left := len(entries); left > 0; {
		// The kernel answered while send ran: what is not there is lost.
		n, err := r.answers.receive(s.fd)
		if err != nil {
			return os.NewSyscallError("read netlink", err)
		}
		for d := range n {
			m, _, err := nextMessage(r.answers.bufs[d][:r.answers.heads[d].n])
			if err != nil {
				return err
			}
			i := m.seq - first
			if i >= uint32(len(entries)) {
				continue // of an earlier look-up that gave up
			}
			left--
			switch {
			case m.kind == unix.NLMSG_ERROR && replyErrno(m) != 0:
				errs[i] = replyErrno(m)
			case m.kind == unix.NLMSG_ERROR, !decodeEntry(m.body, &entries[i]):
				errs[i] = syscall.EBADMSG
			}
		}
	}
	return nil
}
