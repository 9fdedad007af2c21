package channel

import (
	"math"
	"sync"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Of what a model takes, this much is left to the answer where nobody says how long it
// may be: a quarter, and no more than answerMost tokens.
const (
	answerPart = 4
	answerMost = 8192
)

// fitMargin is the part of an estimate that is used: tokens are counted by their usual
// size only.
const fitMargin = 0.95

// ContextWindow is how much one model of one channel takes, with any of its keys: what the
// configuration says, what is known of its family, and what it has shown. It lasts until a
// configuration is applied that says something else of the channel. It is safe for concurrent use; nil knows nothing.
type ContextWindow struct {
	set int64 // tokens, as the configuration or else the family says; 0: nobody knows

	mu       sync.Mutex
	told     int64   // tokens, as the back end said last; 0: it did not
	perToken float64 // bytes; 0: the usual ones. Never more than these
	tooMuch  int     // the least that was refused by a back end that says no number, in bytes; 0: nothing was
	took     int     // the most that was taken, in bytes
}

// NewContextWindow returns how much m takes as far as its configuration and its name say.
func NewContextWindow(m *config.Model) *ContextWindow {
	s := &ContextWindow{set: int64(m.Context)}
	if s.set == 0 {
		s.set = contextOf(m.Upstream)
	}
	return s
}

// Room is how long a question may be, in bytes as estimates count, so that an answer of
// maxTokens has its place too; 0: nobody knows.
func (s *ContextWindow) Room(maxTokens *int) int {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.roomFor(maxTokens)
}

// roomFor is Room; s.mu is held.
func (s *ContextWindow) roomFor(maxTokens *int) (room int) {
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

// Answer is maxTokens, or less where so much does not fit beside sent bytes.
func (s *ContextWindow) Answer(maxTokens *int, sent int) *int {
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
func (s *ContextWindow) limit() int64 {
	if s.told > 0 && (s.set == 0 || s.told < s.set) {
		return s.told
	}
	return s.set
}

func (s *ContextWindow) density() float64 {
	if s.perToken == 0 {
		return translate.BytesPerToken
	}
	return s.perToken
}

// next is how much is tried of a model that says no number: half way between what it took
// and what it refused, as long as these are far apart.
func (s *ContextWindow) next() int {
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

// LeastLimit is the least number of tokens that is believed to be what a model takes; nor is
// one that allows more tokens than there were bytes in what was refused.
const LeastLimit = 256

// Refused notes that sent bytes were too much beside an answer of maxTokens: of a limit and
// sent tokens, as the back end counts them; 0: it did not say.
func (s *ContextWindow) Refused(sent int, limit, tokens int64, maxTokens *int) {
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
		s.told = max(min(limit, int64(float64(sent)/s.density())), LeastLimit)
	}
}

// Taken notes that sent bytes were answered, which were so many tokens; 0: nobody said.
func (s *ContextWindow) Taken(sent int, tokens int64) {
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
func (s *ContextWindow) learn(bytes int, tokens int64) {
	d := min(max(float64(bytes)/float64(tokens), 1), translate.BytesPerToken)
	if now := s.density(); d < now {
		s.perToken = d
	} else {
		s.perToken = now + (d-now)/8
	}
}

// tokens is what the model takes, as far as that is known; 0: nobody knows.
func (s *ContextWindow) tokens() int64 {
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
