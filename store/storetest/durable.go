package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

// RunDurable puts a back end that outlives its process through being opened
// again. openPath opens the store that is kept in dir, as it was left there.
func RunDurable(t *testing.T, openPath func(t *testing.T, dir string) store.Store) {
	t.Helper()
	t.Run("What was stored is there when it is opened again", func(t *testing.T) {
		t.Parallel()
		reopens(t, openPath)
	})
	t.Run("Numbers go on when it is opened again", func(t *testing.T) {
		t.Parallel()
		renumbers(t, openPath)
	})
	t.Run("Close waits for what was begun", func(t *testing.T) {
		t.Parallel()
		closesLate(t, openPath)
	})
}

func reopens(t *testing.T, openPath func(t *testing.T, dir string) store.Store) {
	dir, ctx := t.TempDir(), t.Context()
	s := full(t, openPath(t, dir))
	c := create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Key: "k", User: "u", Group: "g", Name: "ü"}, 10)
	for i := range 20 {
		must(t, s.Append(ctx, c, exchange(i+1, int64(20+i))))
	}
	mask := store.Mask{Name: "m", Context: []byte("[]")}
	must(t, s.SaveMask(ctx, "o", &mask))
	share := store.Share{Hash: "h", Owner: "o", Num: 1, At: 1, Messages: exchange(0, 1).Messages}
	must(t, s.Share(ctx, &share))
	want := load(t, s, "o", "conv_1")
	page, _, err := s.List(ctx, store.Filter{Owner: "o"})
	must(t, err)
	must(t, s.Close())

	s = full(t, openPath(t, dir))
	same(t, "the conversation", want, load(t, s, "o", "conv_1"))
	again, total, err := s.List(ctx, store.Filter{Owner: "o"})
	if err != nil || total != 1 {
		t.Errorf("%d conversations, %v", total, err)
	}
	same(t, "the list", page, again)
	masks, err := s.Masks(ctx, "o")
	must(t, err)
	same(t, "the masks", []store.Mask{mask}, masks)
	got, err := s.Shared(ctx, "h")
	must(t, err)
	same(t, "the share", &share, got)
	must(t, s.Append(ctx, c, exchange(99, 99)))
}

func renumbers(t *testing.T, openPath func(t *testing.T, dir string) store.Store) {
	dir := t.TempDir()
	s := full(t, openPath(t, dir))
	create(t, s, store.Conversation{ID: "conv_1", Owner: "o", Num: 9}, 1)
	reserved, err := s.Number(t.Context(), "o")
	must(t, err)
	create(t, s, store.Conversation{ID: "conv_2", Owner: "o", Num: reserved}, 1)
	must(t, s.Delete(t.Context(), "o", ""))
	must(t, s.Close())
	s = full(t, openPath(t, dir))
	next, err := s.Number(t.Context(), "o")
	if err != nil || reserved != 10 || next != 11 {
		t.Errorf("reserved %d, then %d, %v; want 10 and 11", reserved, next, err)
	}
}

// closesLate closes while 64 callers append: all that succeeded must be there.
func closesLate(t *testing.T, openPath func(t *testing.T, dir string) store.Store) {
	dir := t.TempDir()
	s := full(t, openPath(t, dir))
	var wg sync.WaitGroup
	var stored, begun atomic.Int64
	for i := range 64 {
		wg.Go(func() {
			for j := 0; ; j++ {
				c := store.Conversation{ID: fmt.Sprintf("conv_%d_%d", i, j), Owner: "o"}
				begun.Add(1)
				if s.Append(t.Context(), &c, exchange(0, 1)) != nil {
					return
				}
				if stored.Add(1) == 200 {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	s = full(t, openPath(t, dir))
	_, total, err := s.List(t.Context(), store.Filter{Owner: "o"})
	if err != nil || int64(total) != stored.Load() {
		t.Errorf("%d are there of %d that were acknowledged (%d begun), %v", total, stored.Load(), begun.Load(), err)
	}
}

// Bench measures appends of one exchange to conversations that exist, from one
// caller and from 64.
func Bench(b *testing.B, open func(b *testing.B) store.Store) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := full(b, open(b))
			var todo atomic.Int64
			todo.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ReportAllocs()
			b.ResetTimer()
			for i := range callers {
				wg.Go(func() {
					c := store.Conversation{ID: fmt.Sprintf("conv_%d", i), Owner: "o"}
					for todo.Add(-1) >= 0 {
						if err := s.Append(b.Context(), &c, exchange(1, 1)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "turns/s")
		})
	}
}
