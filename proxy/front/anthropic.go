package front

import (
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/anthropic"
)

// anthropicFront is the server side of Anthropic's messages.
type anthropicFront struct{}

var anthropicWire = wire{dialect: anthropic.Dialect, status: anthropic.Status, mark: "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", word: `"message_stop"`}

// Routes implements [Front]. The model list shares its path with openai's.
func (anthropicFront) Routes(s *Server) []Route {
	return []Route{
		{"POST", "/v1/messages", func(c *call) {
			c.ask(&anthropicWire, anthropicToken(c), int(s.settings().Anthropic.MaxBody), newMessageID)
		}},
		{"POST", "/v1/messages/count_tokens", countTokens},
	}
}

// Bodies implements [Front].
func (anthropicFront) Bodies() bodyRule {
	return bodyRule{
		most:  func(s *settings) int { return int(s.Anthropic.MaxBody) },
		token: anthropicToken,
		refuse: func(c *call, err *translate.Error) {
			c.anthropicID()
			c.fail(&anthropicWire, err)
		},
	}
}

// countTokens answers POST /v1/messages/count_tokens.
func countTokens(c *call) {
	w := &anthropicWire
	req := &translate.Request{Dialect: w.dialect.Name(), Beta: anthropicBeta(c)}
	caller, model, err := c.asked(w, anthropicToken(c), int(c.s.settings().Anthropic.MaxBody), func() *translate.Error {
		if err := anthropic.Counting.DecodeRequest(req, c.ctx.Request.Body()); err != nil {
			return typed(err)
		}
		return nil
	}, req)
	if err != nil {
		c.fail(w, err)
		return
	}
	watched := conn.Of(c.ctx.Conn())
	ctx, leave := watched.Life(c.s.life, errClientGone)
	watched.Watch(watchAfter, leave)
	defer watched.Unwatch()
	q := &proxy.Question{ID: c.id, Front: w.dialect.Name(), Caller: caller, Model: model, Request: req, Address: c.address()}
	tokens, err := c.s.g.Count(ctx, q)
	if err != nil {
		c.failed(w, err)
		return
	}
	c.json(fasthttp.StatusOK, anthropic.AppendCount(nil, tokens))
}

// isAnthropic reports whether a request on a shared path speaks this dialect.
func isAnthropic(c *call) bool { return len(c.ctx.Request.Header.Peek("anthropic-version")) > 0 }

// anthropicToken is the key in x-api-key, else in Authorization.
func anthropicToken(c *call) string {
	if key := c.header("X-Api-Key"); key != "" {
		return key
	}
	return c.bearer()
}

// maxBeta bounds what is passed on of the header anthropic-beta, in bytes.
const maxBeta = 1 << 10

// anthropicBeta is the client's header anthropic-beta, empty where it is none that
// another header could carry.
func anthropicBeta(c *call) string {
	var all []string
	for _, v := range c.ctx.Request.Header.PeekAll("Anthropic-Beta") {
		all = append(all, string(v))
	}
	beta := strings.Join(all, ",")
	if len(beta) > maxBeta || strings.ContainsFunc(beta, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return beta
}

// requestIDHeader is where Anthropic's own libraries look for the id of a request.
const requestIDHeader = "Request-Id"

// anthropicID says the id of the request where this dialect has it, besides
// X-Request-Id.
func (c *call) anthropicID() { c.ctx.Response.Header.Set(requestIDHeader, c.id) }

func listAnthropic(c *call) {
	c.anthropicID()
	caller, err := c.identify(anthropicToken(c))
	if err != nil {
		c.fail(&anthropicWire, err)
		return
	}
	c.json(200, anthropic.AppendModels(nil, anthropicModels(c.s.g.Models(caller))))
}

func anthropicModels(names []string) []anthropic.Model {
	list := make([]anthropic.Model, 0, len(names))
	for _, n := range names {
		list = append(list, anthropic.Model{ID: n, Name: n, Created: modelsSince})
	}
	return list
}

func appendAnthropicModel(id string) []byte {
	return anthropic.AppendModel(nil, anthropic.Model{ID: id, Name: id, Created: modelsSince})
}
