package journal

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestQuantilesAreRightToATenth(t *testing.T) {
	t.Parallel()
	var d Durations
	if d.Quantile(0.5) != 0 {
		t.Error("nothing has a median")
	}
	for ms := 1; ms <= 1000; ms++ {
		d.add(time.Duration(ms) * time.Millisecond)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 500, 0.99: 990, 1: 1000} {
		if got := d.Quantile(q); math.Abs(got-want) > want/10 {
			t.Errorf("the quantile %g is %g, want %g", q, got, want)
		}
	}
	last := -1
	for us := uint64(0); us < 1<<30; us += us/64 + 1 {
		at := bucketOf(us)
		if at < last || at > last+1 || at >= durations {
			t.Fatalf("%d us are in bucket %d, after %d", us, at, last)
		}
		if middle := bucketMiddle(at); us > 0 && us < 1<<27 && math.Abs(middle-float64(us)) > float64(us)/8 {
			t.Fatalf("%d us are in a bucket around %g", us, middle)
		}
		last = at
	}
	d.add(-time.Second)
	d.add(time.Hour)
	sum, end := uint64(0), -1.0
	for _, s := range d.Spread() {
		if s.FromMs < end || s.ToMs <= s.FromMs || s.FromMs >= 1 && s.ToMs > 1.6*s.FromMs {
			t.Fatalf("%+v comes after %g", s, end)
		}
		sum, end = sum+s.Count, s.ToMs
	}
	if sum != d.n {
		t.Errorf("%d of %d are in the spread", sum, d.n)
	}
	if new(Durations).Spread() != nil {
		t.Error("nothing is spread")
	}
}

func TestAFailureIsOnTheSideWhereItArose(t *testing.T) {
	t.Parallel()
	tried := func(f translate.Fault) []try {
		return []try{{over: true, end: end{fault: f, code: translate.CodeModel}}}
	}
	of := func(code translate.Code, f translate.Fault) end { return end{code: code, fault: f} }
	for _, c := range []struct {
		r    record
		want Origin
	}{
		{record{}, None},
		{record{end: of(translate.CodeCanceled, translate.FaultGone)}, Client},
		{record{end: of(translate.CodeValidation, 0)}, Client},
		{record{end: of(translate.CodeModelNotFound, 0)}, Client},
		{record{end: of(translate.CodeModel, translate.FaultRejected), tries: tried(translate.FaultRejected)}, Client},
		{record{end: endOf(&translate.Error{Code: translate.CodeRateLimited, Cause: &limiter.Exceeded{}})}, Client},
		{record{end: endOf(&translate.Error{Code: translate.CodeRateLimited, Cause: errors.New("full")})}, Back},
		{record{end: of(translate.CodeInternal, 0)}, Us},
		{record{end: of(translate.CodeUnavailable, 0)}, Us},
		{record{end: of(translate.CodeUnavailable, 0), notes: []note{{}}}, Back},
		{record{end: of(translate.CodeUnavailable, 0), tries: tried(translate.FaultDial)}, Network},
		{record{end: of(translate.CodeUnavailable, 0), tries: tried(translate.FaultLocal)}, Us},
		{record{end: of(translate.CodeModel, translate.FaultCut), tries: tried(0)}, Network},
		{record{end: of(translate.CodeUnavailable, 0), tries: tried(translate.FaultDenied)}, Back},
		{record{end: of(translate.CodeModel, translate.FaultSlow), tries: tried(translate.FaultSlow)}, Back},
		{record{end: of(translate.CodeModelNotFound, translate.FaultNoModel), tries: tried(translate.FaultNoModel)}, Back},
	} {
		if got := c.r.origin(); got != c.want {
			t.Errorf("%+v is on side %d, want %d", c.r.end, got, c.want)
		}
	}
}

func TestActivityIsForgottenAfterAQuarterOfAnHourAndBounded(t *testing.T) {
	t.Parallel()
	var a Activity
	at := time.Unix(1_800_000_000, 0)
	put := func(model string, at time.Time) {
		a.count(&record{front: "f", model: model, received: at, input: 2, output: 3, cost: 4})
	}
	put("m", at)
	put("m", at.Add(SlotTime))
	if s := a.Sum(time.Minute, at.Add(2*SlotTime)); s.Questions() != 2 || s.Input != 4 || s.Output != 6 || s.Cost != 8 {
		t.Errorf("%+v", s.Ended)
	}
	if s := a.Sum(time.Minute, at.Add(SlotTime)); s.Questions() != 1 {
		t.Errorf("the slot that is being filled counts: %d", s.Questions())
	}
	put("m", at.Add(Slots*SlotTime))
	put("late", at) // its slot is another's now
	n := 0
	a.Each(at.Add((Slots+1)*SlotTime), func(when time.Time, s *Slot) {
		n++
		if when.Equal(at) || s.Questions() != 1 {
			t.Errorf("%s: %d", when, s.Questions())
		}
	})
	if n != 1 {
		t.Errorf("%d slots", n) // the second one is a quarter of an hour old
	}
	var s Traces
	for i := range flowsMost + 100 {
		s.Activity.count(&record{front: "f", model: string(rune(i)), received: at})
	}
	flows := s.Flows(time.Minute, at.Add(SlotTime))
	if len(flows) != flowsMost+1 || flows[0].Model != "(others)" || flows[0].Questions != 100 {
		t.Errorf("%d flows, first %+v", len(flows), flows[0])
	}
	run := s.Take(Asked{Front: "f", Model: "m"})
	if flows = s.Flows(time.Minute, at.Add(time.Hour)); len(flows) != 1 || flows[0].Running != 1 {
		t.Errorf("%+v", flows)
	}
	s.Drop(run)
}
