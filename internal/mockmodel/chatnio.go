package mockmodel

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// chatFrame is a client's frame on an authenticated connection (docs/rules/chatnio.md 4).
// A field of a wrong type closes the socket, as on the real server.
type chatFrame struct {
	Type          string   `json:"type"`
	Message       string   `json:"message"`
	Model         string   `json:"model"`
	Web           bool     `json:"web"`
	IgnoreContext bool     `json:"ignore_context"`
	Context       int      `json:"context"`
	MaxTokens     *int     `json:"max_tokens"`
	TopK          *int     `json:"top_k"`
	Temperature   *float64 `json:"temperature"`
	TopP          *float64 `json:"top_p"`
	body          string
}

// chatSession is one chatnio socket. The reader owns auth and deaf, the worker
// the conversation.
type chatSession struct {
	*socket
	path   string
	authed bool
	key    string // empty: anonymous
	queue  chan chatFrame
	stop   chan struct{}

	num     int64
	history []Turn
	deaf    bool

	mu      sync.Mutex
	pending int  // frames queued or under way
	ending  bool // the turn under way is kept: nothing can stop it any more
}

// window is how many messages the model sees when the frame does not say.
const window = 8

// chatSocket serves GET /chat and /api/chat.
func (s *Server) chatSocket(ctx *fasthttp.RequestCtx) {
	if !ctx.IsGet() {
		chatStatus(ctx, 404, `{"message":"not found or method not allowed","status":false}`)
		return
	}
	if h := s.throttle.Load(); h != nil && !h.take(string(ctx.Path())) {
		if h.Hint > 0 {
			ctx.Response.Header.Set("Retry-After", strconv.Itoa(int(h.Hint/time.Second)))
		}
		chatStatus(ctx, 200, `{"error":"request_throttled","reason":"You have sent too many requests. Please try again later.","status":false}`)
		return
	}
	if !websocket.FastHTTPIsWebSocketUpgrade(ctx) {
		chatStatus(ctx, 400, "Bad Request\n"+`{"message":"","reason":"websocket: the client is not using the websocket protocol: 'upgrade' token not found in 'Connection' header","status":false}`)
		return
	}
	if _, ok := s.chatKey(ctx); !ok {
		return
	}
	path := string(ctx.Path())
	s.upgrade(ctx, func(so *socket) (func([]byte) bool, func()) {
		x := &chatSession{socket: so, path: path, queue: make(chan chatFrame, 10), stop: make(chan struct{}, 1)}
		x.work.Go(x.run)
		return x.read, func() { close(x.queue) }
	})
}

// read takes one message from the client.
func (x *chatSession) read(msg []byte) bool {
	if string(msg) == `{"type":"ping"}` {
		return true
	}
	if !x.authed {
		return x.auth(msg)
	}
	var f chatFrame
	if json.Unmarshal(msg, &f) != nil {
		return false
	}
	f.body = string(msg)
	if f.Type == "stop" || f.Type == "remove" {
		if x.halt() || f.Type == "stop" {
			return true
		}
	}
	x.put(f)
	return true
}

// halt stops the running turn, if there is one.
func (x *chatSession) halt() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.pending == 0 || x.pending == 1 && x.ending {
		return false
	}
	select {
	case x.stop <- struct{}{}:
	default:
	}
	return true
}

// put queues a frame; when the queue is full the oldest is dropped
// (docs/rules/chatnio.md 5.4). Only the reader calls it, so there is room afterwards.
func (x *chatSession) put(f chatFrame) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.queue) == cap(x.queue) {
		select {
		case <-x.queue:
			x.pending--
		default:
		}
	}
	x.pending++
	x.queue <- f
}

// did ends a frame; a stop that came too late for it is forgotten.
func (x *chatSession) did() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.pending--
	x.ending = false
	select {
	case <-x.stop:
	default:
	}
}

// auth reads the first frame. Nothing is sent back for it; whoever is not known
// is anonymous (docs/rules/chatnio.md 3.2).
func (x *chatSession) auth(msg []byte) bool {
	var f struct {
		Token string `json:"token"`
		ID    int64  `json:"id"`
	}
	if json.Unmarshal(msg, &f) != nil {
		return false
	}
	x.authed = true
	x.num = -1
	key := strings.TrimPrefix(strings.TrimSpace(f.Token), "Bearer ")
	if key != "" && key != "anonymous" && x.s.accepts(key) {
		x.key = key
		x.num, x.history = x.s.chats.open(key, f.ID)
	}
	return true
}

