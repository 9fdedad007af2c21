package capture

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/translate"
)

func plain(s string) string { return s }

// start captures caller.
func (b *Book) start(t *testing.T, caller string, long time.Duration) {
	t.Helper()
	if _, err := b.On(caller, "me", long); err != nil {
		t.Fatal(err)
	}
}

// take keeps an exchange of alice's that says text.
func (b *Book) take(id, text string) *Exchange {
	x := b.Take(Kept{ID: id, Caller: "alice", Front: "openai", At: time.Now()}, plain)
	x.Asked([]byte(text))
	return x
}

func TestACaptureIsOverByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &Book{}
		b.start(t, "alice", time.Minute)
		b.start(t, "bob", 2*time.Minute)
		b.take("one", "hi")
		time.Sleep(59 * time.Second)
		if b.take("two", "hi"); len(b.Active()) != 2 || b.Active()[0].Taken != 2 {
			t.Errorf("%+v", b.Active())
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if b.Captures("alice") || !b.Captures("bob") || b.take("three", "hi") != nil {
			t.Error("it goes on")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if b.Any() {
			t.Error("somebody is captured")
		}
		if _, kept, bytes := b.State(); len(kept) != 2 || kept[0].ID != "two" || bytes != 4 {
			t.Errorf("%+v, %d bytes", kept, bytes)
		}
		time.Sleep(KeptFor)
		synctest.Wait()
		if len(b.kept) != 0 || b.bytes.Load() != 0 || b.clock != nil {
			t.Errorf("%d are kept after their time", len(b.kept))
		}
	})
}

func TestACaptureIsOnlySwitchedOnWithinItsBudget(t *testing.T) {
	t.Parallel()
	b := &Book{}
	for _, c := range []struct {
		caller string
		long   time.Duration
	}{{"", time.Minute}, {strings.Repeat("x", MostName+1), time.Minute}, {"alice", 0}, {"alice", -1}, {"alice", MostTime + 1}} {
		if _, err := b.On(c.caller, "me", c.long); translate.AsError(err, translate.Error{}).Code != translate.CodeValidation {
			t.Errorf("%v: %v", c, err)
		}
	}
	for i := range MostCallers {
		b.start(t, fmt.Sprint("caller", i), time.Hour)
	}
	if _, err := b.On("one more", "me", time.Minute); translate.AsError(err, translate.Error{}).Code != translate.CodeRateLimited {
		t.Errorf("%v", err)
	}
	b.start(t, "caller3", time.Minute) // it is on already
	if !b.Off("caller0") || b.Off("caller0") || b.Off("nobody") {
		t.Error("what was on and what not is mixed up")
	}
	b.start(t, "one more", time.Minute)
	if b.Clear(); b.Any() {
		t.Error("somebody is captured")
	}
}

func TestTheOldestMakesRoom(t *testing.T) {
	t.Parallel()
	b := &Book{}
	b.start(t, "alice", time.Hour)
	var first *Exchange
	for i := range MostExchanges + 5 {
		if x := b.take(fmt.Sprint(i), "hi"); i == 0 {
			first = x
		}
	}
	if _, kept, bytes := b.State(); len(kept) != MostExchanges || kept[MostExchanges-1].ID != "5" || bytes != 2*MostExchanges {
		t.Errorf("%d are kept, %d bytes", len(kept), bytes)
	}
	if first.Told([]byte("late")); b.bytes.Load() != 2*MostExchanges {
		t.Error("what has made room takes some")
	}
	long := strings.Repeat("x", FormBytes+slack)
	for i := range 2 * MostBytes / len(long) / 3 {
		x := b.take(fmt.Sprint("long", i), long)
		x.Canonical([]byte(long))
		x.Told([]byte(long))
		if n := b.bytes.Load(); n > MostBytes {
			t.Fatalf("%d bytes are kept", n)
		}
	}
	if b.Clear(); b.bytes.Load() != 0 {
		t.Errorf("%d bytes are left", b.bytes.Load())
	}
}

func TestNoPartOfAKeyIsShownThatTheEndHasCut(t *testing.T) {
	t.Parallel()
	const secret = "the-very-secret-key-of-a-channel"
	mask := translate.NewMasker([]string{secret}, nil).Whole
	for at := FormBytes - 2*slack; at < FormBytes+2*slack; at += 1021 {
		b := &Book{}
		b.start(t, "alice", time.Hour)
		x := b.Take(Kept{ID: "one", Caller: "alice", At: time.Now()}, mask)
		x.Asked([]byte(strings.Repeat("ü ", at/3) + secret + strings.Repeat(" ü", 2*slack)))
		f, ok := b.Find("one", "", time.Time{}, mask)
		if !ok || strings.Contains(f.Asked.Text, "-very") || !f.Asked.Cut || len(f.Asked.Text) > FormBytes || len(f.Asked.Text) < FormBytes-2*slack || !utf8.ValidString(f.Asked.Text) {
			t.Fatalf("at %d: %v, %d bytes", at, ok, len(f.Asked.Text))
		}
	}
}

func TestTheExchangeThatIsMeantIsFound(t *testing.T) {
	t.Parallel()
	b := &Book{}
	b.start(t, "alice", time.Hour)
	b.start(t, "bob", time.Hour)
	now := time.Now()
	for i, who := range []string{"alice", "bob", "alice"} {
		x := b.Take(Kept{ID: "same", Caller: who, At: now.Add(time.Duration(i))}, plain)
		x.Asked([]byte(fmt.Sprint(i)))
		x.Try("a", "m").Sent([]byte("\xff"))
		x.Try("b", "m")
		x.Untry()
	}
	for _, c := range []struct {
		caller string
		at     time.Time
		want   string
	}{{"", time.Time{}, "2"}, {"bob", time.Time{}, "1"}, {"", now, "0"}, {"bob", now, ""}} {
		f, ok := b.Find("same", c.caller, c.at, plain)
		if ok != (c.want != "") || ok && (f.Asked.Text != c.want || len(f.Attempts) != 1 || f.Attempts[0].Sent.Text != "�") {
			t.Errorf("%v: %+v", c, f)
		}
	}
}

func TestManyAtOnceStayWithinTheBudget(t *testing.T) {
	t.Parallel()
	b := &Book{}
	b.start(t, "alice", time.Hour)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 200 {
				x := b.take("x", "question")
				if tap := x.Try("a", "m"); tap != nil { // else nobody is captured just now
					tap.Sent([]byte("sent"))
					tap.Came([]byte("came"))
				}
				b.Find("x", "", time.Time{}, plain)
			}
		})
	}
	all.Go(func() {
		for range 20 {
			b.Clear()
			b.start(t, "alice", time.Hour)
		}
	})
	all.Wait()
	if b.Clear(); b.bytes.Load() != 0 {
		t.Errorf("%d bytes are left", b.bytes.Load())
	}
}
