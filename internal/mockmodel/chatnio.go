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
