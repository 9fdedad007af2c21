package proxy

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

func TestWhatAChannelHasShownIsKeptOnceAndBounded(t *testing.T) {
	t.Parallel()
	var k quirks
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 2 * maxQuirks {
				k.learn(quirk(fmt.Sprint("member ", i)))
				k.has(quirkReason)
				k.names()
			}
		})
	}
	all.Wait()
	names := k.names()
	if len(names) != maxQuirks || !slices.IsSorted(names) {
		t.Errorf("%d: %v", len(names), names)
	}
	if k.learn("member 0") || !k.has("member 0") {
		t.Error("it was forgotten")
	}
	var nobody *quirks
	if nobody.learn(quirkReason) || nobody.has(quirkReason) || nobody.names() != nil {
		t.Error("nobody knows something")
	}
}
