package proxy

import (
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// consequence is what follows from a failed attempt.
type consequence struct {
	elsewhere bool      // another channel may be tried
	sent      bool      // the question may have reached the back end
	breaker   verdictOf // what it means to the breaker
	words     string    // for the message of CHANNEL_UNAVAILABLE
}

// verdictOf is what a fault says about its channel.
type verdictOf uint8

const (
	neutral  verdictOf = iota // nothing
	counts                    // a failure
	succeeds                  // it works: the question was at fault
)

// consequences is the one table of what a fault before the commit point means.
var consequences = map[translate.Fault]consequence{
	translate.FaultDial:     {elsewhere: true, breaker: counts, words: "not reachable"},
	translate.FaultBroken:   {elsewhere: true, sent: true, breaker: counts, words: "answered with an error"},
	translate.FaultSlow:     {elsewhere: true, sent: true, breaker: counts, words: "did not answer in time"},
	translate.FaultBusy:     {elsewhere: true, words: "throttled"},
	translate.FaultDenied:   {elsewhere: true, words: "its credential was refused"},
	translate.FaultRejected: {breaker: succeeds},
	translate.FaultCut:      {breaker: counts},
	translate.FaultGone:     {},
	translate.FaultLocal:    {elsewhere: true, words: "no connection to be had here"},
}

// failure is one attempt that gave no answer.
type failure struct {
	ch   *Channel
	cell *cell
	err  *translate.Error
}

// exclusion is a candidate that was not asked, and why.
type exclusion struct {
	ch   *Channel
	why  string
	wait time.Duration // until it may be asked; 0: unknown
	busy bool          // it is throttled or full, not broken
	full *slots        // what it is waited for; nil: it is not full
}

// verdict makes one error of all that failed or was not asked, as product.md 5
// has it: all throttled, or all that work at their own limits, is RATE_LIMITED, a model's own error
// is its MODEL_ERROR, anything else CHANNEL_UNAVAILABLE, which says why for each
// channel.
func verdict(failures []failure, passed []exclusion) *translate.Error {
	var model *translate.Error
	busy, full, retry := 0, false, time.Duration(0)
	sooner := func(d time.Duration) {
		if d > 0 && (retry == 0 || d < retry) {
			retry = d
		}
	}
	var why []string
	say := func(ch *Channel, words string) {
		if line := ch.ID + ": " + words; !slices.Contains(why, line) {
			why = append(why, line)
		}
	}
	for _, f := range failures {
		if f.err.Code == translate.CodeModel {
			model = f.err
		}
		if f.err.Fault == translate.FaultBusy {
			busy++
		}
		sooner(f.err.Retry)
		say(f.ch, consequences[f.err.Fault].words)
	}
	for _, p := range passed {
		if p.busy {
			busy++
		}
		full = full || p.full != nil
		sooner(p.wait)
		say(p.ch, p.why)
	}
	if n := len(failures) + len(passed); n > 0 && busy == n || full && len(failures) == 0 {
		return &translate.Error{Code: translate.CodeRateLimited, Fault: translate.FaultBusy, Message: "every channel of this model is throttled or at its limit", Retry: max(retry, time.Second)}
	}
	if model != nil {
		return model
	}
	return &translate.Error{Code: translate.CodeUnavailable, Message: "no channel can take it (" + strings.Join(why, "; ") + ")", Retry: retry}
}
