package rest

import (
	"bytes"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Ask is what a client posts (docs/rules/rest.md 2.4). Only Message and User are
// always there.
type Ask struct {
	Message string // as it was sent; more than space
	User    string
	Group   string // empty: a private chat
	Preset  string // empty: the default one
	// Conversation is an extension: the id of the conversation to go on with,
	// instead of the one that User and Group lead to.
	Conversation string
}

// DecodeAsk reads the body of POST /api/chat or /api/chat/stream. Ids may be
// numbers, presetId stands for preset when that is absent, null and "" are as
// good as absent, unknown fields are ignored. The error is an *Error with
// CodeValidation whose message names the field. An id, or a preset, has at most 256
// characters.
func DecodeAsk(body []byte) (Ask, error) {
	o, ok := translate.ScanTopLevel(body, fields[:])
	for _, id := range fields[1:] {
		if m := o.Find(id); o.Valid && m != nil {
			if err := translate.BoundText(id, body[m.Start:m.End], translate.MaxID); err != nil {
				return Ask{}, err
			}
		}
	}
	if ok {
		if a, plain := plainAsk(body, o); plain {
			return a, nil
		}
	}
	return anyAsk(body)
}

// fields are those of an Ask: the message, and names.
var fields = [...]string{"message", "userId", "groupId", "preset", "presetId", "conversationId"}

// plainAsk reads a body of the usual kind, with nothing but strings in it that
// matter, without reflection.
func plainAsk(body []byte, o jsonx.Outline) (Ask, bool) {
	f := translate.Fields{Body: body, Outline: o}
	a := Ask{Message: f.Text("message"), User: f.Text("userId"), Group: f.Text("groupId"), Preset: f.Text("preset"), Conversation: f.Text("conversationId")}
	if other := f.Text("presetId"); a.Preset == "" {
		a.Preset = other
	}
	return a, !f.NeedsDecode && strings.TrimSpace(a.Message) != "" && strings.TrimSpace(a.User) != "" && a.bound() == nil
}

// bound returns an *Error where an id is too long.
func (a *Ask) bound() error {
	for _, id := range [...]struct{ field, value string }{
		{"userId", a.User}, {"groupId", a.Group}, {"preset", a.Preset}, {"conversationId", a.Conversation},
	} {
		if err := translate.Bound(id.field, id.value, translate.MaxID); err != nil {
			return err
		}
	}
	return nil
}

// anyAsk reads every body.
func anyAsk(body []byte) (Ask, error) {
	var w struct {
		Message      translate.Raw `json:"message"`
		User         translate.Raw `json:"userId"`
		Group        translate.Raw `json:"groupId"`
		Preset       translate.Raw `json:"preset"`
		PresetID     translate.Raw `json:"presetId"`
		Conversation translate.Raw `json:"conversationId"`
	}
	if err := json.Unmarshal(body, &w); err != nil || !jsonx.IsObject(body) {
		e := translate.NoObject("body", body)
		e.Cause = err
		return Ask{}, e
	}
	var p parser
	a := Ask{
		Message:      p.text("message", w.Message),
		User:         p.id("userId", w.User),
		Group:        p.id("groupId", w.Group),
		Preset:       p.text("preset", w.Preset),
		Conversation: p.text("conversationId", w.Conversation),
	}
	if a.Preset == "" {
		a.Preset = p.text("presetId", w.PresetID)
	}
	if p.err == nil {
		o, _ := jsonx.Members(body)
		p.err = translate.Foreign(&o, "message")
	}
	p.require("message", a.Message)
	p.require("userId", a.User)
	if p.err != nil {
		return Ask{}, p.err
	}
	if err := a.bound(); err != nil {
		return Ask{}, err
	}
	return a, nil
}

// Request fills req with a. Model stays empty: the preset decides.
func (a *Ask) Request(req *translate.Request) {
	*req = translate.Request{
		Dialect: "rest", User: a.User, Group: a.Group, Preset: a.Preset,
		Messages: []translate.Message{translate.TextMessage(translate.RoleUser, a.Message)},
	}
}

// AppendRequest appends the body that asks the newest message of req. The preset
// is the model. The user is the name of the remote memory, in which case there
// is no group; else req.User, else "dragoman". A message without text is an
// *Error with CodeValidation.
func AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	text := ""
	if m := req.Newest(); m != nil {
		text = req.Plain(m, false)
	}
	if strings.TrimSpace(text) == "" {
		return dst, req.Nothing()
	}
	req.DropUnsaid()
	if len(req.Messages) > 1 && !req.Memory.InSync {
		req.Drop("history")
	}
	user, group := req.User, req.Group
	if req.Memory.ID != "" {
		user, group = req.Memory.ID, ""
	}
	if user == "" {
		user = "dragoman"
	}
	dst = jsonx.AppendString(append(dst, `{"message":`...), text)
	dst = jsonx.AppendString(append(dst, `,"userId":`...), user)
	if group != "" {
		dst = jsonx.AppendString(append(dst, `,"groupId":`...), group)
	}
	if req.Model != "" {
		dst = jsonx.AppendString(append(dst, `,"preset":`...), req.Model)
	}
	return append(dst, '}'), nil
}

// parser reads single JSON values and keeps the first failure.
type parser struct{ err *translate.Error }

func (p *parser) fail(message string) {
	if p.err == nil {
		p.err = translate.Invalid(message)
	}
}

func (p *parser) require(field, value string) {
	if strings.TrimSpace(value) == "" {
		p.fail(field + " is required")
	}
}

func (p *parser) text(field string, raw translate.Raw) string {
	var s string
	if len(raw) > 0 && json.Unmarshal(raw, &s) != nil {
		p.fail(field + " must be a string")
	}
	return s
}

// id reads a string, or an integer as its decimal string, which is how chat
// networks with numbered users write their ids.
func (p *parser) id(field string, raw translate.Raw) string {
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return p.text(field, raw)
	}
	if !bytes.ContainsAny(raw, ".eE") {
		return string(raw)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 {
		p.fail(field + " must be a string")
		return ""
	}
	return strconv.FormatInt(int64(f), 10)
}
