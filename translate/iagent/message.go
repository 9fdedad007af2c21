package iagent

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// The values of Message.ChatType.
const (
	Private = 1
	Group   = 2
)

// The values of Message.SenderType.
const (
	ByUser  = 1
	ByAgent = 2
)

// The values of Message.Code.
const (
	CodeOK      = 0
	CodeSilent  = 10 // received, decided not to reply
	CodeIllegal = 40 // the frame itself is bad
	CodeFailed  = 50 // the cause is in the content
)

// The values of Message.ContentType.
const (
	Text  = 1
	Image = 2
	Voice = 3
	Video = 4
)

// media names the content types as translate.PartMedia does.
var media = [...]string{Image: "image", Voice: "voice", Video: "video"}

// Message is one message in either direction (docs/rules/iagent.md 2).
type Message struct {
	ChatType    int    // Private or Group
	ID          string // msg_id
	Ref         string // ref_msg_id: the message that this one answers; empty: none
	Timestamp   int64  // Unix milliseconds
	Group       string // group_id
	SenderType  int    // ByUser or ByAgent
	Sender      string // sender_id
	Receiver    string // receiver_id: from a client, the agent that it means
	Code        int    // resp_code
	ContentType int    // Text, Image, Voice or Video
	// Content is the text; for a medium it is JSON text of an object with the
	// ids of files.
	Content string
}

// AppendMessage appends m as one frame, keys in the order of the documentation.
// Empty optional fields are left out.
func AppendMessage(dst []byte, m *Message) []byte {
	const names = 192 // and numbers
	n := len(m.ID) + len(m.Ref) + len(m.Group) + len(m.Sender) + len(m.Receiver) + len(m.Content)
	dst = slices.Grow(dst, names+n+n/16) // what needs more escapes grows once more
	dst = jsonx.AppendInt(append(dst, `{"chat_type":`...), int64(m.ChatType))
	dst = jsonx.AppendString(append(dst, `,"msg_id":`...), m.ID)
	dst = appendOptional(dst, `,"ref_msg_id":`, m.Ref)
	dst = jsonx.AppendInt(append(dst, `,"timestamp":`...), m.Timestamp)
	dst = appendOptional(dst, `,"group_id":`, m.Group)
	dst = jsonx.AppendInt(append(dst, `,"sender_type":`...), int64(m.SenderType))
	dst = jsonx.AppendString(append(dst, `,"sender_id":`...), m.Sender)
	dst = appendOptional(dst, `,"receiver_id":`, m.Receiver)
	dst = jsonx.AppendInt(append(dst, `,"resp_code":`...), int64(m.Code))
	dst = jsonx.AppendInt(append(dst, `,"content_type":`...), int64(m.ContentType))
	dst = jsonx.AppendString(append(dst, `,"content":`...), m.Content)
	return append(dst, '}')
}

func appendOptional(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return jsonx.AppendString(append(dst, key...), value)
}

// maxID is how many characters a msg_id may have (docs/rules/iagent.md 4.3).
const maxID = 128

// DecodeMessage reads and checks a frame from a client (docs/rules/iagent.md 4.3). The
// error, nil for a good frame, has CodeValidation and names the first field that is
// wrong; it is answered with [AppendIllegal]. The message then holds whatever could be
// read, for the answer to echo; ID stays empty when it is unusable. Code is not read:
// clients have nothing to say in it.
func DecodeMessage(frame []byte) (Message, *translate.Error) {
	w, err := fieldsOf(frame)
	if err != nil || !jsonx.IsObject(frame) {
		e := translate.NoObject("message", frame)
		e.Cause = err
		return Message{}, e
	}
	var c checker
	if w.ID == nil {
		o, _ := jsonx.Members(frame)
		c.err = translate.Foreign(&o, "msg_id")
	}
	m := Message{ID: c.text("msg_id", w.ID)}
	if utf8.RuneCountInString(m.ID) > maxID {
		m.ID = ""
		c.fail("msg_id must have at most 128 characters")
	}
	c.require("msg_id", m.ID != "")
	m.ChatType = c.oneOf("chat_type", w.ChatType, Private, Group)
	m.Group = c.id("group_id", w.Group)
	c.require("group_id", m.ChatType != Group || m.Group != "")
	m.SenderType = c.oneOf("sender_type", w.SenderType, ByUser, ByUser)
	m.Sender = c.id("sender_id", w.Sender)
	c.require("sender_id", m.Sender != "")
	m.Receiver = c.id("receiver_id", w.Receiver)
	m.Ref = c.id("ref_msg_id", w.Ref)
	m.Timestamp = c.time("timestamp", w.Timestamp)
	m.ContentType = c.oneOf("content_type", w.ContentType, Text, Video)
	m.Content = c.text("content", w.Content)
	c.require("content", m.Content != "")
	if m.ContentType != Text && c.err == nil && !namesFiles(m.Content) {
		c.fail("content must be JSON text with file_ids")
	}
	return m, c.err
}

