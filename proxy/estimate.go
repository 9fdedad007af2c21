package proxy

import (
	"math"

	"github.com/dragoman-gateway/dragoman/translate"
)

// answerTokens is what an answer is expected to need when nobody bounds it.
const answerTokens = 1000

// needs estimates how many tokens the question, what its conversation adds to it,
// and its answer will use.
func (p *prompt) needs() int {
	input, output := p.expects()
	return input + output
}

// expects is the estimate for the question, with everything that is sent of it, and for
// its answer.
func (p *prompt) expects() (input, output int) {
	n := 0
	if p.mayPass() {
		n = p.req.PassedLength()
	} else {
		n = p.req.Length()
	}
	most := p.req.Params.MaxTokens
	if set := p.model.preset; set != nil {
		n += len(set.System)
		if most == nil {
			most = set.MaxTokens
		}
	}
	if p.turn != nil {
		earlier := p.turn.SentLength(p.keeps())
		if room := p.model.route.room(most); room > 0 {
			earlier = min(earlier, max(0, room-n)) // no more of it is sent
		}
		n += earlier
	}
	answer := answerTokens
	if most != nil {
		answer = min(max(*most, 0), math.MaxInt32) // a client chose it
	}
	if n := p.req.Params.MostTokens; n > answer && p.mayPass() {
		answer = min(n, math.MaxInt32) // nobody knows which one the back end reads
	}
	if n := p.req.Params.Choices; n > 1 && p.mayPass() {
		answer = int(min(int64(answer)*int64(min(n, math.MaxInt32)), math.MaxInt32)) // else all but one are dropped
	}
	return translate.Tokens(n), answer
}

// keeps is how many earlier messages go to the model; negative: all.
func (p *prompt) keeps() int {
	keep := p.req.Context - 1
	if set := p.model.preset; set != nil && set.History > 0 && (p.req.Context == 0 || set.History < keep) {
		keep = set.History
	}
	return keep
}
