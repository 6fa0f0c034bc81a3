package linux

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
)

// Lookup implements dataplane.Kernel (RTM_GETNEIGH of one key).
func (k *tables) Lookup(e dataplane.Entry) (dataplane.Entry, error) {
	k.req = encodeLookup(k.req[:0], &e)
	var out dataplane.Entry
	ok := false
	if err := k.reader.get(k.req, func(body []byte) { ok = decodeEntry(body, &out) }); err != nil {
		return out, err
	}
	if !ok {
		return out, syscall.EBADMSG
	}
	return out, nil
}

// encodeLookup appends the question for one key, for finish.
func encodeLookup(b []byte, e *dataplane.Entry) []byte {
	q := dataplane.Entry{Family: e.Family, Ifindex: e.Ifindex}
	if e.Family != dataplane.Bridge {
		return putAddr(putNdMsg(b, unix.RTM_GETNEIGH, &q), unix.NDA_DST, e.IP)
	}
	// A bridge too is asked as the owner of its own table: that finds an
	// entry behind whatever port it is.
	q.Flags = dataplane.Self
	b = putNdMsg(b, unix.RTM_GETNEIGH, &q)
	b = append(putAttrHdr(b, unix.NDA_LLADDR, 6), e.MAC[:]...)
	return append(b, 0, 0)
}

// Find implements dataplane.Kernel: many questions with one send, whose
// answers are all there when it returns. An answer has its own datagram; the
// kernel trims it, so that those of a batch fit the smallest receive buffer.
func (k *tables) Find(entries []dataplane.Entry, errs []error) error {
	clear(errs)
	for len(entries) > 0 {
		n := min(len(entries), batchSize)
		if err := k.find(entries[:n], errs[:n]); err != nil {
			return fmt.Errorf("look up entries in the kernel: %w", err)
		}
		entries, errs = entries[n:], errs[n:]
	}
	return nil
}

func (k *tables) find(entries []dataplane.Entry, errs []error) error {
	s := k.reader
	first := s.run(len(entries))
	b := k.req[:0]
	for i := range entries {
		at := len(b)
		b = encodeLookup(b, &entries[i])
		finish(b[at:], unix.NLM_F_REQUEST, first+uint32(i))
	}
	k.req = b
	if err := s.send(b); err != nil {
		return os.NewSyscallError("write netlink", err)
	}
	if k.answers == nil {
		k.answers = newReceiver()
	}
	for left := len(entries); left > 0; {
		// The kernel answered while send ran: what is not there is lost.
		n, err := k.answers.receive(s.fd)
		if err != nil {
			return os.NewSyscallError("read netlink", err)
		}
		for d := range n {
			m, _, err := nextMessage(k.answers.bufs[d][:k.answers.heads[d].n])
			if err != nil {
				return err
			}
			i := m.seq - first
			if i >= uint32(len(entries)) {
				continue // of an earlier question that gave up
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
