package mockmodel

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"
)

// agentFrame is a message of the iagent dialect (docs/rules/iagent.md 2).
type agentFrame struct {
	ChatType    int     `json:"chat_type"`
	MsgID       string  `json:"msg_id"`
	Timestamp   float64 `json:"timestamp"`
	GroupID     string  `json:"group_id"`
	SenderType  int     `json:"sender_type"`
	SenderID    string  `json:"sender_id"`
	ReceiverID  string  `json:"receiver_id"`
	ContentType int     `json:"content_type"`
	Content     string  `json:"content"`
}

// agentSession is one iagent socket. Its reader owns it.
type agentSession struct {
	*socket
	token string
	path  string
	room  chan struct{} // bounds the answers that wait

	mu    sync.Mutex
	tails map[string]chan struct{} // of each busy conversation: closed when its last answer is out
}

// maxPending bounds the answers that one socket waits for.
const maxPending = 16_384

// agentSocket serves GET /ws/v1/chat.
func (s *Server) agentSocket(ctx *fasthttp.RequestCtx) {
	token := string(ctx.QueryArgs().Peek("app_token"))
	switch {
	case !s.accepts(token):
		code := "INVALID_TOKEN"
		if token == "" {
			code = "UNAUTHORIZED"
		}
		restRefuse(ctx, 401, code, "app_token is missing or wrong")
		return
	case !websocket.FastHTTPIsWebSocketUpgrade(ctx):
		ctx.Response.Header.Set("Upgrade", "websocket")
		restRefuse(ctx, 426, "UPGRADE_REQUIRED", "this path wants a WebSocket")
		return
	}
	path := string(ctx.Path())
	s.upgrade(ctx, func(so *socket) (func([]byte) bool, func()) {
		x := &agentSession{socket: so, token: token, path: path, room: make(chan struct{}, maxPending), tails: make(map[string]chan struct{})}
		return x.read, func() {}
	})
}

// read takes one message: every one that is legal gets at least one reply.
func (x *agentSession) read(msg []byte) bool {
	var f agentFrame
	err := json.Unmarshal(msg, &f)
	wrong := f.wrong()
	if err != nil {
		wrong = "the body is not as documented: " + err.Error()
	}
	if wrong != "" {
		return x.write(appendFrame(nil, x.reply(&f, 40, wrong)))
	}
	model := f.ReceiverID
	if model == "" {
		model = "echo"
	}
	key := f.conversation(x.token)
	if sp := parse(model); sp.waits() || x.waiting(key) {
		x.later(f, model, key, string(msg))
		return true
	}
	return x.answer(&f, model, key, string(msg))
}

// waits reports whether an answer takes time.
func (sp *spec) waits() bool {
	switch sp.script.Fault {
	case FaultHang, FaultStall, FaultStallMid:
		return true
	}
	return sp.first > 0 || sp.gap > 0
}

func (x *agentSession) waiting(key string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.tails[key] != nil
}

// later answers on a goroutine of its own, after the answers of the same
// conversation that are under way (docs/rules/iagent.md 4.7).
func (x *agentSession) later(f agentFrame, model, key, body string) {
	x.room <- struct{}{}
	mine := make(chan struct{})
	x.mu.Lock()
	before := x.tails[key]
	x.tails[key] = mine
	x.mu.Unlock()
	x.work.Go(func() {
		defer x.s.survive()
		defer func() {
			x.mu.Lock()
			if x.tails[key] == mine {
				delete(x.tails, key)
			}
			x.mu.Unlock()
			close(mine)
			<-x.room
		}()
		if before != nil {
			<-before
		}
		x.answer(&f, model, key, body)
	})
}

// answer replies to f. It returns false when the connection is of no more use.
func (x *agentSession) answer(f *agentFrame, model, key, body string) bool {
	turn := Turn{Role: "user", Text: f.Content}
	if f.ContentType == 2 {
		turn.Images = f.files()
	}
	turns := append(x.s.agents.load(key), turn)
	seen := Seen{Dialect: "iagent", Path: x.path, Model: model, Key: x.token, Messages: turns}
	if !x.s.opts.NoRecord {
		seen.Body = body
	}
	x.s.begin(seen)
	sc := x.s.count.apply(model, Plan(model, turns, nil))
	sc.textOnly()
	if d := sc.delay(); d > 0 && !x.wait(d, nil) {
		x.s.finish(true)
		return false
	}
	if sc.good() && !sc.Forget { // before the asker can know
		x.s.agents.add(key, turn, Turn{Role: "assistant", Text: sc.Text()})
	}
	out := x.send(f, &sc)
	x.s.finish(out.left)
	return out.open
}

// outcome is what became of a reply.
type outcome struct {
	open bool // the connection lives on
	left bool // the peer did not wait for it
}

