package watch

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/evpnd/evpnd/evpn"
)

// Kind is a kind of object; Kinds are a set of them.
type Kind uint8

// The kinds of object that can be watched.
const (
	Peer Kind = iota
	VNI
	VTEP
	MAC
	Neighbor
	Alarm
	kinds
)

// Kinds is a set of kinds, one bit each.
type Kinds uint8

// All is every kind.
const All Kinds = 1<<kinds - 1

// Of returns the set of the kinds given.
func Of(ks ...Kind) Kinds {
	var set Kinds
	for _, k := range ks {
		set |= 1 << k
	}
	return set
}

// Has tells whether k is in s.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// Key names an object. Only the fields that its kind needs are set: VNI for
// VNI, IP for VTEP and Peer, VNI and MAC for MAC, VNI and IP for Neighbor,
// none for Alarm, which stands for all alarms together.
type Key struct {
	Kind Kind
	VNI  evpn.VNI
	MAC  evpn.MAC
	IP   netip.Addr
}

// DefaultSize is a ring of about 3 MB. It takes a reader that is a few
// seconds behind through a burst of as many changes; past that a snapshot is
// no more work than the changes would be.
const DefaultSize = 1 << 16

// ErrOverrun says that keys were lost because the reader was too slow. Start
// anew with Restart and a snapshot.
var ErrOverrun = errors.New("watch: the reader fell behind the changes that are kept")

// Hub is the ring. All methods may be called from any goroutine.
type Hub struct {
	instance string

	mu   sync.Mutex
	ring []Key
	head uint64        // revision of the newest key; the first has 1
	wake chan struct{} // closed by the next publication; nil: nobody waits
}

// New returns a hub whose ring holds size keys, DefaultSize when it is 0.
func New(size int) *Hub {
	if size <= 0 {
		size = DefaultSize
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	return &Hub{instance: hex.EncodeToString(id[:]), ring: make([]Key, size)}
}

// Publish notes that objects may look different. Call it after the step that
// changed them: a reader looks an object up as soon as it has the key. Publish
// does not wait for any reader and does not keep changes.
func (h *Hub) Publish(changes []evpn.Change) {
	if len(changes) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range changes {
		h.put(keyOf(&changes[i]))
	}
	h.notify()
}

// PublishKeys notes the same of objects that the engine does not know of or
// does not change: peers, and MACs whose entry in the kernel came to be.
func (h *Hub) PublishKeys(keys ...Key) {
	if len(keys) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, k := range keys {
		h.put(k)
	}
	h.notify()
}

func (h *Hub) put(k Key) {
	h.ring[h.head%uint64(len(h.ring))] = k
	h.head++
}

func (h *Hub) notify() {
	if h.wake != nil {
		close(h.wake)
		h.wake = nil
	}
}

// Revision returns the number of the newest change.
func (h *Hub) Revision() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.head
}

func keyOf(c *evpn.Change) Key {
	switch c.Kind {
	case evpn.ChangeMAC:
		return Key{Kind: MAC, VNI: c.VNI, MAC: c.MAC}
	case evpn.ChangeNeigh:
		return Key{Kind: Neighbor, VNI: c.VNI, IP: c.IP}
	case evpn.ChangeBD:
		return Key{Kind: VNI, VNI: c.VNI}
	case evpn.ChangeVTEP:
		return Key{Kind: VTEP, IP: c.IP}
	case evpn.ChangeAlarm:
		return Key{Kind: Alarm}
	}
	panic(fmt.Sprintf("watch: change of unknown kind %d", c.Kind))
}

// Reader is one reader's place in the ring. It belongs to one goroutine.
type Reader struct {
	hub   *Hub
	kinds Kinds
	at    uint64 // revision of the last key that was taken
	seen  map[Key]struct{}
}

// Subscribe returns a reader of some kinds. With a token that Token of a
// reader of the same kinds returned in this process, not too long ago, it goes
// on from there and resumed is true. Otherwise it stands at the newest
// change, and the caller must begin with Restart and a snapshot.
//
// A reader needs no closing: the hub does not know of it.
func (h *Hub) Subscribe(kinds Kinds, token string) (r *Reader, resumed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r = &Reader{hub: h, kinds: kinds, at: h.head, seen: make(map[Key]struct{})}
	rev, ok := h.parse(kinds, token)
	if !ok || rev > h.head || h.head-rev > uint64(len(h.ring)) {
		return r, false
	}
	r.at = rev
	return r, true
}

// Restart moves the reader to the newest change. Call it before the keys of a
// snapshot are taken, so that every change is in the snapshot or comes after
// it.
func (r *Reader) Restart() {
	r.at = r.hub.Revision()
}

// Token returns what Subscribe needs to come back to where the reader is.
func (r *Reader) Token() string {
	return fmt.Sprintf("%s.%x.%d", r.hub.instance, uint8(r.kinds), r.at)
}

// parse reads a token; ok is false when it is not one of these kinds from
// this process.
func (h *Hub) parse(kinds Kinds, token string) (rev uint64, ok bool) {
	rest, ok := strings.CutPrefix(token, fmt.Sprintf("%s.%x.", h.instance, uint8(kinds)))
	if !ok {
		return 0, false
	}
	rev, err := strconv.ParseUint(rest, 10, 64)
	return rev, err == nil
}

// Next waits until there is something behind the reader and appends to dst
// the keys of its kinds, in the order they first changed, each once. It looks
// at no more than max places of the ring, so that the writer is not held up;
// what it returns may therefore be empty.
//
// It returns ErrOverrun when keys were lost, and the context's error when
// that ends first.
func (r *Reader) Next(ctx context.Context, dst []Key, max int) ([]Key, error) {
	if err := r.wait(ctx); err != nil {
		return dst, err
	}
	h := r.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	size := uint64(len(h.ring))
	if h.head-r.at > size {
		return dst, ErrOverrun
	}
	clear(r.seen)
	for end := min(h.head, r.at+uint64(max)); r.at < end; r.at++ {
		k := h.ring[r.at%size]
		if !r.kinds.Has(k.Kind) {
			continue
		}
		if _, dup := r.seen[k]; !dup {
			r.seen[k] = struct{}{}
			dst = append(dst, k)
		}
	}
	return dst, nil
}

func (r *Reader) wait(ctx context.Context) error {
	for {
		r.hub.mu.Lock()
		if r.hub.head > r.at {
			r.hub.mu.Unlock()
			return nil
		}
		if r.hub.wake == nil {
			r.hub.wake = make(chan struct{})
		}
		wake := r.hub.wake
		r.hub.mu.Unlock()
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
