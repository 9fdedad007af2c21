package front

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what is kept for requests with an Idempotency-Key (docs/rules/rest.md 5.1).
const (
	idempotencyKeep  = 10 * time.Minute
	idempotencyMost  = 100_000
	idempotencyBytes = 64 << 20
	// idempotencyBody is the longest answer that is kept. A longer one is sent, but
	// asked for again when its request is repeated.
	idempotencyBody = 4 << 20
	idempotencyKey  = 255 // characters
)

// idempotency remembers the requests that carried an Idempotency-Key, so that a
// repeated one gets the first one's answer. It is safe for concurrent use.
type idempotency struct {
	mu     sync.Mutex
	window resultCache[onceKey, reply]
}

// onceKey is what a key is unique in.
type onceKey struct{ caller, path, key string }

// reply is an answer as it is sent again.
type reply struct {
	status  int
	kind    string // content type
	dropped string // X-Dragoman-Dropped
	body    []byte
}

// replyHead is what is kept of an answer beside its body.
type replyHead struct {
	Status  int    `json:"status"`
	Kind    string `json:"kind"`
	Dropped string `json:"dropped,omitempty"`
}

func (r *reply) head() string {
	text, _ := json.Marshal(replyHead{r.status, r.kind, r.dropped}) // it has nothing that could fail
	return string(text)
}

// reply reads the answer of another process; false: it cannot be had.
func (c *claim) reply() (reply, bool) {
	var head replyHead
	if json.Unmarshal([]byte(c.head), &head) != nil || head.Status < 200 || head.Status > 599 {
		return reply{}, false
	}
	body, err := c.body()
	return reply{head.Status, head.Kind, head.Dropped, body}, err == nil
}

func newIdempotency() *idempotency {
	return &idempotency{window: newWindow[onceKey, reply](idempotencyKeep, idempotencyMost, idempotencyBytes)}
}

// idempotentRequest is the one request with its key that is answered rather than repeated. A
// nil once is a request without a key; its methods then do nothing. One goroutine
// uses it.
type idempotentRequest struct {
	of  *idempotency
	one *asked[onceKey, reply] // nil once it is settled
	// claim is the request as other processes know it; nil: they do not.
	claim *claim

	// Of a stream: what it came to so far.
	again   func() translate.Encoder
	kind    string // content type
	through bool
	answer  translate.Answer
	size    int
	dropped string
	events  []byte // of a passed-through answer
}

// worthKeeping: success, and what the model made of the question. What the
// gateway or a limit refused may turn out differently the next time.
func worthKeeping(status int) bool {
	return status >= 200 && status <= 299 || status == fasthttp.StatusBadGateway || status == fasthttp.StatusGatewayTimeout
}

// settle keeps the response as it stands if it is worth it, else forgets the
// request.
func (o *idempotentRequest) settle(r *fasthttp.Response) {
	if o == nil {
		return
	}
	if !worthKeeping(r.StatusCode()) {
		o.forget()
		return
	}
	o.keep(reply{r.StatusCode(), string(r.Header.ContentType()), string(r.Header.Peek("X-Dragoman-Dropped")), append([]byte(nil), r.Body()...)})
}

// forget makes the request as if it had never been made, unless it was settled.
func (o *idempotentRequest) forget() {
	if o == nil || o.one == nil {
		return
	}
	o.of.mu.Lock()
	o.of.window.forget(o.one)
	o.one = nil
	o.of.mu.Unlock()
	o.claim.forget()
}

func (o *idempotentRequest) keep(r reply) {
	if len(r.body) > idempotencyBody {
		o.forget()
		return
	}
	if o.one == nil {
		return
	}
	o.of.mu.Lock()
	o.one.result = r
	k := &o.one.key
	o.of.window.finish(o.one, len(k.caller)+len(k.path)+len(k.key)+len(r.kind)+len(r.dropped)+cap(r.body), time.Now())
	o.one = nil
	o.of.mu.Unlock()
	o.claim.finish(r.head(), r.body, idempotencyKeep)
}

// stream prepares for a streamed answer of a content type, which again encodes anew; one that is
// passed through is repeated as it was.
func (o *idempotentRequest) stream(kind string, again func() translate.Encoder) {
	if o != nil {
		o.kind, o.again = kind, again
	}
}

// begun notes how the answer comes.
func (o *idempotentRequest) begun(x *proxy.Exchange) {
	if o != nil {
		o.through, o.dropped = x.PassThrough(), x.Dropped()
	}
}

// event adds one event of the stream.
func (o *idempotentRequest) event(ev translate.Event) {
	if o == nil || o.one == nil {
		return
	}
	if o.size += len(ev.Text) + len(ev.Raw); o.size > idempotencyBody {
		o.forget()
		o.answer, o.events = translate.Answer{}, nil
		return
	}
	if o.through {
		o.events = append(o.events, ev.Raw...)
		return
	}
	o.answer.Add(ev)
}

// end settles a stream that ended well, or with failure, whose status would have
// been status.
func (o *idempotentRequest) end(failure *translate.Error, status int) {
	if o == nil || o.one == nil {
		return
	}
	if !worthKeeping(status) {
		o.forget()
		return
	}
	enc, body := o.again(), o.events
	if !o.through {
		body = appendAnswer(nil, enc, &o.answer)
		if failure == nil {
			body = enc.AppendTail(body)
		}
	}
	if failure != nil {
		body = enc.AppendError(body, failure, true)
	}
	o.keep(reply{fasthttp.StatusOK, o.kind, o.dropped, body})
}

// appendAnswer appends the events of a whole answer: each part is one piece.
func appendAnswer(dst []byte, enc translate.Encoder, a *translate.Answer) []byte {
	a.Settle()
	for ev := range a.Events {
		dst = enc.Append(dst, ev)
	}
	return dst
}
