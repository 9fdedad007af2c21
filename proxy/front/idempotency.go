package front

import (
	"crypto/sha256"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

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

func newIdempotency() *idempotency {
	return &idempotency{window: newWindow[onceKey, reply](idempotencyKeep, idempotencyMost, idempotencyBytes)}
}

// idempotentRequest is the one request with its key that is answered rather than repeated. A
// nil once is a request without a key; its methods then do nothing. One goroutine
// uses it.
type idempotentRequest struct {
	of  *idempotency
	one *asked[onceKey, reply] // nil once it is settled

	// Of a stream: what it came to so far.
	again   func() translate.Encoder
	through bool
	answer  translate.Answer
	size    int
	dropped string
	events  []byte // of a passed-through answer
}

// unique looks at the request's Idempotency-Key. It returns false when it has
// answered the request: with a repetition of the first answer, or because the key
// cannot be used. The call's once is then nil, else it must be settled.
func (c *call) unique(caller *proxy.Caller) bool {
	key, given, err := onceHeader(c.ctx.Request.Header.PeekAll("Idempotency-Key"))
	if err != nil {
		c.fail(err)
		return false
	}
	if !given {
		return true
	}
	store := c.s.once
	at := onceKey{caller.Name, string(c.ctx.Path()), key}
	if c.apart(caller) {
		at.caller += " through pages" // which are not shown what their readers were answered
	}
	sum := sha256.Sum256(c.ctx.Request.Body())
	store.mu.Lock()
	one, fresh := store.window.ask(at, sum, time.Now())
	known, done, same := one.result, one.done, one.body == sum
	store.mu.Unlock()
	switch {
	case fresh:
		c.once = &idempotentRequest{of: store, one: one}
		return true
	case !same:
		c.fail(&translate.Error{Code: translate.CodeKeyReused, Message: "this Idempotency-Key was used for another request"})
	case !done:
		c.fail(&translate.Error{Code: translate.CodeInProgress, Message: "the request with this Idempotency-Key is still running"})
	default:
		c.repeat(known)
	}
	return false
}

// onceHeader reads the header: a string with quotes, as the draft has it, or
// without, as everybody sends it.
func onceHeader(values [][]byte) (key string, given bool, err *translate.Error) {
	if len(values) == 0 || len(values) == 1 && len(values[0]) == 0 {
		return "", false, nil
	}
	key = strings.TrimSpace(string(values[0]))
	if len(key) > 1 && key[0] == '"' && key[len(key)-1] == '"' {
		key = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(key[1 : len(key)-1])
	}
	switch {
	case len(values) > 1:
		err = translate.Invalid("there is more than one Idempotency-Key")
	case key == "" || !utf8.ValidString(key) || utf8.RuneCountInString(key) > idempotencyKey:
		err = translate.Invalid("Idempotency-Key must have 1 to " + strconv.Itoa(idempotencyKey) + " characters")
	}
	return key, true, err
}

// repeat answers with what the first request with this key was answered.
func (c *call) repeat(r reply) {
	h := &c.ctx.Response.Header
	h.Set("Idempotent-Replayed", "true")
	h.Set("X-Dragoman-Attempts", "0") // nobody is asked
	if r.dropped != "" {
		h.Set("X-Dragoman-Dropped", r.dropped)
	}
	if strings.HasPrefix(r.kind, "text/event-stream") {
		streamHeaders(h)
	}
	c.ctx.SetStatusCode(r.status)
	c.ctx.SetContentType(r.kind)
	c.ctx.Response.SetBodyRaw(r.body)
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
	defer o.of.mu.Unlock()
	o.of.window.forget(o.one)
	o.one = nil
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
	defer o.of.mu.Unlock()
	o.one.result = r
	k := &o.one.key
	o.of.window.finish(o.one, len(k.caller)+len(k.path)+len(k.key)+len(r.kind)+len(r.dropped)+cap(r.body), time.Now())
	o.one = nil
}

// stream prepares for a streamed answer, which again encodes anew; one that is
// passed through is repeated as it was.
func (o *idempotentRequest) stream(again func() translate.Encoder) {
	if o != nil {
		o.again = again
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
	o.keep(reply{fasthttp.StatusOK, eventStream, o.dropped, body})
}

// appendAnswer appends the events of a whole answer: each part is one piece.
func appendAnswer(dst []byte, enc translate.Encoder, a *translate.Answer) []byte {
	a.Settle()
	for ev := range a.Events {
		dst = enc.Append(dst, ev)
	}
	return dst
}
