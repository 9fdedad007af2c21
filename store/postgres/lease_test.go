package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
)

func take(t testing.TB, s store.Store, owner, id, key string) *store.Lease {
	t.Helper()
	l, err := s.(store.Leaser).Lease(t.Context(), owner, id, key)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func opened(t testing.TB, url string) store.Store {
	t.Helper()
	s := must(t, url)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestALeaseTellsTheVersionOfWhatItIsFor(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).Database(t)
	one, two := opened(t, url), opened(t, url)
	first := take(t, one, "o", "conv_1", "k")
	if first.Wait != nil || first.ID != "" {
		t.Errorf("nobody has it, and nothing is stored: %+v", first)
	}
	second := take(t, two, "o", "conv_2", "k") // which is one conversation, by its key
	if second.Wait == nil {
		t.Fatal("two processes have one conversation")
	}
	other := take(t, two, "o", "conv_2", "")
	if other.Wait != nil {
		t.Error("another conversation is waited for")
	}
	other.End()
	c := &store.Conversation{ID: "conv_1", Owner: "o", Key: "k"}
	if err := one.Append(t.Context(), c, said(0)); err != nil {
		t.Fatal(err)
	}
	first.End()
	id, version, err := second.Wait(t.Context())
	if err != nil || id != "conv_1" || version != c.Version {
		t.Errorf("got %s at %d, %v; want conv_1 at %d", id, version, err, c.Version)
	}
	second.End()
	third := take(t, one, "o", "conv_1", "k")
	if third.Wait != nil {
		_, _, err = third.Wait(t.Context())
	}
	if err != nil {
		t.Error(err)
	}
	third.End()
}

// Each process takes its places one after the other, as its own queue has them.
func TestTurnsOfThreeProcessesAreInTheOrderOfTheirTickets(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).Database(t)
	var mu sync.Mutex
	var order []int
	running := 0
	var all sync.WaitGroup
	var leases [30]*store.Lease
	stores := []store.Store{opened(t, url), opened(t, url), opened(t, url)}
	for i := range leases {
		leases[i] = take(t, stores[i%3], "o", "conv_1", "")
	}
	for own := range stores {
		all.Go(func() {
			for i := own; i < len(leases); i += 3 {
				if w := leases[i].Wait; w != nil {
					if _, _, err := w(t.Context()); err != nil {
						t.Error(err)
					}
				}
				mu.Lock()
				order, running = append(order, i), running+1
				if running > 1 {
					t.Error("two turns run at once")
				}
				mu.Unlock()
				_, _ = stores[own].Version(t.Context(), "o", "conv_1")
				mu.Lock()
				running--
				mu.Unlock()
				leases[i].End()
			}
		})
	}
	all.Wait()
	for i, n := range order {
		if i != n {
			t.Fatalf("the order is %v", order)
		}
	}
}

func TestTheLeasesOfAProcessThatDiedPassOn(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).Database(t)
	dead, next := opened(t, url).(*database), opened(t, url)
	held := take(t, dead, "o", "conv_1", "")
	waiting := take(t, next, "o", "conv_1", "")
	dead.leases.cancel() // no more is heard of it
	dead.leases.done.Wait()
	if _, _, err := waiting.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	waiting.End()
	held.End()
}

func TestAProcessThatEndsGivesItsLeasesBack(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).Database(t)
	ends, next := must(t, url), opened(t, url)
	take(t, ends, "o", "conv_1", "")
	waiting := take(t, next, "o", "conv_1", "")
	if err := ends.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := waiting.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	waiting.End()
}

// The tables of leases are empty after a crash of the server.
func TestATicketThatTheServerForgotIsTakenAnew(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	one, two := opened(t, url), opened(t, url)
	take(t, one, "o", "conv_1", "")
	mine, behind := take(t, two, "o", "conv_1", ""), take(t, two, "o", "conv_1", "")
	if mine.Wait == nil {
		t.Fatal("two processes have one conversation")
	}
	server.Exec(t, pgtest.NameOf(url), "TRUNCATE dragoman.tickets")
	for _, l := range []*store.Lease{mine, behind} {
		if _, _, err := l.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		l.End()
	}
}

func TestAWaitForALeaseEndsWithItsContextAndItsStore(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).Database(t)
	one, two := opened(t, url), must(t, url)
	take(t, one, "o", "conv_1", "")
	l := take(t, two, "o", "conv_1", "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := l.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	waits := make(chan error)
	go func() {
		_, _, err := l.Wait(t.Context())
		waits <- err
	}()
	if err := two.Close(); err != nil {
		t.Error(err)
	}
	if err := <-waits; err == nil {
		t.Error("it got a place in a store that is closed")
	}
	if _, err := two.(store.Leaser).Lease(t.Context(), "o", "conv_1", ""); err == nil {
		t.Error("a closed store gave a lease")
	}
}

func BenchmarkLease(b *testing.B) {
	s := opened(b, pgtest.Start(b).Database(b))
	for i := range b.N {
		take(b, s, "o", fmt.Sprint("conv_", i%100), "").End()
	}
}
