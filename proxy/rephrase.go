package proxy

import (
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

// reasoned looks at the end of the answer to the request that has l. An end mark alone is a good end of a back end
// that gives no reasons, and the trace of a cut where this model is known to give them:
// gateways end every stream of theirs with the mark, also one that broke off behind them.
func reasoned(l *channel.Lease, end translate.Event) *translate.Error {
	known := l.Quirks
	switch end.Reason {
	case translate.ReasonGiven, translate.ReasonApart:
		known.Learn(channel.QuirkReason)
	case translate.ReasonMissing:
		if known.Has(channel.QuirkReason) {
			return translate.Truncated(errNoReason)
		}
		if known.Learn(channel.QuirkNoReason) {
			l.Logger().Warn("the channel ends its answers without a finish_reason, which is taken for a good end until one has it", "channel", l.Channel.ID, "model", l.Upstream)
		}
	}
	return nil
}

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
		s.x.Logger(s.x.g.log).Warn("the channel wants conversations in another form", "channel", c.Channel.ID, "model", c.Upstream, "form", string(q))
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
	s.x.Logger(s.x.g.log).Warn("the channel refuses members of a question, which are left out from now on", "channel", c.Channel.ID, "model", c.Upstream, "members", strings.Join(err.Unknown, ", "))
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

// messageExtra is what a message takes beside its texts, in bytes: vendors count three
// to four tokens for each.
const messageExtra = 16

// How much of a conversation is sent where a model has refused it for its length and did
// not say what it takes: half of it, then a quarter, and at most so many bytes. All models
// of these days take the least of them.
const (
	firstCut = 64 << 10
	lastCut  = 8 << 10
	maxCuts  = 2
)

// fit returns the system messages and the newest others that take no more than room
// bytes, and how many stayed behind. The must newest stay in any case. What stays begins
// with what a user said, and has no tool's result without its call.
func fit(msgs []translate.Message, room, must int) (kept []translate.Message, behind int) {
	first := 0
	for first < len(msgs) && msgs[first].Role == translate.RoleSystem {
		room -= msgs[first].Length() + messageExtra
		first++
	}
	last := max(len(msgs)-max(must, 1), first)
	for last > first && hasResult(&msgs[last]) {
		last--
	}
	start := len(msgs)
	for start > first {
		if room -= msgs[start-1].Length() + messageExtra; room < 0 {
			break
		}
		start--
	}
	if start == first {
		return msgs, 0
	}
	for start < last && (msgs[start].Role != translate.RoleUser || hasResult(&msgs[start])) {
		start++
	}
	if start = min(start, last); start == first {
		return msgs, 0
	}
	kept = append(make([]translate.Message, 0, first+len(msgs)-start), msgs[:first]...)
	return append(kept, msgs[start:]...), start - first
}

// shorten makes of msgs what c's model takes, and notes what stayed behind. cut says that
// something did because of what c's model takes.
func (s *search) shorten(c *channel.Candidate, msgs []translate.Message) (kept []translate.Message, cut bool) {
	room := c.Window.Room(s.x.prompt.req.Params.MaxTokens)
	if s.most > 0 && (room == 0 || s.most < room) {
		room = s.most
	}
	fixed := s.x.prompt.req.LengthBeside()
	kept, behind := msgs, 0
	if room > 0 {
		kept, behind = fit(msgs, room-fixed, len(s.x.prompt.added))
	}
	unread := s.x.prompt.unread
	if s.x.prompt.turn.Ephemeral() {
		unread = 0 // that is gone for every model
	} else if s.x.prompt.window >= 0 {
		unread = min(unread, max(0, s.x.prompt.window-(s.x.prompt.stored[1]-s.x.prompt.stored[0])))
	}
	s.x.attempt.length = fixed + bytesOf(kept)
	s.x.attempt.load, s.x.attempt.spare = s.x.attempt.length+messageExtra*len(kept), len(kept)-leadingSystem(kept) > max(len(s.x.prompt.added), 1)
	s.x.report.timing.Behind = behind + unread
	return kept, room > 0 && behind+unread > 0
}

func leadingSystem(msgs []translate.Message) (n int) {
	for n < len(msgs) && msgs[n].Role == translate.RoleSystem {
		n++
	}
	return n
}

func bytesOf(msgs []translate.Message) (n int) {
	for i := range msgs {
		n += msgs[i].Length()
	}
	return n
}

// less reports whether the question, which c's model refused with err for its length, is
// to be asked again with less of its conversation.
func (s *search) less(c *channel.Candidate, err *translate.Error) bool {
	if s.x.prompt.turn == nil || s.x.attempt.load == 0 || !tooLong(err) && !tooLarge(err) {
		return false
	}
	limit, tokens := lengthSaid(err)
	if limit < channel.LeastLimit || limit > int64(s.x.attempt.load) {
		limit = 0
	}
	if s.x.attempt.inSync {
		tokens = 0 // the back end has counted what it remembers
	}
	c.Window.Refused(s.x.attempt.load, limit, tokens, s.x.prompt.req.Params.MaxTokens)
	if s.cuts == maxCuts || s.x.report.attempts >= maxAttempts || !s.x.attempt.spare && !s.x.attempt.inSync {
		return false
	}
	s.again = c
	if s.cuts++; s.cuts == maxCuts || limit == 0 {
		s.most = min(s.x.attempt.load>>s.cuts, [...]int{firstCut, lastCut}[s.cuts-1])
	}
	return true
}

// tooLarge reports whether the question has more bytes than what answered takes, which may
// be a proxy on the way.
func tooLarge(err *translate.Error) bool {
	return err.Fault == translate.FaultSize || err.Upstream != nil && err.Upstream.Status == 413
}

// lengthSaid is what a back end said of a question that is too long: how many tokens it
// takes, and how many the question had; 0: it did not say.
func lengthSaid(err *translate.Error) (limit, tokens int64) {
	if err.TooLong == nil {
		return 0, 0
	}
	return err.TooLong.Limit, err.TooLong.Sent
}

// fits notes that the model took what it was sent, and how many tokens that was if used
// says so.
func (a *attempt) fits(used translate.Usage, doubted bool) {
	if a.load == 0 {
		return
	}
	tokens := used.Input
	if a.inSync || used.Estimated || doubted {
		tokens = 0
	}
	a.lease.Window.Taken(a.load, tokens)
}
