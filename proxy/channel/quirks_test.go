package channel

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

func TestWhatAChannelHasShownIsKeptOnceAndBounded(t *testing.T) {
	t.Parallel()
	var k Quirks
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 2 * maxQuirks {
				k.Learn(Quirk(fmt.Sprint("member ", i)))
				k.Has(QuirkReason)
				k.names()
			}
		})
	}
	all.Wait()
	names := k.names()
	if len(names) != maxQuirks || !slices.IsSorted(names) {
		t.Errorf("%d: %v", len(names), names)
	}
	if k.Learn("member 0") || !k.Has("member 0") {
		t.Error("it was forgotten")
	}
	var nobody *Quirks
	if nobody.Learn(QuirkReason) || nobody.Has(QuirkReason) || nobody.names() != nil {
		t.Error("nobody knows something")
	}
}
