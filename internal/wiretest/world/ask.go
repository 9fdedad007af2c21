package world

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Ask is a question as any of the fronts can put it.
type Ask struct {
	Model  string
	Text   string
	System string // stateless fronts only: the others have presets
	Stream bool   // ignored by fronts that know only one way
	// User and Group name who talks (rest, iagent); User defaults to "u1".
	User  string
	Group string
	// Conversation is rest's conversationId.
	Conversation string
	// Type is chatnio's frame type; "" is chat.
	Type string
	// Context is chatnio's window; 0 leaves it out.
	Context int
}

// Usage is what an answer says that it used.
type Usage struct {
	Known         bool
	Input, Output int64
}

// Reply is what came of a question.
type Reply struct {
	Text    string
	Pieces  []string // as they came
	Status  int      // HTTP status, or resp_code; 0 on chatnio
	Ended   bool     // a proper end mark was seen
	Failed  bool     // a refusal, or an error in the answer
	Kind    string   // type of the error object (openai, anthropic, gemini)
	Code    string   // code of the failure, as the dialect names it
	Message string   // of the failure
	// RetryAfter is the header of that name, or the wait that the text names.
	RetryAfter string
	Usage      Usage
	Model      string  // that says to have answered
	Number     int64   // chatnio: the conversation in frame 1
	ID         string  // rest: conversationId; iagent: msg_id
	Quota      float64 // chatnio: of the last frame
}

// Outcome is the reply in short: the text, the mark of an error in the middle,
// and how it ended.
func (r *Reply) Outcome() string {
	if !r.Failed {
		if !r.Ended {
			return fmt.Sprintf("%q and then nothing", r.Text)
		}
		return fmt.Sprintf("%q", r.Text)
	}
	status := "end" // chatnio has none
	if r.Status != 0 {
		status = strconv.Itoa(r.Status)
	}
	s := strings.Join(strings.Fields(status+" "+r.Kind+" "+r.Code), " ")
	if r.RetryAfter != "" {
		s += " retry " + r.RetryAfter
	}
	if len(r.Pieces) > 0 {
		s = fmt.Sprintf("%q then %s", r.Text, s)
	}
	if r.Ended {
		s += " AND AN END MARK"
	}
	return s
}

// Client talks to one front. A client of a stateful front goes on with its
// conversation; one of a stateless front sends again what was said. One goroutine
// uses it.
type Client interface {
	// Front is the name of the dialect.
	Front() string
	// Streams tells whether an answer can come in pieces.
	Streams() bool
	// Begin sends a question.
	Begin(t testing.TB, a Ask) Turn
	// Close ends the connection and checks that nothing was left over on it.
	Close(t testing.TB)
}

// Turn is a question on its way.
type Turn interface {
	// Next waits for the next piece of the answer; false: it is over.
	Next(t testing.TB) bool
	// Reply is what came so far.
	Reply() *Reply
	// Leave closes the connection at once.
	Leave()
}

// Put asks and waits for the end of the answer.
func Put(t testing.TB, c Client, a Ask) *Reply {
	t.Helper()
	turn := c.Begin(t, a)
	for turn.Next(t) {
	}
	return turn.Reply()
}

// said is a message that a stateless client sends again.
type said struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

var (
	codeAtFront = regexp.MustCompile(`^([A-Z][A-Z_]+)(?:$|: )`)
	waitInText  = regexp.MustCompile(`retry after (\d+)s`)
)

// readText takes a failure apart of which there is only text: "CODE: text"
// (docs/rules/iagent.md 4.9), or the words of the real chatnio server
// (docs/rules/chatnio.md 5.2).
func (r *Reply) readText(text string) {
	r.Failed, r.Message = true, text
	r.Code = "unknown words: " + text
	if m := codeAtFront.FindStringSubmatch(text); m != nil {
		r.Code = m[1]
	}
	for _, words := range []string{"not authenticated error (model: ", "the price of the model is not set (model: ", "cannot find channel for model "} {
		if strings.HasPrefix(text, words) {
			r.Code = strings.TrimRight(strings.TrimSuffix(words, " (model: "), " ")
		}
	}
	if text == r.Code+": timeout" {
		r.Code = text
	}
	if m := waitInText.FindStringSubmatch(text); m != nil {
		r.RetryAfter = m[1]
	}
}
