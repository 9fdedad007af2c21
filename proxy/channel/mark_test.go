package channel

import (
	"sync"
	"sync/atomic"
	"testing"
)

// However looks and changes fall together, the last look knows the last change.
func TestALookMissesNoChange(t *testing.T) {
	t.Parallel()
	for range 2000 {
		var board Board
		var value atomic.Int64
		var writers sync.WaitGroup
		mark, look, seen := board.At("a"), board.Look(), int64(0)
		see := func() {
			before := look
			if look = board.Look(); mark.Since(before) {
				seen = value.Load()
			}
		}
		for range 2 {
			writers.Go(func() {
				for range 4 {
					value.Add(1)
					mark.Note()
				}
			})
		}
		for range 4 {
			see()
		}
		writers.Wait()
		if see(); seen != 8 {
			t.Fatalf("the last look knows of %d changes, there were 8", seen)
		}
	}
}

func TestAMarkIsTheSameForAllPlansAndTellsNothingOfOthers(t *testing.T) {
	t.Parallel()
	var board Board
	a, b := board.At("a"), board.At("b")
	look := board.Look()
	if a.Note(); board.At("a") != a || !a.Since(look) || b.Since(look) {
		t.Error("the mark of a says what happened on b, or is another one now")
	}
	if a.Since(board.Look()) {
		t.Error("a look sees what an earlier one has seen")
	}
	(*Mark)(nil).Note()
}
