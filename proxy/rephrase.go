package proxy

import (
	"errors"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

// errNoReason is why an end mark is none.
var errNoReason = errors.New("the end mark came without a finish_reason, which this model gives")

// reasoned looks at the end of the answer to the request that has l. An end mark alone is a good end of a back end
// that gives no reasons, and the trace of a cut where this model is known to give them:
// gateways end every stream of theirs with the mark, also one that broke off behind them.
func reasoned(l *Lease, end translate.Event) *translate.Error {
	known := l.quirks
	switch end.Reason {
	case translate.ReasonGiven:
		known.learn(quirkReason)
	case translate.ReasonMissing:
		if known.has(quirkReason) {
			return translate.Truncated(errNoReason)
		}
		if known.learn(quirkNoReason) {
			l.ch.log.Warn("the channel ends its answers without a finish_reason, which is taken for a good end until one has it", "channel", l.ch.ID, "model", l.upstream)
		}
	}
	return nil
}

func isThought(p translate.Part) bool { return p.Kind == translate.PartReasoning && p.Text != "" }

// canGive reports whether the question would be another one if q were known.
func (s *search) canGive(q quirk) bool {
	if q == quirkThinks {
		return strings.Contains(s.x.report.timing.Dropped, "reasoning")
	}
	return s.x.prompt.turn != nil || s.x.prompt.window >= 0
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
	s.x.report.trace.Chosen(c.asTarget(), journal.BySecond, 1)
	return c
}
