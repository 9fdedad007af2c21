package limiter

import (
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

func TestUsesTellWhoIsCloseAndForeseeTakesNothing(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	l := NewLocal(Options{Now: func() time.Time { return now }})
	r := NewRule("std", config.Limit{Requests: config.Rate{N: 10, Per: time.Minute}, Tokens: config.Rate{N: 1000, Per: time.Minute}, Concurrent: 2})
	of := func(name string, tokens int) (s Subject) {
		s.Tokens = tokens
		s.Under(r, Caller, name)
		return s
	}
	ask := func(name string, tokens int) Grant {
		g, err := l.Admit(t.Context(), of(name, tokens))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	running := ask("alice", 900)
	ended := ask("bob", 100)
	ended.Settle(100)
	var told []string
	for _, u := range l.Uses(4) {
		told = append(told, strings.Join([]string{u.Key, []string{"", "requests", "tokens", "concurrent"}[u.Kind]}, " "))
		if u.Rule != "std" || u.Scope != Caller || u.Share() <= 0 {
			t.Errorf("%+v", u)
		}
	}
	if got := strings.Join(told, ", "); got != "alice tokens, alice concurrent, alice requests, bob requests" {
		t.Errorf("%s", got)
	}
	keys := l.Stats().Keys
	for range 20 { // more often than it would be let in
		all, refusal := l.Foresee(of("alice", 50))
		if refusal != nil || len(all) != 3 || all[1].Used != 900 || all[1].Remaining != 100 || all[0].Remaining != 9 || all[2].Used != 1 {
			t.Fatalf("%+v %v", all, refusal)
		}
		if _, refusal = l.Foresee(of("alice", 101)); refusal == nil || refusal.Kind != Tokens || refusal.Retry == 0 {
			t.Fatalf("%v", refusal)
		}
		if _, refusal = l.Foresee(of("alice", 1001)); refusal == nil || !refusal.TooLarge {
			t.Fatalf("%v", refusal)
		}
		if all, refusal = l.Foresee(of("carol", 1000)); refusal != nil || all[0].Used != 0 {
			t.Fatalf("a new one: %+v %v", all, refusal)
		}
	}
	if s := l.Stats(); s.Keys != keys || s.Refused != 0 {
		t.Errorf("foreseeing has left something behind: %+v", s)
	}
	second := ask("alice", 1)
	if _, refusal := l.Foresee(of("alice", 1)); refusal == nil || refusal.Kind != Concurrent {
		t.Errorf("%v", refusal)
	}
	running.Settle(0)
	second.Settle(0)
	now = now.Add(time.Hour)
	if all := l.Uses(10); len(all) != 0 {
		t.Errorf("an hour later: %+v", all)
	}
	if all, refusal := l.Foresee(Subject{}); all != nil || refusal != nil {
		t.Error("without limits there is nothing to foresee")
	}
}

func TestASubjectThatWouldShareACountIsForeseenUnderIt(t *testing.T) {
	t.Parallel()
	l := NewLocal(Options{Keys: 1})
	r := NewRule("std", config.Limit{Requests: config.Rate{N: 1, Per: time.Hour}})
	refused := 0
	for i := range 500 {
		var s Subject
		s.Under(r, Caller, string(rune('a'+i)))
		_, refusal := l.Foresee(s)
		_, err := l.Admit(t.Context(), s)
		if (refusal != nil) != (err != nil) {
			t.Fatalf("foreseen %v, then %v", refusal, err)
		}
		if err != nil {
			refused++
		}
	}
	if refused == 0 {
		t.Error("no count was shared")
	}
}
