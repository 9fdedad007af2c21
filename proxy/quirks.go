package proxy

import (
	"errors"
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

// errNoReason is why an end mark is none.
var errNoReason = errors.New("the end mark came without a finish_reason, which this model gives")

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

// reasoned looks at the end of an answer. An end mark alone is a good end of a back end
// that gives no reasons, and the trace of a cut where this model is known to give them:
// gateways end every stream of theirs with the mark, also one that broke off behind them.
func (x *Exchange) reasoned(end translate.Event) *translate.Error {
	known := x.attempt.lease.quirks
	switch end.Reason {
	case translate.ReasonGiven:
		known.learn(quirkReason)
	case translate.ReasonMissing:
		if known.has(quirkReason) {
			return translate.Truncated(errNoReason)
		}
		if known.learn(quirkNoReason) {
			x.g.log.Warn("the channel ends its answers without a finish_reason, which is taken for a good end until one has it", "channel", x.attempt.lease.ch.ID, "model", x.attempt.lease.upstream)
		}
	}
	return nil
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

func isThought(p translate.Part) bool { return p.Kind == translate.PartReasoning && p.Text != "" }

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

// canGive reports whether the question would be another one if q were known.
func (s *search) canGive(q quirk) bool {
	if q == quirkThinks {
		return strings.Contains(s.x.report.timing.Dropped, "reasoning")
	}
	return s.x.prompt.turn != nil || s.x.prompt.window >= 0
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

// rephrased learns from a refusal that names members which can be left out of the question,
// and reports whether the same channel is to be asked again without them: it has not read the
// question, and no client has seen anything.
func (s *search) rephrased(c *candidate, err *translate.Error) bool {
	if s.x.report.attempts >= maxAttempts {
		return false
	}
	if q := wants(err); q != "" && s.canGive(q) && c.quirks.learn(q) {
		s.again = c
		s.x.g.log.Warn("the channel wants conversations in another form", "channel", c.ch.ID, "model", c.upstream, "form", string(q))
		return true
	}
	if len(err.Unknown) == 0 {
		return false
	}
	news := false
	for _, path := range err.Unknown {
		// Another question may have learnt it since this one was sent.
		news = c.quirks.learn(quirk(refusesMember+path)) || news || !slices.Contains(s.x.attempt.omit, path) && c.quirks.has(quirk(refusesMember+path))
	}
	if !news {
		return false
	}
	s.again = c
	s.x.g.log.Warn("the channel refuses members of a question, which are left out from now on", "channel", c.ch.ID, "model", c.upstream, "members", strings.Join(err.Unknown, ", "))
	return true
}

// askAgain returns the candidate that is to be asked once more, in another form, if it can be;
// else nil.
func (s *search) askAgain() *candidate {
	c := s.again
	s.again = nil
	if c == nil || !s.reserve(c) {
		return nil
	}
	s.x.report.trace.chosen(c, bySecond, 1)
	return c
}
