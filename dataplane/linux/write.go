package linux

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane/kernel"
)

// batchSize is how many messages go into one sendto: from 64 on the cost of
// the system call is spread thin enough, and the replies of a batch that
// fails in every message still fit the smallest receive buffer.
const batchSize = 128

// Write implements dataplane.Kernel. It makes no allocation unless an entry
// fails.
func (k *Kernel) Write(ops []kernel.Op, errs []error) error {
	clear(errs)
	for len(ops) > 0 {
		n := min(len(ops), batchSize)
		if err := k.batch(ops[:n], errs[:n]); err != nil {
			return err
		}
		ops, errs = ops[n:], errs[n:]
	}
	return nil
}

func (k *Kernel) batch(ops []kernel.Op, errs []error) error {
	s := k.writer
	first := s.run(len(ops))
	b := k.out[:0]
	for i := range ops {
		at := len(b)
		b = encodeOp(b, &ops[i], first+uint32(i))
		if i == len(ops)-1 {
			native.PutUint16(b[at+6:], native.Uint16(b[at+6:])|unix.NLM_F_ACK)
		}
	}
	k.out = b
	if err := s.send(b); err != nil {
		return os.NewSyscallError("write netlink", err)
	}
	for {
		data, err := s.recv()
		if err != nil {
			return os.NewSyscallError("read netlink", err)
		}
		for len(data) > 0 {
			var m message
			if m, data, err = nextMessage(data); err != nil {
				return err
			}
			i := m.seq - first
			if m.kind != unix.NLMSG_ERROR || i >= uint32(len(ops)) {
				continue
			}
			if len(m.body) >= 4 && native.Uint32(m.body) != 0 {
				errs[i] = replyErr(m)
			}
			if int(i) == len(ops)-1 {
				return nil
			}
		}
	}
}
