package main

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestGarbageIsCollectedSeldomOfALittleAndSoonOfMuch(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{0: 325, 1 << 20: 325, 7 << 20: 185, 13 << 20: 100, 14 << 20: 92, 64 << 20: 75, 8 << 30: 75} {
		if got := percentFor(live); got != want {
			t.Errorf("%d bytes in use: %d %%, want %d", live, got, want)
		}
	}
}

// It changes the whole process and is not parallel to other tests.
func TestTheCollectorFollowsTheHeapAndTheEnvironmentWins(t *testing.T) {
	none := func(string) (string, bool) { return "", false }
	before := debug.SetGCPercent(77)
	defer debug.SetGCPercent(before)
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		tendCollector(func(n string) (string, bool) { return "", n == name })()
		if p := percent(); p != 77 {
			t.Fatalf("%s is set, and it became %d", name, p)
		}
	}
	stop := tendCollector(none)
	if p := percent(); p != mostPercent {
		t.Fatalf("%d at first", p)
	}
	held := make([]byte, 256<<20)
	for percent() != leastPercent {
		runtime.GC()
		runtime.Gosched()
	}
	runtime.KeepAlive(held)
	stop()
	runtime.GC()
	if p := percent(); p != 77 {
		t.Errorf("%d in the end", p)
	}
}

func percent() int {
	p := debug.SetGCPercent(100)
	debug.SetGCPercent(p)
	return p
}
