//go:build !race

package translate

import (
	"runtime"
	"strings"
	"testing"
)

// made returns how many bytes f allocates.
func made(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What is put together of many pieces costs no more than its length, or it would cost the
// square of it.
func TestWhatHasManyPiecesIsPutTogetherOnce(t *testing.T) {
	const n = 20_000
	for name, build := range map[string]func(n int) func(){
		"the text of a message": func(n int) func() {
			m := Message{Parts: make([]Part, n)}
			for i := range m.Parts {
				m.Parts[i] = Part{Kind: PartText, Text: "words"}
			}
			return func() { _ = m.Text() }
		},
		"the text of an answer": func(n int) func() {
			a := Answer{Parts: make([]Part, n)}
			for i := range a.Parts {
				a.Parts[i] = Part{Kind: PartText, Text: "words"}
			}
			return func() { _ = a.Text() }
		},
		"two calls whose arguments come in turns": func(n int) func() {
			return func() {
				var a Answer
				a.Add(Event{Kind: KindToolStart, Index: 0})
				a.Add(Event{Kind: KindToolStart, Index: 1})
				for i := range n {
					a.Add(Event{Kind: KindToolArgs, Index: int32(i % 2), Text: []byte("{")})
				}
				a.Settle()
			}
		},
		"a signature in pieces": func(n int) func() {
			return func() {
				var a Answer
				for range n {
					a.Add(Event{Kind: KindSignature, Text: []byte("s")})
				}
				a.Settle()
			}
		},
		"text and thoughts in turns": func(n int) func() {
			return func() {
				var a Answer
				for i := range n {
					a.Add(Event{Kind: []Kind{KindText, KindReasoning}[i%2], Text: []byte("w")})
				}
				a.Settle()
			}
		},
	} {
		one, two := made(build(n)), made(build(2*n))
		if two > 5*one/2 {
			t.Errorf("%s: %d bytes for %d pieces, %d for twice as many", name, one, n, two)
		}
	}
}

// The arguments of each call, and the text between them, are those that came, in
// whatever order.
func TestCallsThatComeInTurnsKeepTheirArguments(t *testing.T) {
	var a Answer
	for _, ev := range []Event{
		{Kind: KindText, Text: []byte("so ")}, {Kind: KindText, Text: []byte("be it")},
		{Kind: KindToolStart, Index: 0, ID: []byte("a")}, {Kind: KindToolArgs, Index: 0, Text: []byte("1")},
		{Kind: KindToolStart, Index: 1, ID: []byte("b")}, {Kind: KindToolArgs, Index: 1, Text: []byte("2")},
		{Kind: KindToolArgs, Index: 0, Text: []byte("3")}, {Kind: KindText, Text: []byte("!")},
		{Kind: KindToolArgs, Index: 1, Text: []byte("4")}, {Kind: KindToolArgs, Index: 7, Text: []byte("lost")},
		{Kind: KindReasoning, Text: []byte("hm")}, {Kind: KindSignature, Text: []byte("s")}, {Kind: KindSignature, Text: []byte("t")},
		{Kind: KindReasoning, Text: []byte("more")}, {Kind: KindFinish, Finish: FinishStop},
	} {
		a.Add(ev)
	}
	var got strings.Builder
	for _, p := range a.Parts {
		got.WriteString(p.Text + p.ID + p.Args + p.Signature + "|")
	}
	if want := "so be it|a13|b24|!|hmst|more|"; got.String() != want {
		t.Errorf("%s, want %s", &got, want)
	}
}
