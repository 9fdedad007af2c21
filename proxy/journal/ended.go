package journal

import (
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Ended is an exchange that has ended, for those who tell of it elsewhere. It owns its memory,
// and holds no text of the conversation, no key and no address of a client.
type Ended struct {
	// Span is that of the exchange; Parent the one that its client named, all zero: none.
	Span   translate.TraceContext
	Parent [8]byte

	ID, Session, Front, Caller, Model string
	Operation                         string // gen_ai.operation.name
	Conversation                      string // its id; empty: it stands alone
	Received                          time.Time
	Took                              time.Duration
	Queue                             time.Duration // for its turn in the conversation
	Room                              time.Duration // for a slot of a full channel

	Stream   bool
	Cached   bool             // the answer was kept
	Answered string           // the model, as the back end calls what has answered; empty: it did not say
	Finish   translate.Finish // 0: the answer did not end
	Usage    translate.Usage
	Dropped  string // as of Timing
	Outcome

	Attempts []EndedAttempt // in their order
}

// EndedAttempt is one attempt of an exchange that has ended.
type EndedAttempt struct {
	Span      [8]byte // its id
	Channel   string
	Kind      string // of the channel
	Host      string // of the back end, with a port where the address has one; empty: it has none
	Key, Tier int
	Model     string // as the back end calls it
	// Began is counted from the question; Open and First are those of Timing.
	Began, Took, Open, First time.Duration
	Content                  bool // some of an answer came
	Outcome
}

// Outcome is how an exchange or an attempt ended; the zero value is well.
type Outcome struct {
	Code    translate.Code
	Fault   translate.Fault
	Message string // as clients may see it
	// Failed says that an operator should know of it, unlike a refusal or a client that left.
	Failed bool
}

// OutcomeOf is how what ended with err did. failed is as of Outcome.
func OutcomeOf(err *translate.Error, failed bool) Outcome {
	if err == nil {
		return Outcome{}
	}
	return Outcome{Code: err.Code, Fault: err.Fault, Message: translate.Clip(err.Message), Failed: failed}
}

// Ended is what r knows of an exchange that ends now. The caller adds the rest, and may go on
// to use r.
func (r *Trace) Ended() *Ended {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := &Ended{ID: r.id, Front: r.front, Caller: store.ShownCaller(r.caller), Model: r.model, Received: r.received, Took: time.Since(r.received), Queue: r.queue, Operation: "chat"}
	if r.endpoint != nil {
		e.Operation = r.endpoint.Operation
	}
	for i := range r.tries {
		e.Attempts = append(e.Attempts, r.tries[i].ended(e.Took))
	}
	return e
}

// ended is t of an exchange that ends total after its question.
func (t *try) ended(total time.Duration) EndedAttempt {
	a := EndedAttempt{Channel: t.target.Channel, Key: t.target.Key, Tier: t.target.Tier, Model: t.target.Model, Began: t.began, Took: t.took, Open: t.open, First: t.first}
	if t.end.code != "" {
		a.Outcome = Outcome{t.end.code, t.end.fault, t.end.message, t.end.fault != translate.FaultGone}
		return a
	}
	a.Content, a.Took = t.over, total-t.began
	return a
}
