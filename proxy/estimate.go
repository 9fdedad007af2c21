package proxy

import (
	"math"

	"github.com/dragoman-gateway/dragoman/translate"
)

// answerTokens is what an answer is expected to need when nobody bounds it.
const answerTokens = 1000

// needs estimates how many tokens the question, what its conversation adds to it,
// and its answer will use.
func (q *Question) needs() int {
	input, output := q.expects()
	return input + output
}

// expects is the estimate for the question, with everything that is sent of it, and for
// its answer.
func (q *Question) expects() (input, output int) {
	n := 0
	if q.mayPass() {
		n = q.Request.PassedLength()
	} else {
		n = q.Request.Length()
	}
	most := q.Request.Params.MaxTokens
	if p := q.Model.preset; p != nil {
		n += len(p.System)
		if most == nil {
			most = p.MaxTokens
		}
	}
	if q.Turn != nil {
		earlier := q.Turn.sentBytes(q.window())
		if room := q.Model.route.room(most); room > 0 {
			earlier = min(earlier, max(0, room-n)) // no more of it is sent
		}
		n += earlier
	}
	answer := answerTokens
	if most != nil {
		answer = min(max(*most, 0), math.MaxInt32) // a client chose it
	}
	if n := q.Request.Params.MostTokens; n > answer && q.mayPass() {
		answer = min(n, math.MaxInt32) // nobody knows which one the back end reads
	}
	if n := q.Request.Params.Choices; n > 1 && q.mayPass() {
		answer = int(min(int64(answer)*int64(min(n, math.MaxInt32)), math.MaxInt32)) // else all but one are dropped
	}
	return translate.Tokens(n), answer
}

// window is how many earlier messages go to the model; negative: all.
func (q *Question) window() int {
	keep := q.Request.Context - 1
	if p := q.Model.preset; p != nil && p.History > 0 && (q.Request.Context == 0 || p.History < keep) {
		keep = p.History
	}
	return keep
}
