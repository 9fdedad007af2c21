package channel

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
)

// opened is a gate in a room of its own.
func opened(every time.Duration) *Gate {
	g := NewGate()
	g.room, g.every = &fairqueue.Queue{}, every
	return g
}

// dialsOf waits for leave of g in the room n times, uses it, and returns when it came.
func dialsOf(t *testing.T, g *Gate, n int) (at []time.Duration) {
	t.Helper()
	begin := time.Now()
	for i := range n {
		ticket := uint64(i + 1)
		w := g.room.Enter("x", &ticket, []*fairqueue.Slots{&g.Turn}, nil)
		<-w.Given()
		if !g.Start(time.Now()) {
			t.Fatal("leave that was just given is void")
		}
		at = append(at, time.Since(begin))
	}
	return at
}

func TestDialsAreFreeUntilTheServerThrottlesOneAndEvenAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := opened(0)
		if at := dialsOf(t, g, 100); at[99] != 0 {
			t.Errorf("the last dial waited %v", at[99])
		}
		g.Refused(time.Now(), time.Now(), 0)
		if g.Take(time.Now()) {
			t.Error("leave is given right after a refusal")
		}
		at := dialsOf(t, g, 9)
		for i, d := range at {
			if want := dialQuiet + time.Duration(i)*dialPace; d != want {
				t.Errorf("dial %d began after %v, want %v", i, d, want)
			}
		}
		g.Refused(time.Now(), time.Now(), 0)
		at = dialsOf(t, g, 3)
		if at[2]-at[1] != dialSlow {
			t.Errorf("after a second refusal the pace is %v, want %v", at[2]-at[1], dialSlow)
		}
		time.Sleep(dialCalm)
		if at := dialsOf(t, g, 3); at[2]-at[1] != dialPace {
			t.Errorf("a minute later the pace is %v, want %v", at[2]-at[1], dialPace)
		}
		time.Sleep(dialCalm)
		if at := dialsOf(t, g, 100); at[99] != 0 {
			t.Errorf("another minute later the last dial waited %v", at[99])
		}
	})
}

func TestTheRefusalsOfOneBurstAreOneReasonToSlowDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, began := opened(0), time.Now()
		for range 15 {
			time.Sleep(10 * time.Millisecond)
			g.Refused(time.Now(), began, 0)
		}
		if at := dialsOf(t, g, 2); at[0] != dialQuiet || at[1]-at[0] != dialPace {
			t.Errorf("dials after %v, want %v after the last refusal and %v between them", at, dialQuiet, dialPace)
		}
	})
}

func TestLeaveFromBeforeARefusalIsVoid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, every := range []time.Duration{0, dialPace} {
			g := opened(every)
			if !g.Take(time.Now()) {
				t.Fatal("no leave")
			}
			g.Refused(time.Now(), time.Now(), 0)
			if g.Start(time.Now()) {
				t.Errorf("paced %v: a dial begins after a refusal", every)
			}
			dialsOf(t, g, 1) // it was given back
		}
	})
}

func TestAConfiguredPaceIsEvenFromTheFirstDialOnAndLeaveThatIsNotUsedCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := opened(200 * time.Millisecond)
		if at := dialsOf(t, g, 3); at[0] != 0 || at[1] != 200*time.Millisecond || at[2] != 400*time.Millisecond {
			t.Errorf("dials after %v", at)
		}
		time.Sleep(200 * time.Millisecond)
		if !g.Take(time.Now()) || g.Take(time.Now()) {
			t.Error("want leave for one")
		}
		var first, second uint64
		one := g.room.Enter("x", &first, []*fairqueue.Slots{&g.Turn}, nil)
		two := g.room.Enter("y", &second, []*fairqueue.Slots{&g.Turn}, nil)
		g.room.GiveBack(&g.Turn)
		<-one.Given()
		g.room.GiveBack(&g.Turn)
		<-two.Given()
		if g.Closed(time.Now()) == 0 {
			t.Error("somebody else may dial while one has leave")
		}
		g.Start(time.Now())
		g.room.Leave(g.room.Enter("z", new(uint64), []*fairqueue.Slots{&g.Turn}, nil))
		if n := g.Turn.Waiting(); n != 0 || g.room.Len() != 0 {
			t.Errorf("%d wait, %d are in the room", n, g.room.Len())
		}
	})
}

func TestAServerSaysForHowLongItWantsNoDials(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := opened(0)
		g.Refused(time.Now(), time.Now(), 9*time.Second)
		g.Refused(time.Now(), time.Now(), 0) // a dial that was on its way
		if at := dialsOf(t, g, 1); at[0] != 9*time.Second {
			t.Errorf("the next dial began after %v", at[0])
		}
	})
}

func TestThoseWhoAreSentAwayAreToldToComeBackOneAfterTheOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := opened(0)
		g.Refused(time.Now(), time.Now(), 0)
		last := time.Duration(0)
		for range 50 {
			d := g.Invite(time.Now())
			if last > 0 && d-last != dialPace {
				t.Fatalf("after %v, and the next one after %v", last, d)
			}
			last = d
		}
		for range 1000 {
			last = g.Invite(time.Now())
		}
		if last > dialInvite {
			t.Errorf("somebody is to come back after %v", last)
		}
	})
}
