package proxy

import (
	"math"
	"sync"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Of what a model takes, this much is left to the answer where nobody says how long it
// may be: a quarter, and no more than answerMost tokens.
const (
	answerPart = 4
	answerMost = 8192
)

// messageExtra is what a message takes beside its texts, in bytes: vendors count three
// to four tokens for each.
const messageExtra = 16

// fitMargin is the part of an estimate that is used: tokens are counted by their usual
// size only.
const fitMargin = 0.95

// How much of a conversation is sent where a model has refused it for its length and did
// not say what it takes: half of it, then a quarter, and at most so many bytes. All models
// of these days take the least of them.
const (
	firstCut = 64 << 10
	lastCut  = 8 << 10
	maxCuts  = 2
)

// Bounds of what is read of one conversation for one question, in bytes as
// [store.Message.Weight] counts: of what a model takes so many times as much, since a
// message weighs more in memory than it is long; and what is read for a model of which
// nobody knows what it takes.
const (
	readTimes = 4
	readLeast = 64 << 10
	readFew   = 64 // messages: who wants no more of them gets them, whatever the model takes
)

// span is how much one model of one channel takes, with any of its keys: what the
// configuration says, what is known of its family, and what it has shown. It lasts until a
// configuration is applied that says something else of the channel. It is safe for concurrent use; nil knows nothing.
type span struct {
	set int64 // tokens, as the configuration or else the family says; 0: nobody knows

	mu       sync.Mutex
	told     int64   // tokens, as the back end said last; 0: it did not
	perToken float64 // bytes; 0: the usual ones. Never more than these
	tooMuch  int     // the least that was refused by a back end that says no number, in bytes; 0: nothing was
	took     int     // the most that was taken, in bytes
}

func newSpan(m *config.Model) *span {
	s := &span{set: int64(m.Context)}
	if s.set == 0 {
		s.set = contextOf(m.Upstream)
	}
	return s
}

// room is how long a question may be, in bytes as estimates count, so that an answer of
// maxTokens has its place too; 0: nobody knows.
func (s *span) room(maxTokens *int) int {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomFor(maxTokens)
}

// roomFor is room; s.mu is held.
func (s *span) roomFor(maxTokens *int) (room int) {
	if limit := s.limit(); limit > 0 {
		answer := min(limit/answerPart, answerMost)
		if maxTokens != nil {
			answer = min(int64(max(*maxTokens, 1)), limit/2)
		}
		room = max(int(min(float64(limit-answer)*s.density()*fitMargin, math.MaxInt32)), 1)
	}
	if s.tooMuch > 0 {
		if most := s.next(); room == 0 || most < room {
			room = most
		}
	}
	return room
}

// answer is maxTokens, or less where so much does not fit beside sent bytes.
func (s *span) answer(maxTokens *int, sent int) *int {
	if s == nil || maxTokens == nil {
		return maxTokens
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.limit()
	if limit == 0 || int64(*maxTokens) <= limit/2 {
		return maxTokens // that much was left to it
	}
	left := int(limit - int64(float64(sent)/(s.density()*fitMargin)))
	if left = max(left, 1); left >= *maxTokens {
		return maxTokens
	}
	return &left
}

// limit is what the model takes, in tokens; 0: nobody knows. s.mu is held.
func (s *span) limit() int64 {
	if s.told > 0 && (s.set == 0 || s.told < s.set) {
		return s.told
	}
	return s.set
}

func (s *span) density() float64 {
	if s.perToken == 0 {
		return translate.BytesPerToken
	}
	return s.perToken
}

// next is how much is tried of a model that says no number: half way between what it took
// and what it refused, as long as these are far apart.
func (s *span) next() int {
	took := s.took
	if took >= s.tooMuch {
		took = s.tooMuch / 2
	}
	if took == 0 {
		return s.tooMuch / 2
	}
	if s.tooMuch-took < s.tooMuch/16 {
		return took
	}
	return took + (s.tooMuch-took)/2
}

// leastLimit is the least number of tokens that is believed to be what a model takes; nor is
// one that allows more tokens than there were bytes in what was refused.
const leastLimit = 256

// refused notes that sent bytes were too much beside an answer of maxTokens: of a limit and
// sent tokens, as the back end counts them; 0: it did not say.
func (s *span) refused(sent int, limit, tokens int64, maxTokens *int) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit == 0 {
		if s.tooMuch == 0 || sent < s.tooMuch {
			s.tooMuch = sent
		}
		if s.took >= s.tooMuch {
			s.took = s.tooMuch / 2
		}
		return
	}
	s.told = limit
	if tokens <= 0 {
		tokens = limit // at least
	}
	s.learn(sent, tokens)
	if s.roomFor(maxTokens) >= sent {
		// It leaves more to the answer than we do.
		s.told = max(min(limit, int64(float64(sent)/s.density())), leastLimit)
	}
}

// taken notes that sent bytes were answered, which were so many tokens; 0: nobody said.
func (s *span) taken(sent int, tokens int64) {
	if s == nil || sent <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.took = max(s.took, sent); s.tooMuch > 0 && s.took >= s.tooMuch {
		s.tooMuch = s.took + s.took/16
	}
	if tokens > 0 && sent >= learnFrom {
		s.learn(sent, tokens)
	}
}

// learnFrom is how long a question is at least that says how many bytes a token has: of a
// short one much is what the back end itself adds.
const learnFrom = 2048

// learn notes that so many bytes were so many tokens. What is denser counts at once. s.mu
// is held.
func (s *span) learn(bytes int, tokens int64) {
	d := min(max(float64(bytes)/float64(tokens), 1), translate.BytesPerToken)
	if now := s.density(); d < now {
		s.perToken = d
	} else {
		s.perToken = now + (d-now)/8
	}
}

// tokens is what the model takes, as far as that is known; 0: nobody knows.
func (s *span) tokens() int64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.limit()
	if s.tooMuch > 0 {
		if most := int64(translate.Tokens(s.next())); limit == 0 || most < limit {
			limit = most
		}
	}
	return limit
}

