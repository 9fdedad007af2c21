package front

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// listener is a connection that remembers what was written to it.
type listener struct {
	awaited
	got []string
}

func (l *listener) write(frame []byte) error {
	l.got = append(l.got, string(frame))
	return nil
}

func (l *listener) await(m *remembered) bool { return l.add(m) }
func (l *listener) forget(m *remembered)     { l.remove(m) }

// leaves returns what happens when l ends, as far as it waits for anything now.
func (l *listener) leaves(r *dedupeCache) func() {
	all := maps.Clone(l.all)
	return func() {
		for m := range all {
			r.left(m, l)
		}
	}
}

// asks puts a message to r and fails the test unless it is new or not, as told.
func asks(t *testing.T, r *dedupeCache, id, body string, from *listener, now time.Time, isNew bool) (stopped *bool) {
	t.Helper()
	stopped = new(bool)
	first, err := r.ask("alice", id, []byte(body), from, now, func(error) { *stopped = true })
	if err != nil || first != isNew {
		t.Fatalf("%s: new %v, error %v", id, first, err)
	}
	return stopped
}

var noon = time.Unix(1_700_000_000, 0)

func TestARepeatedMessageIsAnsweredOnceToTheNewestConnection(t *testing.T) {
	t.Parallel()
	r, one, two := newRecent(time.Minute), &listener{}, &listener{}
	asks(t, r, "m", "b", one, noon, true)
	asks(t, r, "m", "b", one, noon, false)
	asks(t, r, "m", "b", two, noon, false)
	r.answered("alice", "m", []byte("answer"), true, true, noon)
	if len(one.got) != 0 || !slices.Equal(two.got, []string{"answer"}) {
		t.Errorf("the first got %v, the newest %v", one.got, two.got)
	}
	asks(t, r, "m", "b", one, noon, false)
	if !slices.Equal(one.got, []string{"answer"}) {
		t.Errorf("after the answer it got %v", one.got)
	}
}

func TestAnIdWithAnotherBodyIsRefused(t *testing.T) {
	t.Parallel()
	r, one := newRecent(time.Minute), &listener{}
	asks(t, r, "m", "b", one, noon, true)
	for _, runs := range []bool{true, false} {
		if first, err := r.ask("alice", "m", []byte("other"), one, noon, nil); first || err == nil {
			t.Errorf("new %v, error %v", first, err)
		}
		if runs {
			r.answered("alice", "m", []byte("answer"), true, true, noon)
		}
	}
	if first, err := r.ask("bob", "m", []byte("other"), one, noon, func(error) {}); !first || err != nil {
		t.Errorf("another caller: new %v, error %v", first, err)
	}
}

func TestTheNewestConnectionKeepsAQuestionAlive(t *testing.T) {
	t.Parallel()
	r, one, two := newRecent(time.Minute), &listener{}, &listener{}
	stopped := asks(t, r, "m", "b", one, noon, true)
	leaves := one.leaves(r)
	asks(t, r, "m", "b", two, noon, false)
	leaves()
	if *stopped {
		t.Fatal("the question ended though somebody waits for it")
	}
	two.leaves(r)()
	if !*stopped {
		t.Fatal("the question goes on for nobody")
	}
	r.answered("alice", "m", []byte("canceled"), false, true, noon)
	asks(t, r, "m", "b", one, noon, true)
}

func TestAQuestionOfAConnectionThatHasEndedAlreadyIsEnded(t *testing.T) {
	t.Parallel()
	r, one, two := newRecent(time.Minute), &listener{}, &listener{}
	stopped := asks(t, r, "m", "b", one, noon, true)
	if n := len(one.end()); n != 1 {
		t.Errorf("it waits for %d answers", n)
	}
	asks(t, r, "m", "b", two, noon, false)
	asks(t, r, "m", "b", one, noon, false)
	if !*stopped {
		t.Error("the question goes on for nobody")
	}
	if len(two.all) != 0 || len(one.all) != 0 {
		t.Errorf("%d and %d answers are awaited", len(two.all), len(one.all))
	}
}

func TestNothingIsAwaitedAfterItsAnswer(t *testing.T) {
	t.Parallel()
	r, one := newRecent(time.Minute), &listener{}
	for i := range 3 {
		id := fmt.Sprint(i)
		asks(t, r, id, "b", one, noon, true)
		r.answered("alice", id, []byte("answer"), i > 0, true, noon)
	}
	if n := len(one.all); n != 0 {
		t.Errorf("%d answers are awaited", n)
	}
}

