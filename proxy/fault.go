package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// consequence is what follows from a failed attempt.
type consequence struct {
	elsewhere bool      // another channel may be tried
	sent      bool      // the question may have reached the back end
	aside     bool      // what was refused, a model or a key, is set aside: see setAside
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

// consequences is the one table of what a fault before the commit point means. What a
// refusal is told for is translate's to say, which has bodies of all kinds in
// translate/testdata/refusals.txt.
var consequences = map[translate.Fault]consequence{
	translate.FaultDial:     {elsewhere: true, breaker: counts, words: "not reachable"},
	translate.FaultBroken:   {elsewhere: true, sent: true, breaker: counts, words: "answered with an error"},
	translate.FaultSlow:     {elsewhere: true, sent: true, breaker: counts, words: "did not answer in time"},
	translate.FaultBusy:     {elsewhere: true, words: "throttled"},
	translate.FaultDenied:   {elsewhere: true, aside: true, words: "its credential was refused"},
	translate.FaultPurse:    {elsewhere: true, aside: true, words: "its account is used up"},
	translate.FaultCost:     {elsewhere: true, words: "the question would cost more than is left of its account"},
	translate.FaultPlace:    {elsewhere: true, aside: true, words: "it is not served here"},
	translate.FaultNoModel:  {elsewhere: true, aside: true, words: "it has not got the model"},
	translate.FaultAstray:   {elsewhere: true, breaker: counts, words: "what answered is no model"},
	translate.FaultSize:     {elsewhere: true, words: "the question is too large for it"},
	translate.FaultUnclear:  {elsewhere: true, sent: true, words: "answered with an error"},
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
	ch    *Channel
	why   string           // for operators
	said  string           // for clients
	wait  time.Duration    // until it may be asked; 0: unknown
	busy  bool             // it is throttled or full, not broken
	full  *fairqueue.Slots // what it is waited for; nil: it is not full
	fault translate.Fault  // of which kind that is; 0: of none
}

// gate is what the candidate's dial waits for; nil: it does not wait for a dial.
func (e *exclusion) gate() *gate {
	if e.full == nil || e.full.Pacer == nil {
		return nil
	}
	return e.ch.gate
}

// verdict makes one error of all that failed or was not asked: all throttled, or all
// that work at their own limits, is RATE_LIMITED; what all say of the question is told;
// a model's own error is its MODEL_ERROR, anything else CHANNEL_UNAVAILABLE. named: the client
// chose its model by its name, so that it can be told that there is none. Clients are
// told of kinds and numbers; which channel it was, the cause knows.
func verdict(failures []failure, passed []exclusion, named bool) *translate.Error {
	v := sums{now: time.Now()}
	for _, f := range failures {
		v.failed(f)
	}
	for _, p := range passed {
		v.passed(p)
	}
	n := len(failures) + len(passed)
	all := func(f translate.Fault) bool { return n > 0 && v.faults[f] == n }
	switch {
	case n > 0 && v.busy == n || v.full && len(failures) == 0:
		return &translate.Error{Code: translate.CodeRateLimited, Fault: translate.FaultBusy, Message: "every channel of this model is throttled or at its limit", Retry: max(v.retry, time.Second)}
	case all(translate.FaultNoModel) && named:
		return &translate.Error{Code: translate.CodeModelNotFound, Message: "no channel has the model", Retry: v.retry, Cause: v.cause()}
	case all(translate.FaultSize):
		return &translate.Error{Code: translate.CodeTooLarge, Message: "no channel of this model takes a question of this size", Cause: v.cause()}
	case v.model != nil:
		return v.model
	}
	return &translate.Error{Code: translate.CodeUnavailable, Message: v.message(), Retry: v.retry, Cause: v.cause()}
}

// sums are what failures and exclusions come to.
type sums struct {
	now    time.Time
	faults [translate.Faults]int
	busy   int
	full   bool
	retry  time.Duration // the first end that is known; 0: none is
	model  *translate.Error
	why    []string          // each channel and what keeps it, once
	of     map[string]string // by channel, the same
	kinds  []string          // what clients are told, in the order in which it came
}

func (v *sums) failed(f failure) {
	if f.err.Code == translate.CodeModel {
		v.model = f.err
	}
	if f.err.Fault == translate.FaultBusy {
		v.busy++
	}
	then := consequences[f.err.Fault]
	wait := f.err.Retry
	if b := f.ch.aside.barred(v.now); b.wait > 0 && then.aside {
		wait = b.wait
	} else if b = f.cell.barred(v.now, f.ch.force()); b.wait > 0 && b.state != "throttled" {
		wait = b.wait // of a throttling the hint counts: what else is known is a guess
	}
	v.add(f.ch, f.err.Fault, wait, then.words, then.words)
}

func (v *sums) passed(p exclusion) {
	if p.busy {
		v.busy++
	}
	v.full = v.full || p.full != nil
	v.add(p.ch, p.fault, p.wait, p.why, p.said)
}

func (v *sums) add(ch *Channel, f translate.Fault, wait time.Duration, why, said string) {
	v.faults[f]++
	if wait > 0 && (v.retry == 0 || wait < v.retry) {
		v.retry = wait
	}
	if line := ch.ID + ": " + why; !slices.Contains(v.why, line) {
		v.why = append(v.why, line)
	}
	if !slices.Contains(v.kinds, said) {
		v.kinds = append(v.kinds, said)
	}
	if v.of == nil {
		v.of = map[string]string{}
	}
	v.of[ch.ID] = said
}

func (v *sums) cause() error {
	if len(v.why) == 0 {
		return nil
	}
	return errors.New(strings.Join(v.why, "; "))
}

// message says how many channels are kept by what, and when the first is back.
func (v *sums) message() string {
	var parts []string
	for _, kind := range v.kinds {
		n := 0
		for _, said := range v.of {
			if said == kind {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d of %d: %s", n, len(v.of), kind))
		}
	}
	text := "no channel can take it"
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	if v.retry > 0 {
		text += ", the first is back in " + seconds(v.retry)
	}
	return text
}
