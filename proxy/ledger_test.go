package proxy

import (
	"fmt"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func rowsOf(t *testing.T, w *world) (lines []string) {
	t.Helper()
	rows, err := w.g.Entries(t.Context(), store.EntryFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for i := len(rows) - 1; i >= 0; i-- {
		e := rows[i]
		lines = append(lines, fmt.Sprintf("%d %s/%d %s %d in=%d out=%d est=%v cost=%d", e.Attempt, e.Channel, e.Key, e.Outcome, e.Status, e.Input, e.Output, e.Estimated, e.Cost))
	}
	return lines
}

func mustBeLines(t *testing.T, got []string, want ...string) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestEachAttemptAndEachRequestIsARow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"), backend("b", tier(2)))
		c.Ledger.Keep = time.Hour
		c.Prices = map[string]config.Price{"m": {Input: 1e6, Output: 1e6}}
		used := translate.Event{Kind: translate.KindUsage, Usage: translate.Usage{Input: 7, Output: 3}}
		w := newWorld(t, c, map[string][]script{
			"a": {refuses(fault(translate.FaultDial))},
			"b": {{Steps: []step{text("hello"), {Event: used}, finish()}}},
		})
		w.ask(t.Context(), w.questionOf(alice, "m", "hi")).mustSay(t, "hello")
		got := rowsOf(t, w)
		last := len(got) - 1
		mustBeLines(t, got[last-1:], "2 b/0 ok 200 in=7 out=3 est=false cost=10000000000", "0 b/0 ok 200 in=7 out=3 est=false cost=10000000000")
		mustBeLines(t, got[:1], "1 a/0 dial 503 in=0 out=0 est=false cost=0")
	})
}

func TestACutAnswerIsPaidAsFarAsItCame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := conf(backend("a"))
		c.Ledger.Keep = time.Hour
		w := newWorld(t, c, map[string][]script{"a": {{Steps: []step{text("12345678"), fails(fault(translate.FaultBroken))}}}})
		r := w.ask(t.Context(), w.questionOf(alice, "m", "hi"))
		if r.err == nil {
			t.Fatal("it was not cut")
		}
		mustBeLines(t, rowsOf(t, w), "1 a/0 cut 502 in=1 out=2 est=true cost=0", "0 a/0 MODEL_ERROR 502 in=1 out=2 est=true cost=0")
	})
}
