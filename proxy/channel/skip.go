package channel

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Failure is one attempt that gave no answer.
type Failure struct {
	Channel *Channel
	Record  *Record
	Err     *translate.Error
}

// Skip is a candidate that was not asked, and why.
type Skip struct {
	Channel *Channel
	Why     string           // for operators
	Said    string           // for clients
	Wait    time.Duration    // until it may be asked; 0: unknown
	Busy    bool             // it is throttled or full, not broken
	Full    *fairqueue.Slots // what it is waited for; nil: it is not full
	fault   translate.Fault  // of which kind that is; 0: of none
}

// Gate is what the candidate's dial waits for; nil: it does not wait for a dial.
func (e *Skip) Gate() *Gate {
	if e.Full == nil || e.Full.Pacer == nil {
		return nil
	}
	return e.Channel.Gate
}

// FinalError makes one error of all that failed or was not asked: all throttled, or all
// that work at their own limits, is RATE_LIMITED; what all say of the question is told;
// a model's own error is its MODEL_ERROR, anything else CHANNEL_UNAVAILABLE. named: the client
// chose its model by its name, so that it can be told that there is none. Clients are
// told of kinds and numbers; which channel it was, the cause knows.
func FinalError(failures []Failure, passed []Skip, named bool) *translate.Error {
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
	case all(translate.FaultNoEndpoint):
		return &translate.Error{Code: translate.CodeNotFound, Message: "no channel of this model has the endpoint", Cause: v.cause()}
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

func (v *sums) failed(f Failure) {
	if f.Err.Code == translate.CodeModel {
		v.model = f.Err
	}
	if f.Err.Fault == translate.FaultBusy {
		v.busy++
	}
	then := FaultPolicy[f.Err.Fault]
	wait := f.Err.Retry
	if b := f.Channel.Quarantine.barred(v.now); b.Wait > 0 && then.Quarantine {
		wait = b.Wait
	} else if b = f.Record.barred(v.now, f.Channel.Force()); b.Wait > 0 && b.State != "throttled" {
		wait = b.Wait // of a throttling the hint counts: what else is known is a guess
	}
	v.add(f.Channel, f.Err.Fault, wait, then.words, then.words)
}

func (v *sums) passed(p Skip) {
	if p.Busy {
		v.busy++
	}
	v.full = v.full || p.Full != nil
	v.add(p.Channel, p.fault, p.Wait, p.Why, p.Said)
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
		text += ", the first is back in " + Seconds(v.retry)
	}
	return text
}

// Skip is c, which is not asked since b keeps the question from it.
func (c *Candidate) Skip(b Bar) Skip {
	return Skip{Channel: c.Channel, Why: b.Why, Wait: b.Wait, Busy: b.State == "throttled", fault: b.fault, Said: b.said()}
}