// room is the most that a model of r takes, see span; 0: nobody knows of one of them.
func (r *route) room(maxTokens *int) (most int) {
	for _, tier := range r.tiers {
		for i := range tier {
			room := tier[i].span.room(maxTokens)
			if room == 0 {
				return 0
			}
			most = max(most, room)
		}
	}
	return most
}

// reading is how much of a conversation is read for a question that sees keep messages
// before it, or all if keep is negative, in bytes as a store weighs them.
func (p *Plan) reading(m *Model, maxTokens *int, keep int) int {
	if keep >= 0 && keep <= readFew {
		return conversation.ReadMost
	}
	var some [4]*route
	most := readLeast
	for _, r := range p.routesOf(some[:0], m) {
		room := r.room(maxTokens)
		if room == 0 {
			return conversation.ReadMost
		}
		most = max(most, readLeast+min(room, conversation.ReadMost)*readTimes)
	}
	return min(most, conversation.ReadMost)
}

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
func (s *search) shorten(c *candidate, msgs []translate.Message) (kept []translate.Message, cut bool) {
	room := c.span.room(s.x.prompt.req.Params.MaxTokens)
	if s.most > 0 && (room == 0 || s.most < room) {
		room = s.most
	}
	fixed := s.x.prompt.req.Length() - bytesOf(s.x.prompt.req.Messages)
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
func (s *search) less(c *candidate, err *translate.Error) bool {
	if s.x.prompt.turn == nil || s.x.attempt.load == 0 || !tooLong(err) && !tooLarge(err) {
		return false
	}
	limit, tokens := lengthSaid(err)
	if limit < leastLimit || limit > int64(s.x.attempt.load) {
		limit = 0
	}
	if s.x.attempt.inSync {
		tokens = 0 // the back end has counted what it remembers
	}
	c.span.refused(s.x.attempt.load, limit, tokens, s.x.prompt.req.Params.MaxTokens)
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
	a.lease.span.taken(a.load, tokens)
}