// run is the worker: one frame after the other.
func (x *chatSession) run() {
	defer x.s.survive()
	for f := range x.queue {
		if !x.left() && !x.deaf {
			x.do(f)
		}
		x.did()
	}
}

func (x *chatSession) do(f chatFrame) {
	switch f.Type {
	case "", "chat":
		if f.Message != "" {
			x.history = append(x.history, Turn{Role: "user", Text: f.Message})
			x.turn(f, x.history)
		}
	case "restart":
		x.turn(f, withoutTail(x.history))
	case "mask":
		x.mask(f.Message)
	case "edit":
		x.edit(f.Message)
	case "remove":
		x.remove(f.Message)
	}
}

func withoutTail(turns []Turn) []Turn {
	for len(turns) > 0 && turns[len(turns)-1].Role == "assistant" {
		turns = turns[:len(turns)-1]
	}
	return turns
}

// mask puts messages before the history (docs/rules/chatnio.md 4).
func (x *chatSession) mask(text string) {
	var ms []struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	if json.Unmarshal([]byte(text), &ms) != nil {
		return
	}
	head := make([]Turn, 0, len(ms)+len(x.history))
	for _, m := range ms {
		head = append(head, Turn{Role: m.Role, Text: m.Content})
	}
	x.history = append(head, x.history...)
}

func (x *chatSession) edit(text string) {
	index, replacement, ok := strings.Cut(text, ":")
	i, err := strconv.Atoi(index)
	if !ok || err != nil {
		x.deaf = true
		return
	}
	if i >= 0 && i < len(x.history) {
		x.history[i].Text = replacement
		x.save("")
	}
}

func (x *chatSession) remove(text string) {
	i, err := strconv.Atoi(text)
	if err != nil {
		x.deaf = true
		return
	}
	if i >= 0 && i < len(x.history) {
		x.history = slices.Delete(x.history, i, i+1)
		x.save("")
	}
}

// save stores a copy; anonymous conversations are kept in the socket only.
func (x *chatSession) save(model string) {
	if x.key != "" {
		x.s.chats.put(x.key, x.num, model, x.history)
	}
}

// chatTurn is one answer on a socket.
type chatTurn struct {
	x      *chatSession
	sc     Script
	chunks int64
	said   string // text sent so far
	lost   bool   // a write failed
	kept   bool   // the answer is in the history
	model  string
	buf    []byte
	frame  []byte
}

// turn answers f, when the model is given history.
func (x *chatSession) turn(f chatFrame, history []Turn) {
	if f.Model == "" {
		f.Model = "gpt-3.5-turbo"
	}
	x.save(f.Model)
	n := window
	if f.Context > 0 {
		n = f.Context
	}
	if f.IgnoreContext {
		n = 1
	}
	seen := slices.Clone(history[max(0, len(history)-n):])
	x.s.begin(Seen{Dialect: "chatnio", Path: x.path, Model: f.Model, Key: x.key, Stream: true, Messages: seen, Body: f.body})
	t := chatTurn{x: x, model: f.Model, sc: x.s.count.apply(f.Model, Plan(f.Model, seen, nil))}
	t.sc.textOnly()
	done := false
	defer func() { x.s.finish(!done && (t.lost || x.left())) }()
	if x.key == "" && len(x.s.opts.Keys) > 0 {
		t.first()
		t.fail("not authenticated error (model: " + f.Model + ")")
	} else {
		done = t.run(f.Model)
	}
	t.keep()
}

// keep puts the answer into the history, before the client can know its end.
func (t *chatTurn) keep() {
	if t.kept {
		return
	}
	t.kept = true
	x := t.x
	x.mu.Lock()
	x.ending = true
	x.mu.Unlock()
	if n := len(x.history); !t.sc.Forget {
		x.history = append(x.history, Turn{Role: "assistant", Text: t.said})
	} else if n > 0 && x.history[n-1].Role == "user" {
		x.history = x.history[:n-1]
	}
	if over := len(x.history) - maxTurns; over > 0 {
		x.history = slices.Delete(x.history, 0, over)
	}
	x.save(t.model)
}

// run sends the frames of a turn (docs/rules/chatnio.md 5.2). It returns whether the turn
// went as scripted to where the script ends it.
func (t *chatTurn) run(model string) bool {
	x := t.x
	switch t.sc.Fault {
	case FaultDrop, FaultRefuse:
		x.c.cut()
		return true
	case FaultHang:
		x.wait(-1, x.stop)
		return false
	case FaultBlank:
		x.bye()
		return true
	}
	t.first()
	switch t.sc.Fault {
	case FaultFail:
		t.fail(chatError(t.sc.refusal(), model))
		return true
	case FaultError200:
		t.fail("the scripted model broke, as its name asks (type: server_error)")
		return true
	case FaultGarbage:
		x.write(appendFrame(nil, []byte(nonsense)))
		return true
	case FaultStall:
		if x.wait(-1, x.stop) || x.left() {
			return false
		}
		t.stopped()
		return true
	case FaultCut0:
		x.cut()
		return true
	}
	return t.pieces() && t.last()
}

