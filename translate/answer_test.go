package translate

import (
	"bytes"
	"testing"
)

func TestWhatAnAnswerTakesIsCountedWhateverItIsMadeOf(t *testing.T) {
	t.Parallel()
	text := bytes.Repeat([]byte("x"), 1000)
	for kind, want := range map[Kind]int{KindText: 1000, KindReasoning: 1000, KindSignature: 1000, KindToolStart: 2000 + partSize} {
		var a Answer
		for range 10 {
			a.Add(Event{Kind: kind, Text: text, ID: text, Name: text})
		}
		if n := a.Size(); n < 10*want || n > 10*want+partSize {
			t.Errorf("kind %d: %d bytes", kind, n)
		}
	}
	// Parts of a byte each cost what a part does.
	var a Answer
	for i := range 1000 {
		a.Add(Event{Kind: []Kind{KindText, KindReasoning}[i%2], Text: text[:1]})
	}
	a.Add(Event{Kind: KindToolStart})
	a.Add(Event{Kind: KindToolArgs, Text: text})
	if n := a.Size(); n != 1001*partSize+2000 {
		t.Errorf("%d bytes", n)
	}
}