// wrote is the outcome of writing payload.
func (x *agentSession) wrote(payload []byte) outcome {
	ok := x.write(appendFrame(nil, payload))
	return outcome{open: ok, left: !ok}
}

// send replies as the script has it.
func (x *agentSession) send(f *agentFrame, sc *Script) outcome {
	switch sc.Fault {
	case FaultFail:
		code, text := agentRefusal(sc.refusal())
		return x.wrote(x.reply(f, code, text))
	case FaultError200, FaultErrorMid:
		return x.wrote(x.reply(f, 50, "MODEL_ERROR: "+sc.refusal().message))
	case FaultDrop, FaultRefuse:
		x.c.cut()
		return outcome{}
	case FaultCut, FaultCut0:
		x.cut()
		return outcome{}
	case FaultBlank:
		x.bye()
		return outcome{}
	case FaultHang, FaultStall, FaultStallMid:
		x.wait(-1, nil)
		return outcome{left: true}
	case FaultGarbage:
		return x.wrote([]byte(nonsense)) // it says nothing of a question, which stays open
	case FaultGarbageMid:
		return x.wrote(append(quote([]byte(`{"ref_msg_id":`), f.MsgID), `,"resp_code":[],"content":null}`...))
	case FaultSilent:
		return x.wrote(x.reply(f, 10, ""))
	}
	text := sc.Text()
	out := x.wrote(x.reply(f, 0, text))
	switch sc.Fault {
	case FaultDouble:
		return x.wrote(x.reply(f, 0, text))
	case FaultNoEnd:
		x.bye()
		out.open = false
	}
	return out
}

// agentRefusal gives 40 for a status of 400, otherwise 50 and a code.
func agentRefusal(r refusal) (code int, text string) {
	if r.status == 400 && !r.context {
		return 40, r.message
	}
	text = restCode(r.status) + ": " + r.message
	if r.retry > 0 {
		text = restCode(r.status) + ": retry after " + strconv.Itoa(r.retry) + "s"
	}
	return 50, text
}

// wrong says what is illegal in f (docs/rules/iagent.md 4.3).
func (f *agentFrame) wrong() string {
	switch {
	case f.MsgID == "":
		return "msg_id is missing"
	case f.ChatType != 1 && f.ChatType != 2:
		return "chat_type must be 1 or 2"
	case f.ChatType == 2 && f.GroupID == "":
		return "group_id is missing"
	case f.SenderType != 1:
		return "sender_type must be 1"
	case f.SenderID == "":
		return "sender_id is missing"
	case f.Timestamp <= 0:
		return "timestamp is missing"
	case f.ContentType < 1 || f.ContentType > 4:
		return "content_type must be 1 to 4"
	case f.Content == "":
		return "content is missing"
	case f.ContentType > 1 && f.files() == 0:
		return "content must hold file_ids"
	}
	return ""
}

// files returns how many files the content names.
func (f *agentFrame) files() int {
	var c struct {
		IDs []string        `json:"file_ids"`
		ID  json.RawMessage `json:"file_id"`
	}
	if json.Unmarshal([]byte(f.Content), &c) != nil {
		return 0
	}
	if len(c.IDs) == 0 && len(c.ID) > 0 {
		return 1
	}
	return len(c.IDs)
}

// conversation is the key of what the model remembers.
func (f *agentFrame) conversation(token string) string {
	who := f.SenderID
	if f.ChatType == 2 {
		who = f.GroupID
	}
	return strings.Join([]string{token, strconv.Itoa(f.ChatType), who, f.ReceiverID}, "\x00")
}

// reply is the frame that answers f (docs/rules/iagent.md 4.4).
func (x *agentSession) reply(f *agentFrame, code int, text string) []byte {
	kind, agent := f.ChatType, f.ReceiverID
	if kind != 2 {
		kind = 1
	}
	if agent == "" {
		agent = "echo"
	}
	dst := strconv.AppendInt([]byte(`{"chat_type":`), int64(kind), 10)
	dst = quote(append(dst, `,"msg_id":`...), x.s.id("r-mock"))
	if f.MsgID != "" {
		dst = quote(append(dst, `,"ref_msg_id":`...), f.MsgID)
	}
	dst = strconv.AppendInt(append(dst, `,"timestamp":`...), time.Now().UnixMilli(), 10)
	if kind == 2 && f.GroupID != "" {
		dst = quote(append(dst, `,"group_id":`...), f.GroupID)
	}
	dst = quote(append(dst, `,"sender_type":2,"sender_id":`...), agent)
	if f.SenderID != "" {
		dst = quote(append(dst, `,"receiver_id":`...), f.SenderID)
	}
	dst = strconv.AppendInt(append(dst, `,"resp_code":`...), int64(code), 10)
	dst = quote(append(dst, `,"content_type":1,"content":`...), text)
	return append(dst, '}')
}
