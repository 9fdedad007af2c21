package front

import (
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/gemini"
)

// geminiFront is the server side of Google's Gemini API.
var geminiFront = Front{
	dialect: gemini.Dialect,
	routes: func() []Route {
		return []Route{
			{Method: "POST", Path: "/v1beta/models/{path:*}", Handle: askGemini},
			{Method: "POST", Path: "/v1/models/{path:*}", Handle: askGeminiOrNobody},
			{Method: getHead, Path: "/v1beta/models", Handle: listModels},
			{Method: getHead, Path: "/v1beta/models/{id:*}", Handle: oneModel},
		}
	},
	entry: "",
	base:  "/v1beta",
	instead: func(string) string {
		return "POST /v1beta/models/{model}:generateContent, :streamGenerateContent or :countTokens, or GET /v1beta/models"
	},

	token:   geminiToken,
	limit:   func(s *settings) int { return int(s.Gemini.MaxBody) },
	newID:   func() string { return ids.New("") },
	status:  gemini.Status,
	headers: []string{"x-goog-api-key", "x-goog-api-client"},
	framing: func(req *translate.Request) *framing {
		if req.List {
			return jsonList
		}
		return eventStream
	},

	appendModels: gemini.AppendModels,
	appendModel:  gemini.AppendModel,
}

// jsonList is the framing of a JSON list that grows: white space says that it lives.
var jsonList = &framing{kind: "application/json; charset=utf-8", alive: []byte(" ")}

// askGemini answers what the path asks of a model.
func askGemini(c *call) {
	if gemini.Counts(c.path()) {
		c.count(gemini.Counting, gemini.AppendCount)
		return
	}
	c.ask()
}

// askGeminiOrNobody is askGemini for the paths that the openai front has for reading. A path that asks
// nothing of its model belongs to that front, which does not take the method.
func askGeminiOrNobody(c *call) {
	if !gemini.Asks(c.path()) {
		c.ctx.Response.Header.Set(fasthttp.HeaderAllow, strings.ReplaceAll(getHead, "+", ", "))
		wrongMethod(c)
		return
	}
	askGemini(c)
}

// geminiToken is the key in x-goog-api-key, else in the query, else in Authorization.
func geminiToken(c *call) string {
	if key := asTyped(c.ctx.Request.Header.Peek("X-Goog-Api-Key")); len(key) > 0 {
		return string(key)
	}
	if key := c.ctx.QueryArgs().Peek("key"); len(key) > 0 {
		return string(key)
	}
	return c.bearer()
}
