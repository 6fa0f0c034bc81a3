package api

import (
	"context"
	"slices"
	"time"

	"github.com/evpnd/evpnd/dataplane"
	"github.com/evpnd/evpnd/evpn"
)

// pageSize is how many objects go in a message, and stepSize how many the
// engine looks up in one go: about a millisecond of its time, and a message
// far below gRPC's limit of 4 MB.
const (
	pageSize = 1000
	stepSize = 1000
)

// pager sends objects in pages.
type pager[T any] struct {
	page []T
	send func([]T) error
}

func (p *pager[T]) add(object T) error {
	p.page = append(p.page, object)
	if len(p.page) < pageSize {
		return nil
	}
	return p.flush()
}

func (p *pager[T]) addAll(objects []T) error {
	for _, x := range objects {
		if err := p.add(x); err != nil {
			return err
		}
	}
	return nil
}

// flush sends what is there. The page is a new one each time: gRPC may still
// hold the last.
func (p *pager[T]) flush() error {
	if len(p.page) == 0 {
		return nil
	}
	page := p.page
	p.page = nil
	return p.send(page)
}

// end is what a list ends with: err, or what sending the last page says.
func (p *pager[T]) end(err error) error {
	if err != nil {
		return err
	}
	return p.flush()
}

// sendAll sends objects that are all there, in pages.
func sendAll[T any](objects []T, send func([]T) error) error {
	for page := range slices.Chunk(objects, pageSize) {
		if err := send(page); err != nil {
			return err
		}
	}
	return nil
}

// renderer makes messages of what the engine has and of how it stands in the kernel.
type renderer struct{ reader dataplane.Reader }

// inPages looks up the objects of keys in steps, and adds what message makes of
// each to the pages. The dataplane is asked once a step.
func inPages[K, T, M any](ctx context.Context, s *Server, pages *pager[M], keys []K, get func(view, []T, K) []T, message func(renderer, *T) M) error {
	return inSteps(ctx, s, keys, get, func(objects []T) error {
		out := make([]M, len(objects))
		s.kernel.Read(func(r dataplane.Reader) {
			for i := range objects {
				out[i] = message(renderer{r}, &objects[i])
			}
		})
		return pages.addAll(out)
	})
}

// inSteps looks up the objects of keys on the engine's goroutine, a step at a
// time, and hands each step's objects to use outside of it. A step ends at
// stepSize keys, or when one key brought so many objects that it has more.
func inSteps[K, T any](ctx context.Context, s *Server, keys []K, get func(view, []T, K) []T, use func([]T) error) error {
	for len(keys) > 0 {
		var objects []T
		var done int
		err := s.ask(ctx, func(v view) {
			for done < min(stepSize, len(keys)) && len(objects) < stepSize {
				objects = get(v, objects, keys[done])
				done++
			}
		})
		if err != nil {
			return askErr(err)
		}
		keys = keys[done:]
		if err := use(objects); err != nil {
			return err
		}
	}
	return nil
}

// keysOf takes the keys of a VNI, or of all when vni is 0, by take: one VNI a
// step, since a million keys in one would hold the engine for half a second.
func keysOf[K any](ctx context.Context, s *Server, vni evpn.VNI, take func(view, evpn.VNI) []K) ([]K, error) {
	var all []K
	err := eachVNI(ctx, s, vni, take, func(keys []K) error {
		all = append(all, keys...)
		return nil
	})
	return all, err
}

// eachVNI is keysOf for who can use the keys VNI by VNI, so that the first
// page of a list need not wait for the keys of all.
func eachVNI[K any](ctx context.Context, s *Server, vni evpn.VNI, take func(view, evpn.VNI) []K, use func([]K) error) error {
	vnis := []evpn.VNI{vni}
	if vni == 0 {
		vnis = nil
		err := s.ask(ctx, func(v view) {
			for _, n := range v.BDs() {
				vnis = append(vnis, n.VNI)
			}
		})
		if err != nil {
			return askErr(err)
		}
	}
	for _, n := range vnis {
		var keys []K
		if err := s.ask(ctx, func(v view) { keys = take(v, n) }); err != nil {
			return askErr(err)
		}
		if err := use(keys); err != nil {
			return err
		}
	}
	return nil
}

// since returns the time from t to now, 0 when t is not set.
func since(t time.Time) time.Duration {
	if t.IsZero() {
		return 0
	}
	return time.Since(t).Round(time.Millisecond)
}
