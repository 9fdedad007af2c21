package chatnio

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// The types of client frames (docs/rules/chatnio.md 4). A frame of any other type is to be
// ignored.
const (
	TypeChat    = "chat"
	TypeStop    = "stop"
	TypeRestart = "restart"
	TypeShare   = "share"
	TypeMask    = "mask"
	TypeEdit    = "edit"
	TypeRemove  = "remove"
)

// DefaultContext is how many messages the model sees, the newest included, when
// the client does not say (docs/rules/chatnio.md 4).
const DefaultContext = 8

// Frame is one client frame on a connection that has been opened.
type Frame struct {
	Type    string // TypeChat when it was missing or empty
	Message string // its meaning depends on Type
	// The rest is set for TypeChat and TypeRestart only.
	Model         string
	Web           bool
	IgnoreContext bool
	Context       int              // as sent; 0 when absent
	Params        translate.Params // MaxTokens, TopK, Temperature, TopP and the penalties
}

// ping is the one frame that clients send to keep a connection alive.
const ping = `{"type":"ping"}`

// IsPing reports whether frame is the ping of docs/rules/chatnio.md 3.2, which is skipped
// wherever it comes and never answered. Only these 15 bytes are one.
func IsPing(frame []byte) bool { return string(frame) == ping }

type wireFrame struct {
	Type              translate.Raw `json:"type"`
	Message           translate.Raw `json:"message"`
	Model             translate.Raw `json:"model"`
	Web               translate.Raw `json:"web"`
	IgnoreContext     translate.Raw `json:"ignore_context"`
	Context           translate.Raw `json:"context"`
	MaxTokens         translate.Raw `json:"max_tokens"`
	TopK              translate.Raw `json:"top_k"`
	Temperature       translate.Raw `json:"temperature"`
	TopP              translate.Raw `json:"top_p"`
	PresencePenalty   translate.Raw `json:"presence_penalty"`
	FrequencyPenalty  translate.Raw `json:"frequency_penalty"`
	RepetitionPenalty translate.Raw `json:"repetition_penalty"`
}

// DecodeFrame reads a client frame. Booleans and numbers may come as strings
// (docs/rules/chatnio.md 8.6), null is as good as absent, unknown fields are ignored, and
// so are all fields that mean nothing to the frame's type. What is wrong beyond
// that is an *Error with CodeValidation that names the field; Type is then set
// as far as it was readable, so that the caller knows whether an answer is due.
func DecodeFrame(frame []byte) (Frame, error) {
	var w wireFrame
	if err := json.Unmarshal(frame, &w); err != nil || !jsonx.IsObject(frame) {
		e := translate.NoObject("frame", frame)
		e.Cause = err
		return Frame{}, e
	}
	var p parser
	f := Frame{Type: p.text("type", w.Type)}
	if f.Type == "" && p.err == nil {
		f.Type = TypeChat
	}
	switch f.Type {
	case TypeChat, TypeRestart:
		if f.Type == TypeChat && w.Message == nil {
			o, _ := jsonx.Members(frame)
			p.err = translate.Foreign(&o, "message")
		}
		p.question(&f, &w)
	case TypeMask, TypeShare, TypeEdit, TypeRemove:
		f.Message = p.text("message", w.Message)
	}
	if p.err != nil {
		return f, p.err
	}
	return f, nil
}

// Request fills req with f, a chat or restart frame: the message as one user
// message (none when it is empty), the window, the sampling, and Stream, since
// every answer is streamed. req.Raw stays nil.
func (f *Frame) Request(req *translate.Request) {
	*req = translate.Request{Dialect: "chatnio", Model: f.Model, Stream: true, Web: f.Web, Params: f.Params, Context: f.Context}
	if f.Context <= 0 {
		req.Context = DefaultContext
	}
	if f.IgnoreContext {
		req.Context = 1
	}
	if f.Message != "" {
		req.Messages = []translate.Message{translate.TextMessage(translate.RoleUser, f.Message)}
	}
}

// Edit splits the message of an edit frame, INDEX:new text. ok is false when it
// has another form.
func (f *Frame) Edit() (index int, text string, ok bool) {
	at, text, found := strings.Cut(f.Message, ":")
	index, err := strconv.Atoi(strings.TrimSpace(at))
	return index, text, found && err == nil && index >= 0
}

// Remove returns the index in a remove frame. ok is false when there is none.
func (f *Frame) Remove() (index int, ok bool) {
	index, err := strconv.Atoi(strings.TrimSpace(f.Message))
	return index, err == nil && index >= 0
}

// Mask reads the message of a mask frame: a JSON list of role and content.
// Messages of unknown roles are taken as the user's. ok is false when the text is
// no such list; the real server ignores it then.
func (f *Frame) Mask() (msgs []translate.Message, ok bool) { return DecodeMessages([]byte(f.Message)) }

