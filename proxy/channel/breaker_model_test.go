package channel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// ruleBook is the breaker of docs/rules/channels.md 2 and 4, written down a second time
// and without anything but these: what a cell has to do is compared with it.
type ruleBook struct {
	state    string // closed, open, or half: open with its time over
	since    time.Time
	era      int // of the state: what was begun in another one says nothing
	judged   []judgement
	row      int // failures one after the other
	probing  bool
	wait     time.Duration
	gate     time.Time // the end of the open time
	cool     time.Time // the end of a cool-down
	chill    time.Duration
	back     time.Time // when it closed again
	happened map[string]int
}

// judgement is an outcome that counts, and the second in which it does.
type judgement struct {
	second int64
	good   bool
}

// running is a request that was let through.
type running struct {
	done  func(error)
	era   int
	began time.Time
	probe bool
}

func (m *ruleBook) turn(state string, now time.Time) {
	m.state, m.since, m.judged, m.row, m.probing = state, now, nil, 0, false
	m.era++
	m.happened[state]++
}

func (m *ruleBook) second(now time.Time) int64 { return int64(now.Sub(m.since) / time.Second) }

// secondOf is where the outcome of r counts: now, if that took longer than a moment.
func (m *ruleBook) secondOf(r running, now time.Time) int64 {
	if now.Sub(r.began) < time.Second {
		return m.second(r.began)
	}
	return m.second(now)
}

// blocked is how long nothing may be tried, and whether for a cool-down.
func (m *ruleBook) blocked(now time.Time) (wait time.Duration, cools bool) {
	if now.Before(m.cool) {
		return m.cool.Sub(now), true
	}
	return max(m.gate.Sub(now), 0), false
}

// lets tells whether a request may go, which takes the place of the probe.
func (m *ruleBook) lets(now time.Time) (r running, ok bool) {
	if m.state == "open" && !now.Before(m.gate) {
		m.turn("half", now)
	}
	if m.state == "open" || m.state == "half" && m.probing {
		return running{}, false
	}
	m.probing = m.state == "half"
	return running{era: m.era, began: now, probe: m.probing}, true
}

// ends takes in the outcome of r. jitter is what chance adds to an open time.
func (m *ruleBook) ends(r running, err *translate.Error, now time.Time, jitter func() time.Duration) {
	current := r.era == m.era
	switch {
	case err == nil || err.Fault == translate.FaultRejected:
		m.row = 0
		if err == nil {
			m.chill = 0
		}
		if current && r.probe {
			m.turn("closed", now)
			m.wait, m.gate, m.back = 0, time.Time{}, now
		} else if current {
			m.judged = append(m.judged, judgement{m.secondOf(r, now), true})
		}
	case err.Fault == translate.FaultBusy || err.Fault == translate.FaultGone || err.Fault == translate.FaultDenied || err.Echo:
		m.throttled(err, now)
		if current && r.probe {
			m.probing = false
			m.happened["probe given back"]++
		}
	case current:
		m.failed(r, err, now, jitter)
	default:
		m.happened["late failure"]++
	}
}

func (m *ruleBook) throttled(err *translate.Error, now time.Time) {
	if err.Fault != translate.FaultBusy || err.Retry == 0 && now.Before(m.cool) {
		return
	}
	m.happened["throttled"]++
	hint := err.Retry
	if hint == 0 {
		m.chill = min(max(2*m.chill, time.Second), time.Minute)
		hint = m.chill
	}
	m.cool = now.Add(hint)
}

func (m *ruleBook) failed(r running, err *translate.Error, now time.Time, jitter func() time.Duration) {
	if !r.probe {
		m.judged = append(m.judged, judgement{m.secondOf(r, now), false})
		m.row++
		if !m.trips(now) {
			return
		}
	} else {
		m.happened["failed probe"]++
	}
	m.wait = min(max(2*m.wait, 2*time.Second), time.Minute)
	open := max(m.wait+jitter(), err.Retry)
	if open == err.Retry {
		m.happened["floor"]++
	}
	m.turn("open", now)
	m.gate = now.Add(open)
}

