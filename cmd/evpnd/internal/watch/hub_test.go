package watch

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/evpnd/evpnd/evpn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var addrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func mac(n byte) evpn.Change {
	return evpn.Change{Kind: evpn.ChangeMAC, VNI: 200, MAC: evpn.MAC{2, 0, 0, 0, 0, n}}
}

func macKey(n byte) Key { return Key{Kind: MAC, VNI: 200, MAC: evpn.MAC{2, 0, 0, 0, 0, n}} }

func next(t *testing.T, r *Reader) []Key {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	keys, err := r.Next(ctx, nil, 100)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return keys
}

func TestEachKeyOnceInOrder(t *testing.T) {
	h := New(16)
	r, resumed := h.Subscribe(All, "")
	if resumed {
		t.Error("resumed without a token")
	}
	h.Publish([]evpn.Change{mac(1), mac(2), mac(1), {Kind: evpn.ChangeAlarm, VNI: 200}})
	h.PublishKeys(Key{Kind: Peer, IP: netip.MustParseAddr("10.0.0.1")})
	want := []Key{macKey(1), macKey(2), {Kind: Alarm}, {Kind: Peer, IP: netip.MustParseAddr("10.0.0.1")}}
	if d := cmp.Diff(want, next(t, r), addrs); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
}

func TestOnlyTheKindsAskedFor(t *testing.T) {
	h := New(16)
	r, _ := h.Subscribe(Of(VTEP, Neighbor), "")
	ip := netip.MustParseAddr("172.18.0.10")
	h.Publish([]evpn.Change{
		mac(1),
		{Kind: evpn.ChangeVTEP, IP: ip},
		{Kind: evpn.ChangeBD, VNI: 3},
		{Kind: evpn.ChangeNeigh, VNI: 3, IP: ip},
	})
	want := []Key{{Kind: VTEP, IP: ip}, {Kind: Neighbor, VNI: 3, IP: ip}}
	if d := cmp.Diff(want, next(t, r), addrs); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
}

func TestResume(t *testing.T) {
	h := New(4)
	r, _ := h.Subscribe(Of(MAC), "")
	h.Publish([]evpn.Change{mac(1)})
	next(t, r)
	token := r.Token()
	h.Publish([]evpn.Change{mac(2), mac(3)})

	again, resumed := h.Subscribe(Of(MAC), token)
	if !resumed {
		t.Fatal("a token of this process was not taken")
	}
	if d := cmp.Diff([]Key{macKey(2), macKey(3)}, next(t, again), addrs); d != "" {
		t.Errorf("keys after resume (-want +got):\n%s", d)
	}

	for name, bad := range map[string]string{
		"of another process": New(4).instance + token[len(h.instance):],
		"of the future":      h.instance + ".8.99",
		"no number":          h.instance + ".8.x",
		"nonsense":           "hello",
	} {
		if _, resumed := h.Subscribe(Of(MAC), bad); resumed {
			t.Errorf("token %s (%q) was taken", name, bad)
		}
	}
	if _, resumed := h.Subscribe(Of(MAC, VNI), token); resumed {
		t.Error("a token was taken for kinds it was not given for")
	}
	h.Publish([]evpn.Change{mac(4), mac(5)}) // four keys behind the token: still there
	if _, resumed := h.Subscribe(Of(MAC), token); !resumed {
		t.Error("a token that the ring just holds was not taken")
	}
	h.Publish([]evpn.Change{mac(6)})
	if _, resumed := h.Subscribe(Of(MAC), token); resumed {
		t.Error("a token was taken although the ring has lost a change since")
	}
}

func TestOverrunThenRestart(t *testing.T) {
	h := New(4)
	r, _ := h.Subscribe(All, "")
	h.Publish([]evpn.Change{mac(1), mac(2), mac(3), mac(4), mac(5)})
	if _, err := r.Next(t.Context(), nil, 100); !errors.Is(err, ErrOverrun) {
		t.Fatalf("Next after five changes in a ring of four: %v, want ErrOverrun", err)
	}
	r.Restart()
	h.Publish([]evpn.Change{mac(6)})
	if d := cmp.Diff([]Key{macKey(6)}, next(t, r), addrs); d != "" {
		t.Errorf("keys after restart (-want +got):\n%s", d)
	}
}

func TestNextWaitsAndEnds(t *testing.T) {
	h := New(4)
	r, _ := h.Subscribe(All, "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := r.Next(ctx, nil, 1)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Next: %v, want context.Canceled", err)
	}
}

func TestMaxBoundsWhatIsTaken(t *testing.T) {
	h := New(8)
	r, _ := h.Subscribe(All, "")
	h.Publish([]evpn.Change{mac(1), mac(2), mac(3)})
	keys, err := r.Next(t.Context(), nil, 2)
	if err != nil || len(keys) != 2 {
		t.Fatalf("Next(max 2) = %d keys, %v", len(keys), err)
	}
	if d := cmp.Diff([]Key{macKey(3)}, next(t, r), addrs); d != "" {
		t.Errorf("the rest (-want +got):\n%s", d)
	}
}

// Readers that come and go, fast and slow, see the last change of all, and
// the writer waits for none.
func TestManyReaders(t *testing.T) {
	h := New(1 << 10)
	const last = 200
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 8 {
		r, _ := h.Subscribe(All, "")
		wg.Go(func() {
			for {
				keys, err := r.Next(ctx, nil, 1+i)
				if errors.Is(err, ErrOverrun) {
					t.Errorf("reader %d: overrun although the ring holds everything", i)
					return
				}
				if err != nil {
					t.Errorf("reader %d: %v", i, err)
					return
				}
				for _, k := range keys {
					if k == macKey(last) {
						return
					}
				}
			}
		})
	}
	for n := byte(1); n <= last; n++ {
		h.Publish([]evpn.Change{mac(n)})
	}
	wg.Wait()
}

func BenchmarkPublish(b *testing.B) {
	h := New(0)
	batch := make([]evpn.Change, 256)
	for i := range batch {
		batch[i] = mac(byte(i))
	}
	b.ReportAllocs()
	for b.Loop() {
		h.Publish(batch)
	}
}
