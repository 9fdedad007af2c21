package proxy

import (
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// consequence is what follows from a failed attempt.
type consequence struct {
	elsewhere bool   // another channel may be tried
	sent      bool   // the question may have reached the back end
	words     string // for the message of CHANNEL_UNAVAILABLE
}

// consequences is the one table of what a fault before the commit point means.
var consequences = map[translate.Fault]consequence{
	translate.FaultDial:     {elsewhere: true, words: "not reachable"},
	translate.FaultBroken:   {elsewhere: true, sent: true, words: "answered with an error"},
	translate.FaultSlow:     {elsewhere: true, sent: true, words: "did not answer in time"},
	translate.FaultBusy:     {elsewhere: true, words: "throttled"},
	translate.FaultDenied:   {elsewhere: true, words: "its credential was refused"},
	translate.FaultRejected: {},
	translate.FaultGone:     {},
}

// failure is one attempt that gave no answer.
type failure struct {
	ch  *Channel
	err *translate.Error
}

// verdict makes one error of all failed attempts, as product.md 5 has it: all
// throttled, or at its own limit, is RATE_LIMITED, a model's own error is its MODEL_ERROR, anything
// else CHANNEL_UNAVAILABLE, which says why for each channel.
func verdict(failures []failure, full []string) *translate.Error {
	var model *translate.Error
	busy, retry := 0, time.Duration(0)
	for _, f := range failures {
		if f.err.Code == translate.CodeModel {
			model = f.err
		}
		if f.err.Fault != translate.FaultBusy {
			continue
		}
		if busy++; f.err.Retry > 0 && (retry == 0 || f.err.Retry < retry) {
			retry = f.err.Retry
		}
	}
	if busy == len(failures) && busy+len(full) > 0 {
		return &translate.Error{Code: translate.CodeRateLimited, Fault: translate.FaultBusy, Message: "every channel of this model is throttled or at its limit", Retry: max(retry, time.Second)}
	}
	if model != nil {
		return model
	}
	var why []string
	for _, f := range failures {
		why = append(why, f.ch.ID+": "+consequences[f.err.Fault].words)
	}
	for _, id := range full {
		why = append(why, id+": at its limit of requests")
	}
	return &translate.Error{Code: translate.CodeUnavailable, Message: "no channel can take it (" + strings.Join(why, "; ") + ")", Retry: retry}
}
