package channel

import (
	"testing"
	"time"
)

func TestPatienceIsFourTimesTheSlowAnswersOfLate(t *testing.T) {
	var p Latency
	add := func(n int, d time.Duration) {
		for range n {
			p.Add(d)
		}
	}
	must := func(want time.Duration) {
		t.Helper()
		if got := p.Timeout(); got != want {
			t.Errorf("after %d samples %v, want %v", p.n, got, want)
		}
	}
	add(19, 2*time.Second)
	must(0)
	add(1, 2*time.Second)
	must(8 * time.Second)
	add(56, 2*time.Second)
	add(4, 6*time.Second) // 4 of 64 are more than 5 in 100
	must(24 * time.Second)
	add(latencyKept, time.Millisecond)
	must(latencyLeast)
	add(latencyKept, time.Hour)
	must(latencyMost)
	if n := testing.AllocsPerRun(1000, func() { p.Add(time.Second) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
