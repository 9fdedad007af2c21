package mockmodel

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestWordsCombineAndUnknownOnesMeanNothing(t *testing.T) {
	t.Parallel()
	sc := Plan("vendor-long-6+slow-20+per-2-first-7-length-xyz", []Turn{{Role: "user", Text: "a b"}}, nil)
	if sc.Text() != "w0 w1 w2 w3 w4 w5 " || sc.Finish != FinishLength || sc.Input != 2 || sc.Output != 6 {
		t.Errorf("got %+v", sc)
	}
	var waits []time.Duration
	var joins []bool
	for _, s := range sc.Steps {
		waits, joins = append(waits, s.Wait/time.Millisecond), append(joins, s.Join)
	}
	if !reflect.DeepEqual(waits, []time.Duration{7, 0, 20, 0, 20, 0}) || !reflect.DeepEqual(joins, []bool{false, true, false, true, false, true}) {
		t.Errorf("waits %v, joins %v", waits, joins)
	}
}

func TestANumberBelongsToTheWordBeforeIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		status int
		retry  time.Duration
		times  int
	}{
		{"fail", 500, 0, 0},
		{"fail-", 500, 0, 0},
		{"fail-200", 500, 0, 0},
		{"fail-99999999999999999999", 500, 0, 0},
		{"fail-429-retry-3-times-2", 429, 3 * time.Second, 2},
		{"times-0-fail-4x4", 500, 0, 1},
		{"context", 400, 0, 0},
		{"gpt-4", 0, 0, 0},
	} {
		if sc := Plan(test.name, nil, nil); sc.Status != test.status || sc.Retry != test.retry || sc.Times != test.times {
			t.Errorf("%s: %+v", test.name, sc)
		}
	}
}

func TestPlanIsAPureFunction(t *testing.T) {
	t.Parallel()
	turns := []Turn{{Role: "system", Text: "s"}, {Role: "user", Text: "u", Images: 2}}
	for _, w := range Words {
		if a, b := Plan(w.Name, turns, []string{"f"}), Plan(w.Name, turns, []string{"f"}); !reflect.DeepEqual(a, b) {
			t.Errorf("%s: %+v, then %+v", w.Name, a, b)
		}
	}
}

func FuzzPlan(f *testing.F) {
	for _, w := range Words {
		f.Add(w.Name, "hello there")
	}
	f.Add("say", "a\xffb\U0001f600")
	f.Fuzz(func(t *testing.T, model, text string) {
		sc := Plan(model, []Turn{{Role: "user", Text: text}}, nil)
		if n := len(sc.Steps); n > maxPieces+3 && n > 3*len(text)+20 {
			t.Errorf("%d steps", n)
		}
		if sc.before() > len(sc.Steps) {
			t.Errorf("the fault comes after step %d of %d", sc.before(), len(sc.Steps))
		}
		if sc.Fault == 0 && utf8.ValidString(text) && strings.HasPrefix(model, "say") && parse(model).answer == "say" && sc.Text() != text {
			t.Errorf("said %q", sc.Text())
		}
	})
}
