package mockmodel

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// geminiRequest is a question in Google's form, as far as a model looks at it.
type geminiRequest struct {
	System   geminiContent   `json:"systemInstruction"`
	Contents []geminiContent `json:"contents"`
	Tools    []struct {
		Functions []struct {
			Name string `json:"name"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
	Whole *geminiRequest `json:"generateContentRequest"` // of a count
}

type geminiContent struct {
	Role  string `json:"role"`
	Parts []struct {
		Text    string `json:"text"`
		Thought bool   `json:"thought"`
		Inline  *struct {
			MIME string `json:"mimeType"`
		} `json:"inlineData"`
		File *struct {
			MIME string `json:"mimeType"`
		} `json:"fileData"`
		Call *struct {
			Name string `json:"name"`
		} `json:"functionCall"`
		Response *struct {
			Name     string          `json:"name"`
			Response json.RawMessage `json:"response"`
		} `json:"functionResponse"`
	} `json:"parts"`
}

// geminiChat serves POST /v1beta/models/{model}:generateContent, :streamGenerateContent and
// :countTokens; a count is not recorded. target is the path behind /models/.
func (s *Server) geminiChat(ctx *fasthttp.RequestCtx, target string) {
	colon := strings.LastIndexByte(target, ':')
	if colon < 0 {
		s.geminiModel(ctx, target)
		return
	}
	model, verb := target[:colon], target[colon+1:]
	stream, count := verb == "streamGenerateContent", verb == "countTokens"
	key := geminiKey(ctx)
	form := &geminiAnswer{id: s.id(""), model: model, list: stream && string(ctx.QueryArgs().Peek("alt")) != "sse"}
	switch {
	case !ctx.IsPost() || !stream && !count && verb != "generateContent":
		refuse(ctx, refusal{status: 404, message: "Method not found."}, form)
		return
	case !s.accepts(key):
		refuse(ctx, refusal{status: 400, message: "API key not valid. Please pass a valid API key."}, form)
		return
	}
	var req geminiRequest
	wrong := ""
	if err := json.Unmarshal(ctx.PostBody(), &req); err != nil {
		wrong = "Invalid JSON payload received. " + err.Error()
	}
	if count && req.Whole != nil {
		req = *req.Whole
	}
	var turns []Turn
	if wrong == "" {
		turns, wrong = req.turns()
	}
	if wrong != "" {
		refuse(ctx, refusal{status: 400, message: wrong}, form)
		return
	}
	var tools []string
	for i := range req.Tools {
		for _, f := range req.Tools[i].Functions {
			tools = append(tools, f.Name)
		}
	}
	if sc := Plan(model, turns, tools); count {
		if sc.Fault == FaultFail {
			refuse(ctx, refusal{status: sc.Status, message: "it does not count"}, form)
			return
		}
		ctx.SetContentType("application/json")
		ctx.SetBodyString(`{"totalTokens":` + strconv.FormatInt(sc.Input, 10) + `}`)
		return
	}
	s.begin(s.seen(ctx, Seen{Dialect: "gemini", Model: model, Key: key, Stream: stream, Messages: turns, Tools: tools}))
	sc := s.count.apply(model, Plan(model, turns, tools))
	form.sc = &sc
	s.converse(ctx, sc, form, stream)
}

// geminiKey is the credential of a question.
func geminiKey(ctx *fasthttp.RequestCtx) string {
	if key := string(ctx.Request.Header.Peek("X-Goog-Api-Key")); key != "" {
		return key
	}
	if key := string(ctx.QueryArgs().Peek("key")); key != "" {
		return key
	}
	return bearer(ctx)
}

// turns reads the contents. wrong says what the vendor would refuse: no contents, an unknown
// role, another number of responses than there are calls.
func (r *geminiRequest) turns() (turns []Turn, wrong string) {
	if len(r.Contents) == 0 {
		return nil, "* GenerateContentRequest.contents: contents is not specified"
	}
	if t := r.System.turn("system"); t.Text != "" {
		turns = append(turns, t)
	}
	called := 0
	for i := range r.Contents {
		c := &r.Contents[i]
		role := "user"
		switch c.Role {
		case "user", "":
		case "model":
			role = "assistant"
		default:
			return nil, "Please use a valid role: user, model."
		}
		calls, results := c.calls()
		if (results > 0 || called > 0) && results != called {
			return nil, "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."
		}
		called = calls
		for j := range c.Parts {
			if p := c.Parts[j].Response; p != nil {
				turns = append(turns, Turn{Role: "tool", Text: geminiResult(p.Response)})
			}
		}
		if t := c.turn(role); results == 0 || t.Text != "" {
			turns = append(turns, t)
		}
	}
	if called > 0 {
		return nil, "Please ensure that function call turn is followed by a function response turn."
	}
	return turns, ""
}

func (c *geminiContent) calls() (calls, results int) {
	for i := range c.Parts {
		if c.Parts[i].Call != nil {
			calls++
		}
		if c.Parts[i].Response != nil {
			results++
		}
	}
	return calls, results
}

// turn is what a content says beside calls and their results.
func (c *geminiContent) turn(role string) Turn {
	t := Turn{Role: role}
	var texts []string
	for i := range c.Parts {
		p := &c.Parts[i]
		switch {
		case p.Text != "" && !p.Thought:
			texts = append(texts, p.Text)
		case p.Inline != nil && strings.HasPrefix(p.Inline.MIME, "image/"), p.File != nil && strings.HasPrefix(p.File.MIME, "image/"):
			t.Images++
		}
	}
	t.Text = strings.Join(texts, "\n")
	return t
}

// geminiResult is the text of a function's result: its output, else all of it.
func geminiResult(response json.RawMessage) string {
	var o struct {
		Output *string `json:"output"`
	}
	if json.Unmarshal(response, &o) == nil && o.Output != nil {
		return *o.Output
	}
	return string(response)
}

// geminiModel serves the list of models, and one of them.
func (s *Server) geminiModel(ctx *fasthttp.RequestCtx, name string) {
	if !s.accepts(geminiKey(ctx)) {
		refuse(ctx, refusal{status: 400, message: "API key not valid. Please pass a valid API key."}, &geminiAnswer{})
		return
	}
	one := func(dst []byte, name string) []byte {
		dst = quote(append(dst, `{"name":`...), "models/"+name)
		return append(dst, `,"supportedGenerationMethods":["generateContent","countTokens"]}`...)
	}
	ctx.SetContentType("application/json")
	if name != "" {
		ctx.SetBody(one(nil, name))
		return
	}
	dst := []byte(`{"models":[`)
	for i, name := range offered {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, name)
	}
	ctx.SetBody(append(dst, "]}"...))
}

// geminiAnswer writes GenerateContentResponse objects.
type geminiAnswer struct {
	growing
	sc    *Script
	id    string
	model string
	list  bool // a stream is a list, not events
	begun bool
	calls int
}

func (a *geminiAnswer) open(dst []byte) []byte {
	switch {
	case !a.list:
		dst = append(dst, "data: "...)
	case a.begun:
		dst = append(dst, ",\n"...)
	default:
		dst = append(dst, '[')
	}
	a.begun = true
	return dst
}

func (a *geminiAnswer) close(dst []byte) []byte {
	if a.list {
		return dst
	}
	return append(dst, "\n\n"...)
}

func (a *geminiAnswer) names(dst []byte) []byte {
	dst = quote(append(dst, `,"modelVersion": `...), a.model)
	return quote(append(dst, `,"responseId": `...), a.id)
}

func (a *geminiAnswer) start(dst []byte) []byte { return dst }

// piece writes one object with one part.
func (a *geminiAnswer) piece(dst []byte, part func([]byte) []byte) []byte {
	dst = append(a.open(dst), `{"candidates": [{"content": {"parts": [`...)
	dst = append(part(dst), `],"role": "model"},"index": 0}]`...)
	return a.close(append(a.names(dst), '}'))
}

// called writes the call that has grown.
func (a *geminiAnswer) called(dst []byte) []byte {
	c := a.grown()
	if c == nil {
		return dst
	}
	return a.piece(dst, func(dst []byte) []byte { return a.part(dst, c) })
}

// part writes a call. The first one of an answer is signed.
func (a *geminiAnswer) part(dst []byte, c *wholeCall) []byte {
	dst = quote(append(dst, `{"functionCall": {"id": `...), c.id)
	dst = quote(append(dst, `,"name": `...), c.name)
	dst = append(append(append(dst, `,"args": `...), c.args...), '}')
	if a.calls++; a.calls == 1 {
		dst = quote(append(dst, `,"thoughtSignature": `...), signature)
	}
	return append(dst, '}')
}

func (a *geminiAnswer) step(dst []byte, st *Step) []byte {
	if dst, ok := a.grow(dst, st, a.called); ok {
		return dst
	}
	return a.piece(a.called(dst), func(dst []byte) []byte { return geminiText(dst, st.Text, st.Kind == StepReasoning) })
}

func geminiText(dst []byte, text string, thought bool) []byte {
	dst = quote(append(dst, `{"text": `...), text)
	if thought {
		dst = append(dst, `,"thought": true`...)
	}
	return append(dst, '}')
}

var geminiFinish = [...]string{FinishStop: "STOP", FinishLength: "MAX_TOKENS", FinishTool: "STOP", FinishFilter: "SAFETY"}

func (a *geminiAnswer) end(dst []byte) []byte {
	dst = append(a.open(a.called(dst)), `{"candidates": [{"content": {"parts": [{"text": ""}],"role": "model"},"finishReason": "`...)
	dst = append(append(dst, geminiFinish[a.sc.Finish]...), `","index": 0}]`...)
	dst = a.close(append(a.names(a.usage(dst)), '}'))
	if a.list {
		dst = append(dst, ']')
	}
	return dst
}

func (a *geminiAnswer) usage(dst []byte) []byte {
	if a.sc.NoUsage {
		return dst
	}
	dst = strconv.AppendInt(append(dst, `,"usageMetadata": {"promptTokenCount": `...), a.sc.Input, 10)
	dst = strconv.AppendInt(append(dst, `,"candidatesTokenCount": `...), a.sc.Output, 10)
	dst = strconv.AppendInt(append(dst, `,"totalTokenCount": `...), a.sc.Input+a.sc.Output, 10)
	return append(dst, '}')
}

func (a *geminiAnswer) whole(dst []byte) []byte {
	text, reasoning, calls := a.sc.gather()
	dst = append(dst, `{"candidates": [{"content": {"parts": [`...)
	first := len(dst)
	comma := func(dst []byte) []byte {
		if len(dst) > first {
			dst = append(dst, ',')
		}
		return dst
	}
	if reasoning != "" {
		dst = geminiText(dst, reasoning, true)
	}
	if text != "" {
		dst = geminiText(comma(dst), text, false)
	}
	for i := range calls {
		dst = a.part(comma(dst), &calls[i])
	}
	dst = append(dst, `],"role": "model"},"finishReason": "`...)
	dst = append(append(dst, geminiFinish[a.sc.Finish]...), `","index": 0}]`...)
	return append(a.names(a.usage(dst)), '}')
}

func (a *geminiAnswer) broke(dst []byte, r refusal) []byte {
	dst = a.open(dst)
	list := a.list
	a.list = false
	dst = a.refuse(dst, r)
	if a.list = list; list {
		return append(dst, ']')
	}
	return a.close(dst)
}

// refuse writes an error, in a list where a list was asked for.
func (a *geminiAnswer) refuse(dst []byte, r refusal) []byte {
	message := r.message
	if r.context {
		message = "The input token count (" + strconv.FormatInt(a.sc.Input, 10) + ") exceeds the maximum number of tokens allowed (8)."
		if a.sc.Takes > 0 {
			message = strings.Replace(message, "(8)", "("+strconv.FormatInt(a.sc.Takes, 10)+")", 1)
		}
	}
	if a.list {
		dst = append(dst, '[')
	}
	dst = strconv.AppendInt(append(dst, `{"error": {"code": `...), int64(r.status), 10)
	dst = quote(append(dst, `,"message": `...), message)
	dst = quote(append(dst, `,"status": `...), geminiKind(r.status))
	switch {
	case strings.HasPrefix(message, "API key"):
		dst = append(dst, `,"details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo","reason": "API_KEY_INVALID","domain": "googleapis.com"}]`...)
	case r.retry > 0:
		dst = strconv.AppendInt(append(dst, `,"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo","retryDelay": "`...), int64(r.retry), 10)
		dst = append(dst, `s"}]`...)
	}
	dst = append(dst, "}}"...)
	if a.list {
		dst = append(dst, ']')
	}
	return dst
}

// geminiKind returns the word that belongs to a status.
func geminiKind(status int) string {
	switch status {
	case 401:
		return "UNAUTHENTICATED"
	case 403:
		return "PERMISSION_DENIED"
	case 404:
		return "NOT_FOUND"
	case 429:
		return "RESOURCE_EXHAUSTED"
	case 503:
		return "UNAVAILABLE"
	case 504:
		return "DEADLINE_EXCEEDED"
	}
	if status < 500 {
		return "INVALID_ARGUMENT"
	}
	return "INTERNAL"
}

func (a *geminiAnswer) settled() {}
