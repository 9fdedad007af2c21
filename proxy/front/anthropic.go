package front

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/anthropic"
)

// anthropicFront is the server side of Anthropic's messages. The lists of models share their
// paths with openai's.
var anthropicFront = Front{
	dialect: anthropic.Dialect,
	routes: func() []Route {
		return []Route{
			{Method: "POST", Path: "/v1/messages", Handle: (*call).ask},
			{Method: "POST", Path: "/v1/messages/count_tokens", Handle: func(c *call) { c.count(anthropic.Counting, anthropic.AppendCount) }},
		}
	},
	entry:  "/v1",
	base:   "/v1",
	owns:   "/v1/messages",
	claims: func(c *call) bool { return len(c.ctx.Request.Header.Peek("anthropic-version")) > 0 },
	instead: func(path string) string {
		if strings.HasPrefix(path, "/v1/messages/") {
			return "POST /v1/messages or POST /v1/messages/count_tokens"
		}
		return ""
	},

	token:    anthropicToken,
	limit:    func(s *settings) int { return int(s.Anthropic.MaxBody) },
	complete: func(c *call, req *translate.Request) { req.Beta = anthropicBeta(c) },
	newID:    func() string { return ids.New("msg_") },
	status:   anthropic.Status,
	repeats:  true,
	idHeader: "Request-Id",
	headers:  []string{"anthropic-version", "anthropic-beta"},
	mark:     "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	word:     `"message_stop"`,

	appendModels: func(dst []byte, names []string) []byte {
		list := make([]anthropic.Model, 0, len(names))
		for _, n := range names {
			list = append(list, anthropic.Model{ID: n, Name: n, Created: modelsSince})
		}
		return anthropic.AppendModels(dst, list)
	},
	appendModel: func(dst []byte, name string) []byte {
		return anthropic.AppendModel(dst, anthropic.Model{ID: name, Name: name, Created: modelsSince})
	},
}

// anthropicToken is the key in x-api-key, else in Authorization.
func anthropicToken(c *call) string {
	if key := asTyped(c.ctx.Request.Header.Peek("X-Api-Key")); len(key) > 0 {
		return string(key)
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
