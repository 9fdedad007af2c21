package upstream

import (
	"sync"
	"testing"
)

// A server that ends its connections when they are used again: one question may meet that, the next one
// gets a connection of its own, whatever was left.
func TestAConnectionThatFailsWhenItIsUsedAgainTakesTheOthersWithIt(t *testing.T) {
	t.Parallel()
	const n = 4
	var together sync.WaitGroup
	together.Add(n)
	p := listen(t, func(l *link) {
		if _, _, ok := l.request(); !ok {
			return
		}
		together.Done() // so that there are n of them
		together.Wait()
		l.say(whole(jsonHead, wholeBody))
		_, _, _ = l.request()
	})
	up := open(t, "openai", p.url())
	var asked sync.WaitGroup
	for range n {
		asked.Go(func() {
			if _, err := ask(t, up, question("m", false)); err != nil {
				t.Error(err)
			}
		})
	}
	asked.Wait()
	if _, err := ask(t, up, question("m", false)); err == nil {
		t.Fatal("a connection was not used again")
	}
	for range 3 {
		together.Add(1)
		if _, err := ask(t, up, question("m", false)); err != nil {
			t.Error(err)
		}
	}
}
