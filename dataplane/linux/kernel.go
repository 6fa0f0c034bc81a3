package linux

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/evpnd/evpnd/dataplane"
)

// Kernel is the dataplane.Kernel of one network namespace.
type Kernel struct {
	Reader
	second Reader
	writer *socket
	// watcher is nil once Watch has it; its goroutine closes it.
	watcher *socket
	echo    echo
	snooper snooper
	netns   netnsID
	netnsFD int
	out     []byte // the batch being written
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
		Reader: newReader(s[0]), second: newReader(s[3]), writer: s[1], watcher: s[2],
		out: make([]byte, 0, batchSize*96),
	}, nil
}

// Second implements dataplane.Kernel.
func (k *Kernel) Second() dataplane.Tables { return &k.second }

// Close closes the sockets. What Watch opened is closed by its context.
func (k *Kernel) Close() error {
	err := errors.Join(k.Reader.Close(), k.second.Close(), k.writer.close(), unix.Close(k.netnsFD))
	if k.watcher != nil {
		err = errors.Join(err, k.watcher.close())
	}
	return err
}
