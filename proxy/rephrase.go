package proxy

import (
	"errors"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

// errNoReason is why an end mark is none.
var errNoReason = errors.New("the end mark came without a finish_reason, which this model gives")

// reasoned looks at the end of the answer to the request that has l. An end mark alone is a good end of a back end
// that gives no reasons, and the trace of a cut where this model is known to give them:
// gateways end every stream of theirs with the mark, also one that broke off behind them.
func reasoned(l *channel.Lease, end translate.Event) *translate.Error {
	known := l.Quirks
	switch end.Reason {
	case translate.ReasonGiven:
		known.Learn(channel.QuirkReason)
	case translate.ReasonMissing:
		if known.Has(channel.QuirkReason) {
			return translate.Truncated(errNoReason)
		}
		if known.Learn(channel.QuirkNoReason) {
			l.Channel.Log.Warn("the channel ends its answers without a finish_reason, which is taken for a good end until one has it", "channel", l.Channel.ID, "model", l.Upstream)
		}
	}
	return nil
}

func isThought(p translate.Part) bool { return p.Kind == translate.PartReasoning && p.Text != "" }

// canGive reports whether the question would be another one if q were known.
func (s *search) canGive(q channel.Quirk) bool {
	if q == channel.QuirkThinks {
		return strings.Contains(s.x.report.timing.Dropped, "reasoning")
	}
	return s.x.prompt.turn != nil || s.x.prompt.window >= 0
}

// rephrased learns from a refusal that names members which can be left out of the question,
// and reports whether the same channel is to be asked again without them: it has not read the
// question, and no client has seen anything.
func (s *search) rephrased(c *channel.Candidate, err *translate.Error) bool {
	if s.x.report.attempts >= maxAttempts {
		return false
	}
	if q := channel.Wants(err); q != "" && s.canGive(q) && c.Quirks.Learn(q) {
		s.again = c
		s.x.g.log.Warn("the channel wants conversations in another form", "channel", c.Channel.ID, "model", c.Upstream, "form", string(q))
		return true
	}
	if len(err.Unknown) == 0 {
		return false
	}
	news := false
	for _, path := range err.Unknown {
		// Another question may have learnt it since this one was sent.
		news = c.Quirks.Learn(channel.Quirk(channel.RefusesMember+path)) || news || !slices.Contains(s.x.attempt.omit, path) && c.Quirks.Has(channel.Quirk(channel.RefusesMember+path))
	}
	if !news {
		return false
	}
	s.again = c
	s.x.g.log.Warn("the channel refuses members of a question, which are left out from now on", "channel", c.Channel.ID, "model", c.Upstream, "members", strings.Join(err.Unknown, ", "))
	return true
}

// askAgain returns the candidate that is to be asked once more, in another form, if it can be;
// else nil.
func (s *search) askAgain() *channel.Candidate {
	c := s.again
	s.again = nil
	if c == nil || !s.reserve(c) {
		return nil
	}
	s.x.report.trace.Chosen(targetOf(c), journal.BySecond, 1)
	return c
}