// trips tells whether five in a row have failed, or half of at least ten in ten
// seconds.
func (m *ruleBook) trips(now time.Time) bool {
	m.judged = slices.DeleteFunc(m.judged, func(j judgement) bool { return j.second <= m.second(now)-10 })
	bad := 0
	for _, j := range m.judged {
		if !j.good {
			bad++
		}
	}
	half := len(m.judged) >= 10 && 2*bad >= len(m.judged)
	if m.row < 5 && half {
		m.happened["half of ten"]++
	}
	return m.row >= 5 || half
}

// walk is a cell and its rules on one random way.
type walk struct {
	rnd    *rand.Rand
	cell   *Record
	rules  *ruleBook
	under  []running
	jitter int64 // the newest that was drawn
}

// weather is how likely each outcome is, in parts of a hundred: good, failed, failed
// with a hint, gone, rejected, throttled, throttled with a hint, denied, shared.
var weather = [][]int{
	{60, 10, 1, 10, 10, 2, 1, 3, 3},
	{10, 60, 5, 10, 5, 2, 2, 3, 3},
	{40, 40, 2, 5, 5, 2, 2, 2, 2},
	{98, 2, 0, 0, 0, 0, 0, 0, 0},
	{2, 90, 0, 4, 0, 1, 0, 1, 2},
}

func (w *walk) outcome(of []int) *translate.Error {
	at := w.rnd.IntN(100)
	kind := slices.IndexFunc(of, func(part int) bool { at -= part; return at < 0 })
	hint := time.Duration(1+w.rnd.IntN(90)) * time.Second
	return []*translate.Error{
		nil, down, {Fault: translate.FaultBroken, Retry: hint}, {Fault: translate.FaultGone}, {Fault: translate.FaultRejected},
		{Fault: translate.FaultBusy}, {Fault: translate.FaultBusy, Retry: hint / 4}, {Fault: translate.FaultDenied}, {Fault: translate.FaultBroken, Echo: true},
	}[kind]
}

func (w *walk) drawn() time.Duration { return time.Duration(w.jitter) }

// begin asks both whether a request may go, and says what is wrong if they differ.
func (w *walk) begin(now time.Time) string {
	want, cools := w.rules.blocked(now)
	why, wait := w.cell.Blocked(now)
	if wait != want || (why != "") != (want > 0) || cools != (w.cell.barred(now, ForceNothing).State == "throttled") {
		return fmt.Sprintf("%q for %v, want %v, cool-down %v", why, wait, want, cools)
	}
	if want > 0 {
		return ""
	}
	r, ok := w.rules.lets(now)
	done := w.cell.Allow()
	if (done != nil) != ok {
		return fmt.Sprintf("let through %v, want %v, which is %s", done != nil, ok, w.rules.state)
	}
	if r.done = done; ok {
		w.under = append(w.under, r)
	}
	return ""
}

// end ends a request that is under way.
func (w *walk) end(now time.Time, err *translate.Error) {
	i := w.rnd.IntN(len(w.under))
	r := w.under[i]
	w.under = slices.Delete(w.under, i, i+1)
	w.cell.Report(r.began, r.done, err)
	w.rules.ends(r, err, now, w.drawn)
}

// cut has an answer break off whose success was reported long ago.
func (w *walk) cut(now time.Time, err *translate.Error) {
	w.cell.CutOff(err)
	if now.Before(w.rules.gate) {
		return
	}
	if r, ok := w.rules.lets(now); ok {
		w.rules.happened["cut"]++
		w.rules.ends(r, err, now, w.drawn)
	}
}

// step is one step, and what is wrong after it.
func (w *walk) step(of []int, pace time.Duration) string {
	time.Sleep(time.Duration(w.rnd.Int64N(int64(pace))))
	now := time.Now()
	switch n := w.rnd.IntN(20); {
	case n == 0:
		w.cut(now, &translate.Error{Fault: translate.FaultCut})
	case n < 10 && len(w.under) < 6 || len(w.under) == 0:
		if wrong := w.begin(now); wrong != "" {
			return wrong
		}
	default:
		w.end(now, w.outcome(of))
	}
	if open := w.rules.state != "closed"; w.cell.Out() && !open || !w.cell.Out() && open {
		return "out of use, or not, against the rules: " + w.rules.state
	}
	share := 1.0
	if part := float64(now.Sub(w.rules.back)) / float64(10*time.Second); !w.rules.back.IsZero() && part < 1 {
		share = max(part, 0.1)
	}
	if got := w.cell.share(now); got != share {
		return fmt.Sprintf("a share of %v, want %v", got, share)
	}
	return ""
}

