package front

import (
	"time"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/openai"
)

// openaiFront is the server side of OpenAI's chat completions.
type openaiFront struct{}

var openaiWire = wire{dialect: openai.Dialect, status: openai.Status, mark: "data: [DONE]\n\n", word: "[DONE]"}

// Routes implements [Front].
func (openaiFront) Routes(s *Server) []Route {
	return []Route{
		{"POST", "/v1/chat/completions", func(c *call) {
			c.ask(&openaiWire, c.bearer(), int(s.settings().OpenAI.MaxBody), newCompletionID)
		}},
		{"GET", "/v1/models", listModels},
		{"GET", "/v1/models/{id:*}", oneModel},
	}
}

// Bodies implements [Front].
func (openaiFront) Bodies() bodyRule {
	return bodyRule{
		most:   func(s *settings) int { return int(s.OpenAI.MaxBody) },
		token:  (*call).bearer,
		refuse: func(c *call, err *translate.Error) { c.fail(&openaiWire, err) },
	}
}

// newCompletionID and newMessageID make an answer's id as the vendors' look.
func newCompletionID() string { return ids.New("chatcmpl-") }
func newMessageID() string    { return ids.New("msg_") }

// ask answers a question of a stateless front; newID makes the answer's id.
func (c *call) ask(w *wire, token string, limit int, newID func() string) {
	now := time.Now()
	req := &translate.Request{Dialect: w.dialect.Name()}
	if w == &anthropicWire {
		req.Beta = anthropicBeta(c)
	}
	var peeked translate.Dialect
	caller, model, err := c.asked(w, token, limit, func() (err *translate.Error) {
		peeked, err = c.read(w, req)
		return err
	}, req)
	if err != nil {
		c.fail(w, err)
		return
	}
	if !c.unique(w, caller) {
		return
	}
	c.answer(w, &proxy.Question{
		Front: w.dialect.Name(), Caller: caller, Model: model, Received: now, Request: req, Peeked: peeked,
	}, translate.Head{NewID: newID, Created: now.UnixMilli(), RequestID: c.id})
}

// asked says who asks which model, and has read fill req from the body, which may have
// limit bytes. The order of what is checked is the same for all: the credential, the body, the model.
func (c *call) asked(w *wire, token string, limit int, read func() *translate.Error, req *translate.Request) (*proxy.Caller, *proxy.Model, *translate.Error) {
	if w == &anthropicWire {
		c.anthropicID()
	}
	address := ""
	if token == "" {
		address = c.address()
	}
	caller, err := c.s.g.Identify(token, address)
	if err != nil && token != "" {
		err = c.s.g.BadKey(err, c.address())
	}
	if err == nil && caller.Anonymous {
		err = c.misnamed()
	}
	if err == nil {
		err = c.checkBody(limit)
	}
	if err == nil {
		err = read()
	}
	if err != nil {
		return nil, nil, err
	}
	model, err := c.s.g.Resolve(caller, req.Model)
	if err != nil {
		return nil, nil, unknownModel(err)
	}
	return caller, model, nil
}

// longBody is the length from which on a client that leaves ends the reading of its body.
const longBody = 1 << 20

// read is peek for the body of c.
func (c *call) read(w *wire, req *translate.Request) (translate.Dialect, *translate.Error) {
	body := c.ctx.Request.Body()
	if len(body) < longBody {
		return peek(w.dialect, req, body)
	}
	watched := conn.Of(c.ctx.Conn())
	ctx, leave := watched.Life(c.s.life, errClientGone)
	watched.Watch(watchAfter, leave)
	defer watched.Unwatch()
	req.Stop = func() bool { return ctx.Err() != nil }
	peeked, err := peek(w.dialect, req, body)
	req.Stop = nil
	return peeked, err
}

// peek fills req as far as it must be known if the question is passed on. The
// dialect that it returns, if any, is to decode the rest where it is not.
func peek(d translate.Dialect, req *translate.Request, body []byte) (translate.Dialect, *translate.Error) {
	if p, ok := d.(translate.Peeker); ok && p.Peek(req, body) {
		return d, nil
	}
	if err := d.DecodeRequest(req, body); err != nil {
		return nil, typed(err)
	}
	return nil, nil
}

// unknownModel hides, as the vendors do, whether a model does not exist or is not
// for this caller (docs/rules/faults.md 6).
func unknownModel(err *translate.Error) *translate.Error {
	if err.Code != translate.CodePermission {
		return err
	}
	e := *err
	e.Code = translate.CodeModelNotFound
	return &e
}

// modelsSince is the date that model lists give for every model: the configuration
// says none, and clients only sort by it.
const modelsSince = 1_700_000_000_000

// listModels answers GET /v1/models in the dialect that asks: it is anthropic's
// when the request says which version of that it speaks.
func listModels(c *call) {
	if isAnthropic(c) {
		listAnthropic(c)
		return
	}
	caller, err := c.identify(c.bearer())
	if err != nil {
		c.fail(&openaiWire, err)
		return
	}
	c.json(200, openai.AppendModels(nil, openaiModels(c.s.g.Models(caller))))
}

func openaiModels(names []string) []openai.Model {
	list := make([]openai.Model, 0, len(names))
	for _, n := range names {
		list = append(list, openai.Model{ID: n, Created: modelsSince, Owner: "dragoman"})
	}
	return list
}

func oneModel(c *call) {
	w, token := &openaiWire, c.bearer()
	if isAnthropic(c) {
		w, token = &anthropicWire, anthropicToken(c)
		c.anthropicID()
	}
	caller, err := c.identify(token)
	if err != nil {
		c.fail(w, err)
		return
	}
	id, _ := c.ctx.UserValue("id").(string)
	if _, err := c.s.g.Resolve(caller, id); id == "" || err != nil {
		c.fail(w, &translate.Error{Code: translate.CodeModelNotFound, Message: "no such model"})
		return
	}
	if isAnthropic(c) {
		c.json(200, appendAnthropicModel(id))
		return
	}
	c.json(200, openai.AppendModel(nil, openai.Model{ID: id, Created: modelsSince, Owner: "dragoman"}))
}
