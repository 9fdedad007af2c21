package channel

import (
	"slices"
	"strings"
	"sync"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Quirk is one way in which a back end differs from what its dialect promises, as the
// list of channels names it.
type Quirk string

const (
	// quirkReason: an answer said why it ended, so that one which does not was cut off.
	QuirkReason Quirk = "finish_reason"
	// quirkNoReason: an answer ended with its end mark alone, and none said why so far.
	QuirkNoReason Quirk = "no finish_reason"
)

// Quirks are what a channel has shown of one upstream model, with any of its keys. They
// are learnt from its answers and last until a configuration is applied that says something else of the channel. The zero
// value knows nothing, nil learns nothing. It is safe for concurrent use.
type Quirks struct {
	mu    sync.Mutex
	shown []Quirk // a few at most, sorted
}

// Has reports whether q was shown.
func (k *Quirks) Has(q Quirk) bool {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.shown, q)
}

// Learn notes q and reports whether that is news. Nothing is learnt beyond maxQuirks.
func (k *Quirks) Learn(q Quirk) (news bool) {
	if k == nil {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if at, found := slices.BinarySearch(k.shown, q); !found && (len(k.shown) < maxQuirks || q == QuirkReason) {
		k.shown = slices.Insert(k.shown, at, q)
		return true
	}
	return false
}

// maxQuirks bounds what is kept for one model of a channel.
const maxQuirks = 32

// names are what is known, for an operator to read.
func (k *Quirks) names() []string {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []string
	for _, q := range k.shown {
		if q != QuirkNoReason || !slices.Contains(k.shown, QuirkReason) {
			all = append(all, string(q))
		}
	}
	return all
}

// RefusesMember begins the quirk of a back end that refuses questions with the member that
// follows.
const RefusesMember = "refuses "

const (
	// quirkThinks: answers had thoughts, which go back with the calls that they led to.
	QuirkThinks Quirk = "reasoning"
	// quirkUserFirst: it refuses a conversation that does not begin with the user.
	quirkUserFirst Quirk = "user first"
)

// Wants are what a refusal says of the conversation as a whole.
func Wants(err *translate.Error) (q Quirk) {
	if err.Upstream == nil || err.Fault != translate.FaultRejected && err.Fault != translate.FaultUnclear {
		return ""
	}
	words := strings.ToLower(err.Upstream.Message)
	has := func(all ...string) bool {
		return !slices.ContainsFunc(all, func(w string) bool { return !strings.Contains(words, w) })
	}
	switch {
	case has("reasoning_content", "missing"), has("reasoning_content", "must be"):
		return QuirkThinks
	case has("first message", "user"), has("must alternate", "user"), has("start with", "user"), has("begin with", "user"), has("should alternate", "user"):
		return quirkUserFirst
	}
	return ""
}

// Omitted are the members that questions are told without, as paths; nil: all are told.
func (k *Quirks) Omitted() (paths []string) {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, q := range k.shown {
		if path, ok := strings.CutPrefix(string(q), RefusesMember); ok {
			paths = append(paths, path)
		}
	}
	return paths
}