// TestTheBreakerAgreesWithItsRules walks cells through random outcomes of requests
// that overlap, and compares each with its rules after every step.
func TestTheBreakerAgreesWithItsRules(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := &walk{rnd: rand.New(rand.NewPCG(seed, 1)), rules: &ruleBook{state: "closed", since: time.Now(), happened: map[string]int{}}}
				w.cell = NewRecord(func(n int64) int64 { w.jitter = w.rnd.Int64N(n); return w.jitter })
				for step := range 100_000 {
					of := weather[step/500%len(weather)]
					pace := []time.Duration{400 * time.Millisecond, 50 * time.Millisecond, 9 * time.Second}[step/700%3]
					if wrong := w.step(of, pace); wrong != "" {
						t.Fatalf("step %d, %d under way: %s", step, len(w.under), wrong)
					}
				}
				for what, least := range map[string]int{"open": 500, "half": 500, "closed": 200, "failed probe": 300, "probe given back": 50, "late failure": 100, "throttled": 300, "floor": 10, "half of ten": 20, "cut": 500} {
					if w.rules.happened[what] < least {
						t.Errorf("the way met %q %d times only: %v", what, w.rules.happened[what], w.rules.happened)
					}
				}
			})
		})
	}
}

// beside has requests begin every half second, one that goes as each is told, and
// reports when the breaker opens; 0: not in two minutes.
func beside(c *Record, each ...func() (time.Duration, *translate.Error)) (opened time.Duration) {
	began := time.Now()
	var all sync.WaitGroup
	for opened == 0 && time.Since(began) < 2*time.Minute {
		for _, one := range each {
			all.Go(func() {
				took, err := one()
				at, done := time.Now(), c.Allow()
				if done == nil {
					return
				}
				time.Sleep(took)
				c.Report(at, done, err)
			})
		}
		time.Sleep(500 * time.Millisecond)
		if c.Out() {
			opened = time.Since(began)
		}
	}
	all.Wait()
	return opened
}

func goes(took time.Duration, err *translate.Error) func() (time.Duration, *translate.Error) {
	return func() (time.Duration, *translate.Error) { return took, err }
}

func TestFailuresAreCountedWhenTheyComeHoweverLongTheyTook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		// Two of three hang until they are given up. A good one is always between.
		stalls := goes(10*time.Second, down)
		if at := beside(NewRecord(rand.Int64N), stalls, goes(time.Second, nil), stalls); at == 0 || at > 25*time.Second {
			t.Errorf("it opens after %v", at)
		}
	})
}

func TestSlowAnswersAreNotForgottenBesideQuickFailures(t *testing.T) {
	bubble(t, func(t *testing.T) {
		good, began := goes(25*time.Second, nil), time.Now()
		bad := func() (time.Duration, *translate.Error) {
			if time.Since(began) < 30*time.Second {
				return 25 * time.Second, nil
			}
			return 0, down
		}
		if at := beside(NewRecord(rand.Int64N), good, good, good, bad, good, good, good); at != 0 {
			t.Errorf("it opens after %v, with one failure in seven", at)
		}
	})
}

// TestWhatSaysNothingDoesNotDiluteTheFailures: half of those that count have failed,
// whatever else there was.
func TestWhatSaysNothingDoesNotDiluteTheFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewRecord(rand.Int64N)
		for range 50 {
			ask(c, &translate.Error{Fault: translate.FaultGone})
		}
		for i := range judgeFrom {
			ask(c, map[bool]*translate.Error{true: down}[i%2 == 1])
		}
		if why, _ := c.Blocked(time.Now()); why == "" {
			t.Fatal("5 of 10 failures beside 50 clients that left did not open the breaker")
		}
	})
}
