package mockmodel

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// side serves what is not a question: lists of models and of conversations.
func (s *Server) side(ctx *fasthttp.RequestCtx, path string) {
	if rest, ok := strings.CutPrefix(path, "/v1/models"); ok && (rest == "" || rest[0] == '/') {
		s.models(ctx, rest)
		return
	}
	if rest, ok := strings.CutPrefix(path, "/api/conversations"); ok && (rest == "" || rest[0] == '/') {
		s.restTalks(ctx, pathOf(ctx, rest))
		return
	}
	switch verb, ok := strings.CutPrefix(strings.TrimPrefix(path, "/api"), "/conversation/"); {
	case ok && (verb == "list" || verb == "load" || verb == "delete" || verb == "clean"):
		s.chatTalks(ctx, verb)
	case path == "/health":
		ctx.SetBodyString("ok\n")
	case strings.HasPrefix(path, "/api/"):
		restRefuse(ctx, 404, "NOT_FOUND", "no such route")
	default:
		chatStatus(ctx, 404, `{"error":{"message":"Invalid URL (`+string(ctx.Method())+`)","type":"invalid_request_error","param":null,"code":null}}`)
	}
}

// pathOf returns rest as the client escaped it: fasthttp decodes the path, and
// an id may hold a slash.
func pathOf(ctx *fasthttp.RequestCtx, rest string) string {
	raw := string(ctx.URI().PathOriginal())
	if i := strings.Index(raw, "/conversations"); i >= 0 {
		return raw[i+len("/conversations"):]
	}
	return url.PathEscape(rest)
}

// offered are the models of the list; any other name works as well.
var offered = []string{"echo", "recall", "say", "long-100", "slow-100", "unicode", "image", "tool", "tools", "reason"}

// models serves GET /v1/models and /v1/models/:id, in OpenAI's form or, for a
// request with anthropic-version, in Anthropic's.
func (s *Server) models(ctx *fasthttp.RequestCtx, rest string) {
	anthropic := len(ctx.Request.Header.Peek("Anthropic-Version")) > 0
	key := bearer(ctx)
	if key == "" {
		key = string(ctx.Request.Header.Peek("X-Api-Key"))
	}
	switch {
	case !s.accepts(key) && anthropic:
		refuse(ctx, refusal{status: 401, message: "invalid x-api-key"}, &anthropicAnswer{id: s.id("mock")})
		return
	case !s.accepts(key):
		refuse(ctx, refusal{status: 401, message: "Incorrect API key provided."}, openaiAnswer{})
		return
	case !ctx.IsGet():
		refuse(ctx, refusal{status: 405, message: "Not allowed to " + string(ctx.Method()) + " on this path."}, openaiAnswer{})
		return
	}
	ctx.SetContentType("application/json")
	one := openaiModel
	if anthropic {
		one = anthropicModel
	}
	if len(rest) > 1 {
		ctx.SetBody(one(nil, rest[1:]))
		return
	}
	dst := []byte(`{"object":"list","data":[`)
	if anthropic {
		dst = []byte(`{"data":[`)
	}
	for i, name := range offered {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, name)
	}
	if anthropic {
		dst = quote(append(dst, `],"has_more":false,"first_id":`...), offered[0])
		dst = append(quote(append(dst, `,"last_id":`...), offered[len(offered)-1]), '}')
	} else {
		dst = append(dst, "]}"...)
	}
	ctx.SetBody(dst)
}

// modelsCreated is when the scripted models say they were made.
const modelsCreated = 1_767_225_600

func openaiModel(dst []byte, name string) []byte {
	dst = quote(append(dst, `{"id":`...), name)
	dst = strconv.AppendInt(append(dst, `,"object":"model","created":`...), modelsCreated, 10)
	return append(dst, `,"owned_by":"dragoman-mock"}`...)
}

func anthropicModel(dst []byte, name string) []byte {
	dst = quote(append(dst, `{"type":"model","id":`...), name)
	dst = quote(append(dst, `,"display_name":`...), name)
	return append(dst, `,"created_at":"2026-01-01T00:00:00Z"}`...)
}
