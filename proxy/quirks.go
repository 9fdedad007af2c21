package proxy

import (
	"errors"
	"slices"
	"sync"

	"github.com/dragoman-gateway/dragoman/translate"
)

// quirk is one way in which a back end differs from what its dialect promises, as the
// list of channels names it.
type quirk string

const (
	// quirkReason: an answer said why it ended, so that one which does not was cut off.
	quirkReason quirk = "finish_reason"
	// quirkNoReason: an answer ended with its end mark alone, and none said why so far.
	quirkNoReason quirk = "no finish_reason"
)

// errNoReason is why an end mark is none.
var errNoReason = errors.New("the end mark came without a finish_reason, which this model gives")

// quirks are what a channel has shown of one upstream model, with any of its keys. They
// are learnt from its answers and last until the configuration is applied again. The zero
// value knows nothing, nil learns nothing. It is safe for concurrent use.
type quirks struct {
	mu    sync.Mutex
	shown []quirk // a few at most, sorted
}

// has reports whether q was shown.
func (k *quirks) has(q quirk) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.shown, q)
}

// learn notes q and reports whether that is news. Nothing is learnt beyond maxQuirks.
func (k *quirks) learn(q quirk) (news bool) {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, found := slices.BinarySearch(k.shown, q); !found && (len(k.shown) < maxQuirks || q == quirkReason) {
		k.shown = slices.Insert(k.shown, at, q)
		return true
	}
	return false
}

// maxQuirks bounds what is kept for one model of a channel.
const maxQuirks = 32

// names are what is known, for an operator to read.
func (k *quirks) names() []string {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for _, q := range k.shown {
		if q != quirkNoReason || !slices.Contains(k.shown, quirkReason) {
			all = append(all, string(q))
		}
	}
	return all
}

// reasoned looks at the end of an answer. An end mark alone is a good end of a back end
// that gives no reasons, and the trace of a cut where this model is known to give them:
// gateways end every stream of theirs with the mark, also one that broke off behind them.
func (x *Exchange) reasoned(end translate.Event) *translate.Error {
	known := x.lease.quirks
	switch end.Reason {
	case translate.ReasonGiven:
		known.learn(quirkReason)
	case translate.ReasonMissing:
		if known.has(quirkReason) {
			return translate.Truncated(errNoReason)
		}
		if known.learn(quirkNoReason) {
			x.g.log.Warn("the channel ends its answers without a finish_reason, which is taken for a good end until one has it", "channel", x.lease.ch.ID, "model", x.lease.upstream)
		}
	}
	return nil
}
