package proxy

import (
	"math"

	"github.com/dragoman-gateway/dragoman/translate"
)

// answerTokens is what an answer is expected to need when nobody bounds it.
const answerTokens = 1000

// bytesPerToken is the usual size of a token in English prose; what is estimated
// with it is marked so.
const bytesPerToken = 4

// What a medium counts until the back end has said what it was: nobody can tell from
// its bytes, and their number says nothing. Vendors publish what theirs cost.
const (
	imageTokens    = 1600  // the most that one image is at Anthropic (width × height / 750, scaled down above that); 1,105 at OpenAI for 2048 × 1024 in detail
	audioTokens    = 2000  // a minute at 32 tokens a second, as Google counts
	videoTokens    = 16000 // a minute at 263 tokens a second, as Google counts
	documentTokens = 9000  // three pages, each up to 3,000 tokens of text at Anthropic
)

// wrapping is how many bytes of a body may be names, numbers and brackets.
const wrapping = 1024

// tokensOf is the usual number of tokens in n bytes of text.
func tokensOf(n int) int { return (n + bytesPerToken - 1) / bytesPerToken }

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
		n = passedBytes(q.Request)
	} else {
		n = sentBytes(q.Request)
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
	return tokensOf(n), answer
}

// window is how many earlier messages go to the model; negative: all.
func (q *Question) window() int {
	keep := q.Request.Context - 1
	if p := q.Model.preset; p != nil && p.History > 0 && (q.Request.Context == 0 || p.History < keep) {
		keep = p.History
	}
	return keep
}

// sentBytes is how long r is as a model sees it, in bytes of text. What is no text
// counts with a flat price.
func sentBytes(r *translate.Request) int {
	n := len(r.ToolChoice.Name) + len(r.Params.ResponseFormat)
	for i := range r.Messages {
		n += messageBytes(&r.Messages[i])
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		n += max(len(t.Name)+len(t.Description)+len(t.Schema)+len(t.Cache), 1)
	}
	for _, s := range r.Params.Stop {
		n += max(len(s), 1)
	}
	return n
}

// passedBytes is sentBytes of a question that is passed on as it came. Its body is what
// counts where it holds much more than the canonical form knows of: whatever that is, the
// model may read it. Up to that, it is how JSON writes the same.
func passedBytes(r *translate.Request) int {
	known, body := sentBytes(r), len(r.Raw)
	for i := range r.Messages {
		for j := range r.Messages[i].Parts {
			p := &r.Messages[i].Parts[j]
			body += mediumTokens(p)*bytesPerToken - len(p.Data)
		}
	}
	if body <= 2*known+wrapping {
		body = known
	}
	return body
}

// messageBytes is sentBytes of one message. None is free.
func messageBytes(m *translate.Message) int {
	n := len(m.Name)
	for i := range m.Parts {
		p := &m.Parts[i]
		// Data is counted by the medium.
		n += len(p.Text) + len(p.URL) + len(p.ID) + len(p.Name) + len(p.Args) + len(p.Signature) + len(p.Cache) + mediumTokens(p)*bytesPerToken
	}
	return max(n, 1)
}

// mediumTokens is the flat price of a part that is no text.
func mediumTokens(p *translate.Part) int {
	switch p.Kind {
	case translate.PartImage:
		return imageTokens
	case translate.PartAudio:
		return audioTokens
	case translate.PartDocument:
		if p.Text != "" {
			return 0
		}
		return documentTokens
	case translate.PartMedia:
		switch p.MediaType {
		case "voice":
			return audioTokens
		case "video":
			return videoTokens
		}
		return imageTokens
	}
	return 0
}
