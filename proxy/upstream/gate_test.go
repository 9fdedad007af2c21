package upstream

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// passes returns after how long each of n dials, one after the other, is let through.
func passes(t *testing.T, g *gate, n int) (at []time.Duration) {
	t.Helper()
	begin := time.Now()
	for range n {
		if e := g.pass(t.Context()); e != nil {
			t.Fatal(e)
		}
		at = append(at, time.Since(begin))
	}
	return at
}

func TestDialsAreFreeUntilTheServerThrottlesOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(config.Rate{}, time.Minute)
		if at := passes(t, g, 100); at[99] != 0 {
			t.Errorf("the last dial waited %v", at[99])
		}
		g.refused(0)
		e := g.pass(t.Context())
		if e == nil || e.Fault != translate.FaultBusy || e.Retry != time.Second {
			t.Fatalf("right after a refusal: %v", e)
		}
		time.Sleep(time.Second)
		at := passes(t, g, 51)
		if took := at[50] - at[0]; took < 9800*time.Millisecond || took > 10200*time.Millisecond {
			t.Errorf("50 further dials took %v, want 10 s", took)
		}
		time.Sleep(slowFor)
		if at := passes(t, g, 100); at[99] != 0 {
			t.Errorf("a minute later the last dial waited %v", at[99])
		}
	})
}

func TestAServerSaysForHowLongItWantsNoDials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(config.Rate{}, time.Second)
		g.refused(9 * time.Second)
		g.refused(0) // a dial that was on its way
		time.Sleep(8 * time.Second)
		if e := g.pass(t.Context()); e == nil || e.Retry != time.Second {
			t.Errorf("got %v", e)
		}
		time.Sleep(time.Second)
		passes(t, g, 1)
	})
}

func TestADialWaitsNoLongerThanItsPatienceAndNotForADeadQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(config.Rate{N: 1, Per: 10 * time.Second}, 3*time.Second)
		passes(t, g, 1)
		e := g.pass(t.Context())
		if e == nil || e.Fault != translate.FaultBusy || e.Retry < 9*time.Second || e.Retry > 10*time.Second {
			t.Errorf("got %v", e)
		}
		time.Sleep(8 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if e := g.pass(ctx); e == nil || e.Fault != translate.FaultGone {
			t.Errorf("got %v", e)
		}
		// Neither of them took the place of this one.
		if at := passes(t, g, 1); at[0] < 990*time.Millisecond || at[0] > time.Second {
			t.Errorf("it waited %v", at[0])
		}
	})
}