// fields are the values of a frame, as they stand there.
type fields struct {
	ChatType    translate.Raw `json:"chat_type"`
	ID          translate.Raw `json:"msg_id"`
	Ref         translate.Raw `json:"ref_msg_id"`
	Timestamp   translate.Raw `json:"timestamp"`
	Group       translate.Raw `json:"group_id"`
	SenderType  translate.Raw `json:"sender_type"`
	Sender      translate.Raw `json:"sender_id"`
	Receiver    translate.Raw `json:"receiver_id"`
	ContentType translate.Raw `json:"content_type"`
	Content     translate.Raw `json:"content"`
}

// fieldsOf finds the fields of a frame. One that has other names than the
// documentation is left to encoding/json, which takes those of another case for the
// same and costs ten times as much.
func fieldsOf(frame []byte) (w fields, err error) {
	if jsonx.Each(frame, w.take) {
		return w, nil
	}
	var other fields
	err = json.Unmarshal(frame, &other)
	return other, err
}

// take notes the value of key, and reports whether that is one of the documentation.
func (w *fields) take(key, value []byte) bool {
	switch string(key) {
	case "chat_type":
		w.ChatType = value
	case "msg_id":
		w.ID = value
	case "ref_msg_id":
		w.Ref = value
	case "timestamp":
		w.Timestamp = value
	case "group_id":
		w.Group = value
	case "sender_type":
		w.SenderType = value
	case "sender_id":
		w.Sender = value
	case "receiver_id":
		w.Receiver = value
	case "content_type":
		w.ContentType = value
	case "content":
		w.Content = value
	case "resp_code":
	default:
		return false
	}
	return true
}

// Request fills req with m: who asks, where, which agent, and one part, text or
// an opaque medium.
func (m *Message) Request(req *translate.Request) {
	*req = translate.Request{Dialect: "iagent", User: m.Sender, Preset: m.Receiver}
	if m.ChatType == Group {
		req.Group = m.Group
	}
	part := translate.Part{Kind: translate.PartText, Text: m.Content}
	if m.ContentType > Text && m.ContentType < len(media) {
		part.Kind, part.MediaType = translate.PartMedia, media[m.ContentType]
	}
	req.Messages = []translate.Message{{Role: translate.RoleUser, Parts: []translate.Part{part}}}
}

// checker reads single JSON values and keeps the first failure.
type checker struct{ err *translate.Error }

func (c *checker) fail(message string) {
	if c.err == nil {
		c.err = translate.Invalid(message)
	}
}

func (c *checker) require(field string, ok bool) {
	if !ok {
		c.fail(field + " is required")
	}
}

// text reads a string; null is as good as absent.
func (c *checker) text(field string, raw translate.Raw) string {
	// Half the cost of a message would be the second look of encoding/json at
	// strings that stand for themselves: 8.5 µs against 5.
	if n := len(raw); n > 1 && raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : n-1])
	}
	var s string
	if len(raw) > 0 && json.Unmarshal(raw, &s) != nil {
		c.fail(field + " must be a string")
	}
	return s
}

// id reads a string of at most 256 characters; a longer one is read as none.
func (c *checker) id(field string, raw translate.Raw) string {
	s := ""
	long := translate.Outsized(raw, translate.MaxID)
	if !long {
		s = c.text(field, raw)
	}
	if long || translate.TooLong(s, translate.MaxID) {
		c.fail(field + " must have at most " + strconv.Itoa(translate.MaxID) + " characters")
		return ""
	}
	return s
}

// float reads a number; NaN when raw is none.
func float(raw translate.Raw) float64 {
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

// oneOf reads an integer from low to high; 0 when it is none of them.
func (c *checker) oneOf(field string, raw translate.Raw, low, high int) int {
	f := float(raw)
	if f != math.Trunc(f) || f < float64(low) || f > float64(high) {
		c.fail(field + " is none of its values")
		return 0
	}
	return int(f)
}

func (c *checker) time(field string, raw translate.Raw) int64 {
	f := float(raw)
	if !(f > 0 && f < 1<<53) {
		c.fail(field + " must be a number above 0")
		return 0
	}
	return int64(f)
}

// namesFiles reports whether content is JSON text of an object that names at
// least one file, in either revision's way (docs/rules/iagent.md 1). Ids are opaque.
func namesFiles(content string) bool {
	var w struct {
		Many translate.Raw `json:"file_ids"`
		One  translate.Raw `json:"file_id"`
	}
	if json.Unmarshal([]byte(content), &w) != nil || !w.Many.Null() && w.Many[0] != '[' {
		return false
	}
	for range jsonx.Elements(w.Many) {
		return true
	}
	return len(w.One) > 0 && string(w.One) != "null" && string(w.One) != `""`
}