// DecodeMessages reads a JSON list of role and content as [Frame.Mask] does. One of more
// messages than [jsonx.ItemsOf] its length is none.
func DecodeMessages(list []byte) (msgs []translate.Message, ok bool) {
	values, n, err := translate.Elements("", bytes.TrimSpace(list))
	if err != nil || !json.Valid(list) || n > jsonx.ItemsOf(len(list)) {
		return nil, false
	}
	msgs = make([]translate.Message, 0, n)
	parts := translate.NewParts(n)
	var m struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	for v := range values {
		m.Role, m.Content = "", ""
		if v[0] != '{' || json.Unmarshal(v, &m) != nil {
			return nil, false
		}
		role := translate.ParseRole(m.Role)
		if role != translate.RoleAssistant && role != translate.RoleSystem {
			role = translate.RoleUser
		}
		parts.Begin()
		parts.Add(translate.Part{Kind: translate.PartText, Text: m.Content})
		msgs = append(msgs, translate.Message{Role: role, Parts: parts.Of()})
	}
	return msgs, true
}

// AppendRequest appends the chat frame that puts the newest message of req. Its
// images become lines of text, and context is the number of all messages, so
// that nothing of the remote memory falls off (docs/rules/chatnio.md 9.2). The messages
// before it are the business of [AppendMask]; where the request may go on any
// socket, what that remembers is to be ignored. An empty message is an *Error with
// CodeValidation: the real server would never answer it.
func AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	text := ""
	if m := req.Newest(); m != nil {
		text = req.Plain(m, true)
	}
	if text == "" {
		return dst, req.Nothing()
	}
	req.DropUnsaid("max_tokens", "top_k", "temperature", "top_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "web")
	dropMasked(req)
	dst = append(dst, `{"type":"chat","message":`...)
	dst = jsonx.AppendString(dst, text)
	dst = append(dst, `,"web":`...)
	dst = jsonx.AppendBool(dst, req.Web)
	dst = append(dst, `,"model":`...)
	dst = jsonx.AppendString(dst, req.Model)
	dst = append(dst, `,"context":`...)
	dst = jsonx.AppendInt(dst, int64(len(req.Messages)))
	if req.Memory.Any {
		dst = append(dst, `,"ignore_context":true`...)
	}
	p := &req.Params
	dst = appendInt(dst, `,"max_tokens":`, p.MaxTokens)
	dst = appendInt(dst, `,"top_k":`, p.TopK)
	dst = appendFloat(dst, `,"temperature":`, p.Temperature)
	dst = appendFloat(dst, `,"top_p":`, p.TopP)
	dst = appendFloat(dst, `,"presence_penalty":`, p.PresencePenalty)
	dst = appendFloat(dst, `,"frequency_penalty":`, p.FrequencyPenalty)
	dst = appendFloat(dst, `,"repetition_penalty":`, p.RepetitionPenalty)
	return append(dst, '}'), nil
}

// dropMasked notes what [AppendMask] cannot say of the messages before the newest.
func dropMasked(req *translate.Request) {
	if req.Memory.InSync {
		return // it is not said
	}
	for i := range req.Messages[:len(req.Messages)-1] {
		for j := range req.Messages[i].Parts {
			switch req.Messages[i].Parts[j].Kind {
			case translate.PartReasoning:
				req.Drop("reasoning")
			case translate.PartMedia:
				req.Drop("media")
			}
		}
	}
}

// AppendMask appends the mask frame that gives msgs to the remote memory, before
// all that it holds. Contents are strings; tool calls and results become
// readable text (a result as the user's), and messages without any text are left
// out.
func AppendMask(dst []byte, msgs []translate.Message) []byte {
	var drops translate.Request // what the history loses is listed in Losses
	list := []byte{'['}
	for i := range msgs {
		text := drops.Plain(&msgs[i], true)
		if text == "" {
			continue
		}
		if len(list) > 1 {
			list = append(list, ',')
		}
		role := msgs[i].Role
		if role != translate.RoleAssistant && role != translate.RoleSystem {
			role = translate.RoleUser
		}
		list = appendTurn(list, role, text, false)
	}
	dst = append(dst, `{"type":"mask","message":`...)
	dst = jsonx.AppendString(dst, append(list, ']'))
	return append(dst, '}')
}

// appendTurn appends one message of a list. html says that <, > and & are escaped, as the
// real server does; in a mask, which is text within JSON, they would take seven times
// their size.
func appendTurn(dst []byte, role translate.Role, text string, html bool) []byte {
	dst = append(dst, `{"role":"`...)
	dst = append(dst, role.String()...)
	dst = append(dst, `","content":`...)
	if html {
		dst = jsonx.AppendHTMLString(dst, text)
	} else {
		dst = jsonx.AppendString(dst, text)
	}
	return append(dst, '}')
}

func appendInt(dst []byte, key string, n *int) []byte {
	if n == nil {
		return dst
	}
	return jsonx.AppendInt(append(dst, key...), int64(*n))
}

func appendFloat(dst []byte, key string, f *float64) []byte {
	if f == nil || math.IsNaN(*f) || math.IsInf(*f, 0) {
		return dst
	}
	return jsonx.AppendFloat(append(dst, key...), *f)
}
