package proxy

import (
	"slices"
	"strings"
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

// quirks are what a channel has shown of one upstream model, with any of its keys. They
// are learnt from its answers and last until a configuration is applied that says something else of the channel. The zero
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

// refusesMember begins the quirk of a back end that refuses questions with the member that
// follows.
const refusesMember = "refuses "

const (
	// quirkThinks: answers had thoughts, which go back with the calls that they led to.
	quirkThinks quirk = "reasoning"
	// quirkUserFirst: it refuses a conversation that does not begin with the user.
	quirkUserFirst quirk = "user first"
)

// userFirst reports whether what c is told of a conversation must begin with the user.
func (c *candidate) userFirst() bool {
	return c.ch.kind.UserFirst || c.quirks.has(quirkUserFirst)
}

// wantsThoughts reports whether c is told again what was thought before tools were called: it
// has shown thoughts, or it has answered nothing yet that would tell, and its name does not
// either. Models that think refuse a call whose thoughts are missing; the others refuse the
// member, which is learnt.
func (c *candidate) wantsThoughts() bool {
	if !c.ch.kind.Varied {
		return false
	}
	if c.quirks.has(quirkThinks) {
		return true
	}
	if c.quirks.has(quirkReason) || c.quirks.has(quirkNoReason) {
		return false
	}
	for _, prefix := range [...]string{"gpt-", "chatgpt-", "o1", "o3", "o4", "claude-"} {
		if strings.HasPrefix(c.upstream[strings.LastIndexByte(c.upstream, '/')+1:], prefix) {
			return false
		}
	}
	return true
}

// wants are what a refusal says of the conversation as a whole.
func wants(err *translate.Error) (q quirk) {
	if err.Upstream == nil || err.Fault != translate.FaultRejected && err.Fault != translate.FaultUnclear {
		return ""
	}
	words := strings.ToLower(err.Upstream.Message)
	has := func(all ...string) bool {
		return !slices.ContainsFunc(all, func(w string) bool { return !strings.Contains(words, w) })
	}
	switch {
	case has("reasoning_content", "missing"), has("reasoning_content", "must be"):
		return quirkThinks
	case has("first message", "user"), has("must alternate", "user"), has("start with", "user"), has("begin with", "user"), has("should alternate", "user"):
		return quirkUserFirst
	}
	return ""
}

// omitted are the members that questions are told without, as paths; nil: all are told.
func (k *quirks) omitted() (paths []string) {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, q := range k.shown {
		if path, ok := strings.CutPrefix(string(q), refusesMember); ok {
			paths = append(paths, path)
		}
	}
	return paths
}
