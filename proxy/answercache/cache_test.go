package answercache

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

func says(text string) *translate.Answer {
	return &translate.Answer{Finish: translate.FinishStop, Parts: []translate.Part{{Kind: translate.PartText, Text: text}}}
}

func TestTheCacheIsBoundedInBytes(t *testing.T) {
	t.Parallel()
	c := New(64 << 10)
	defer c.Close()
	large := strings.Repeat("x", 1<<10)
	for i := range 1000 {
		_, call, lead := c.Find(Key{byte(i), byte(i >> 8), 1}, time.Hour)
		if !lead {
			t.Fatal("a new question is known")
		}
		c.Complete(call, NewAnswer(says(fmt.Sprint(i, large)), ""), false)
	}
	if used := c.kept.MaxCost() - c.kept.RemainingCost(); used > 64<<10 || used < 1<<10 {
		t.Errorf("%d bytes are kept", used)
	}
	if len(c.calls) != 0 {
		t.Errorf("%d calls are left", len(c.calls))
	}
}

func TestWhoWaitsForACallHasItsAnswerAndWhoComesLaterToo(t *testing.T) {
	t.Parallel()
	c := New(0)
	defer c.Close()
	_, call, lead := c.Find(Key{1}, time.Hour)
	_, same, second := c.Find(Key{1}, time.Hour)
	if !lead || second || same != call {
		t.Fatalf("the first leads: %v, the second: %v, and waits for it: %v", lead, second, same == call)
	}
	c.Complete(call, NewAnswer(says("yes"), "top_k"), false)
	<-same.Done()
	waited, retry := same.Result()
	later, _, _ := c.Find(Key{1}, time.Hour)
	if waited == nil || retry || later != waited || later.Dropped != "top_k" {
		t.Fatalf("got %+v, again %v, then %+v", waited, retry, later)
	}
	whole := later.Whole()
	whole.Parts[0].Text = "changed"
	if again := later.Whole(); again.Text() != "yes" {
		t.Error("whoever has the answer can change it for others")
	}
}

func TestAClosedCacheKeepsNothingAndStillSharesCalls(t *testing.T) {
	t.Parallel()
	c := New(0)
	c.Close()
	for range 2 {
		_, call, lead := c.Find(Key{1}, time.Hour)
		if !lead {
			t.Fatal("an answer was kept")
		}
		c.Complete(call, NewAnswer(says("yes"), ""), false)
		if a, _ := call.Result(); a == nil {
			t.Error("those who wait have no answer")
		}
	}
}