func TestALateEndOfAConnectionEndsNothing(t *testing.T) {
	t.Parallel()
	r, one := newRecent(time.Minute), &listener{}
	stopped := asks(t, r, "m", "b", one, noon, true)
	leaves := one.leaves(r)
	r.answered("alice", "m", []byte("answer"), true, true, noon)
	leaves()
	if *stopped {
		t.Error("it was stopped")
	}
}

func TestAnAnswerIsForgottenAfterItsWindow(t *testing.T) {
	t.Parallel()
	r, one := newRecent(time.Minute), &listener{}
	asks(t, r, "m", "b", one, noon, true)
	asks(t, r, "m", "b", one, noon.Add(time.Hour), false) // still running
	r.answered("alice", "m", []byte("answer"), true, true, noon.Add(time.Hour))
	asks(t, r, "m", "b", one, noon.Add(time.Hour+time.Minute), false)
	asks(t, r, "m", "b", one, noon.Add(time.Hour+time.Minute+1), true)
	if r.window.bytes != 0 || len(r.window.oldest) != 0 {
		t.Errorf("%d bytes, %d answers are left", r.window.bytes, len(r.window.oldest))
	}
}

func TestWhatIsRememberedIsBoundedThoughAQuestionRuns(t *testing.T) {
	t.Parallel()
	r, one := newRecent(time.Hour), &listener{}
	asks(t, r, "runs", "b", one, noon, true)
	for i := range recentMessages + 10 {
		id := fmt.Sprint(i)
		asks(t, r, id, "b", one, noon, true)
		r.answered("alice", id, []byte("a"), true, true, noon)
		one.got = nil
	}
	if len(r.window.byKey) > recentMessages+1 || len(r.window.oldest) > recentMessages {
		t.Errorf("%d messages", len(r.window.byKey))
	}
	big := make([]byte, 1<<20)
	for i := range 100 {
		id := fmt.Sprint("big", i)
		asks(t, r, id, "b", one, noon, true)
		r.answered("alice", id, big, true, true, noon)
	}
	if r.window.bytes > recentBytes {
		t.Errorf("%d bytes", r.window.bytes)
	}
	asks(t, r, "runs", "b", one, noon, false)
}

func TestCountsAreBoundedAndForgotten(t *testing.T) {
	t.Parallel()
	c := &counts{of: map[string]int{}}
	for i, want := range []bool{true, true, false} {
		if got := c.take("a", 2); got != want {
			t.Errorf("take %d: %v", i, got)
		}
	}
	if !c.take("b", 2) {
		t.Error("another name has the count of the first")
	}
	for _, n := range []string{"a", "a", "b"} {
		c.give(n)
	}
	if len(c.of) != 0 {
		t.Errorf("left: %v", c.of)
	}
}

func TestTheStringsOfWhatIsRememberedAreCounted(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	r := newRecent(time.Hour)
	for i := range 3 * recentBytes >> 20 {
		caller, id := "alice", fmt.Sprint(long, i)
		if i%2 == 0 {
			caller, id = id, "1"
		}
		if first, err := r.ask(caller, id, []byte("b"), &listener{}, noon, nil); err != nil || !first {
			t.Fatal(err)
		}
		r.answered(caller, id, []byte("a"), true, true, noon)
	}
	if n := len(r.window.byKey); n > recentBytes>>20 || n < recentBytes>>21 || r.window.bytes > recentBytes {
		t.Errorf("%d messages with an id of 1 MB are remembered, as %d bytes", n, r.window.bytes)
	}
	o := newIdempotency()
	for i := range 6 * idempotencyBytes >> 20 {
		id := fmt.Sprint(long, i)
		key, was := onceKey{"alice", "/path", "key"}, reply{status: 200}
		for j, s := range []*string{&key.caller, &key.path, &key.key, &was.kind, &was.dropped} {
			if *s += fmt.Sprint(i); j == i%5 {
				*s = id
			}
		}
		one, fresh := o.window.ask(key, [32]byte{}, time.Now())
		if !fresh {
			t.Fatal("it is known")
		}
		(&idempotentRequest{of: o, one: one}).keep(was)
	}
	if n := len(o.window.byKey); n > idempotencyBytes>>20 || n < idempotencyBytes>>21 || o.window.bytes > idempotencyBytes {
		t.Errorf("%d answers with a string of 1 MB are remembered, as %d bytes", n, o.window.bytes)
	}
}