// pieces sends the text. It returns false when the turn is over already.
func (t *chatTurn) pieces() bool {
	steps := t.sc.Steps[:t.sc.before()]
	for i := range steps {
		if steps[i].Wait > 0 && !t.pause(steps[i].Wait) {
			return false
		}
		if i == 0 {
			t.piece("")
		}
		t.piece(steps[i].Text)
		if i+1 < len(steps) && steps[i+1].Join {
			continue
		}
		if !t.flush() {
			return false
		}
		select {
		case <-t.x.stop:
			t.stopped()
			return false
		default:
		}
	}
	return true
}

// pause waits. It returns false when the turn is over.
func (t *chatTurn) pause(d time.Duration) bool {
	if !t.flush() {
		return false
	}
	if t.x.wait(d, t.x.stop) {
		return true
	}
	if !t.x.left() {
		t.stopped()
	}
	return false
}

// last sends what follows the pieces.
func (t *chatTurn) last() bool {
	switch t.sc.Fault {
	case FaultStallMid:
		return t.pause(-1)
	case FaultCut:
		t.x.cut()
		return true
	case FaultGarbageMid:
		return t.x.write(appendFrame(nil, []byte(nonsense)))
	case FaultErrorMid:
		t.fail("the scripted model broke, as its name asks (type: server_error)")
		return true
	case FaultNoEnd:
		t.x.bye()
		return true
	}
	if len(t.sc.Steps) > 0 {
		t.piece("")
	}
	t.keep()
	t.add(0, t.quota(), "", true)
	if t.sc.Fault == FaultDouble {
		t.add(0, t.quota(), "", true)
	}
	return t.flush()
}

// stopped ends a turn as the real server does: two end frames, the second of
// which is an error when nothing had been said (docs/rules/chatnio.md 5.3).
func (t *chatTurn) stopped() {
	t.keep()
	t.add(0, t.quota(), "", true)
	if t.said == "" {
		t.add(0, 0, "empty response", true)
	} else {
		t.add(0, t.quota(), "", true)
	}
	t.flush()
}

// first sends the frame that opens every turn.
func (t *chatTurn) first() {
	t.add(t.x.num, 0, "", false)
	t.flush()
}

func (t *chatTurn) fail(text string) {
	t.said = text
	t.keep()
	t.add(0, 0, text, true)
	t.flush()
}

func (t *chatTurn) piece(text string) {
	t.chunks++
	t.said += text
	t.add(0, t.quota(), text, false)
}

// quota is the price so far, of 0.002 points a token.
func (t *chatTurn) quota() float64 {
	if t.sc.NoUsage || t.sc.Input+t.sc.Output == 0 {
		return 0
	}
	return 0.002 * float64(t.sc.Input+t.chunks)
}

// add appends a frame (docs/rules/chatnio.md 5.1).
func (t *chatTurn) add(conversation int64, quota float64, message string, end bool) {
	f := strconv.AppendInt(append(t.frame[:0], `{"conversation":`...), conversation, 10)
	f = strconv.AppendFloat(append(f, `,"quota":`...), quota, 'f', -1, 32)
	f = quote(append(f, `,"keyword":"","message":`...), message)
	f = strconv.AppendBool(append(f, `,"end":`...), end)
	t.frame = append(f, ",\"plan\":false}\n"...)
	t.buf = appendFrame(t.buf, t.frame)
}

func (t *chatTurn) flush() bool {
	t.lost = !t.x.write(t.buf)
	t.buf = t.buf[:0]
	return !t.lost
}

// chatError is the text of an error turn (docs/rules/chatnio.md 5.2).
func chatError(r refusal, model string) string {
	switch r.status {
	case 401, 403:
		return "not authenticated error (model: " + model + ")"
	case 402:
		return "estimated cost exceeds user quota (model: " + model + ", estimated cost: 8000.00, your quota: 98.21)"
	case 404:
		return "cannot find channel for model " + model
	case 429:
		return r.message + " (type: rate_limit_error)"
	case 400, 413, 422:
		return r.message + " (type: invalid_request_error)"
	case 500:
		return r.message + " (type: server_error)"
	}
	return "request failed with status code: " + strconv.Itoa(r.status)
}
