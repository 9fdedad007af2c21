package front

import (
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/ollama"
)

// ollamaFront is the server side of Ollama's own API: docs/rules/ollama.md. On the shared port POST
// /api/chat is rest's, which gives it a body that is a chat of Ollama's.
var ollamaFront = Front{
	dialect: ollama.Dialect,
	routes: func() []Route {
		return []Route{
			{Method: "POST", Path: ollamaBase + "/api/chat", Handle: askOllama},
			{Method: "POST", Path: ollamaBase + "/api/generate", Handle: askOllama},
			{Method: getHead, Path: ollamaBase + "/api/tags", Handle: listModels},
			{Method: "POST", Path: ollamaBase + "/api/show", Handle: showModel},
			{Method: getHead, Path: ollamaBase + "/api/version", Handle: ollamaVersion},
			{Method: getHead, Path: ollamaBase + "/api/ps", Handle: ollamaRunning},
			{Method: getHead, Path: ollamaBase, Handle: ollamaRuns},
			{Method: "POST", Path: "/api/generate", Handle: askOllama},
			{Method: getHead, Path: "/api/tags", Handle: listModels},
			{Method: "POST", Path: "/api/show", Handle: showModel},
			{Method: getHead, Path: "/api/version", Handle: ollamaVersion},
		}
	},
	entry: ollamaBase,
	base:  ollamaBase + "/api",
	instead: func(string) string {
		return "POST /api/chat or /api/generate, GET /api/tags, POST /api/show or GET /api/version: models are not kept here, and embeddings are not made"
	},

	token:    (*call).bearer,
	limit:    func(s *settings) int { return int(s.Ollama.MaxBody) },
	status:   ollama.Status,
	anyType:  true,
	times:    true,
	untagged: ollama.Untagged,
	framing:  func(*translate.Request) *framing { return jsonLines },

	appendModels: ollama.AppendModels,
	appendModel:  ollama.AppendModel,
}

// besideOllama says where there is what a client of Ollama's asks for at a path that the shared port
// has not got; empty: it is none of Ollama's.
func besideOllama(path string) string {
	switch name, _ := strings.CutPrefix(path, "/api/"); name {
	case "embed", "embeddings":
		return "embeddings are made at POST /v1/embeddings, and Ollama's other paths are below " + ollamaBase
	case "ps":
		return "use GET " + ollamaBase + path
	case "pull", "push", "create", "copy", "delete":
		return "models are not kept here, and Ollama's other paths are below " + ollamaBase
	}
	return ""
}

// jsonLines is the framing of an answer that is a JSON object on each line: white space before one
// says that it lives. A line of its own would be one that clients cannot read.
var jsonLines = &framing{kind: "application/x-ndjson", alive: []byte(" ")}

// shortLoad is how long a body may be that asks for nothing but that a model is loaded.
const shortLoad = 4 << 10

// askOllama answers a chat or a prompt, or a question that asks nothing.
func askOllama(c *call) {
	if body := c.ctx.Request.Body(); len(body) <= shortLoad {
		asked := &translate.Request{}
		if err := c.pathOf(asked); err == nil {
			if load, ok := ollama.LoadOf(body, asked.Prompt); ok {
				c.load(&load)
				return
			}
		}
	}
	c.ask()
}

// load answers who has a model loaded, or taken out of memory: that is the channel's affair.
func (c *call) load(l *ollama.Load) {
	_, _, err := c.asked(&translate.Request{Model: l.Model}, func() *translate.Error { return nil })
	if err != nil {
		c.fail(err)
		return
	}
	c.json(fasthttp.StatusOK, append(l.Append(nil, time.Now().UnixMilli()), '\n'))
}

// showModel answers POST /api/show.
func showModel(c *call) {
	req := &translate.Request{}
	_, _, err := c.asked(req, func() *translate.Error {
		name, wrong := ollama.ModelOf(c.ctx.Request.Body())
		if wrong != nil {
			return typed(wrong)
		}
		req.Model = name
		return nil
	})
	if err != nil {
		c.fail(err)
		return
	}
	c.json(fasthttp.StatusOK, ollama.AppendModel(nil, req.Model))
}

// ollamaVersion answers GET /api/version, which clients ask for before they have a key.
func ollamaVersion(c *call) { c.json(fasthttp.StatusOK, ollama.AppendVersion(nil)) }

// ollamaRunning answers GET /api/ps: no model is kept in memory here.
func ollamaRunning(c *call) {
	if _, err := c.identify(c.front.token(c)); err != nil {
		c.fail(err)
		return
	}
	c.json(fasthttp.StatusOK, []byte(`{"models":[]}`))
}

// ollamaRuns answers who looks whether a server of Ollama's is there, which has these words.
func ollamaRuns(c *call) {
	c.ctx.SetContentType("text/plain; charset=utf-8")
	c.ctx.SetBodyString("Ollama is running")
}
