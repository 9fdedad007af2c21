package mockmodel

import (
	"cmp"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"
)

// restKey returns the caller's key, and false after refusing a wrong one.
func (s *Server) restKey(ctx *fasthttp.RequestCtx) (string, bool) {
	key := bearer(ctx)
	if key == "" {
		key = string(ctx.Request.Header.Peek("X-Api-Key"))
	}
	if s.accepts(key) {
		return key, true
	}
	code := "INVALID_TOKEN"
	if key == "" {
		code = "UNAUTHORIZED"
	}
	restRefuse(ctx, 401, code, "the token is missing or wrong")
	return "", false
}

func restRefuse(ctx *fasthttp.RequestCtx, status int, code, text string) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json")
	ctx.SetBody(restError(nil, code, text))
}

// restError appends the error envelope of docs/rules/rest.md 2.3.
func restError(dst []byte, code, text string) []byte {
	dst = quote(append(dst, `{"success":false,"error":`...), text)
	return append(quote(append(dst, `,"code":`...), code), '}')
}

// restChat serves POST /api/chat and /api/chat/stream.
func (s *Server) restChat(ctx *fasthttp.RequestCtx, stream bool) {
	if !ctx.IsPost() {
		restRefuse(ctx, 405, "METHOD_NOT_ALLOWED", "use POST")
		return
	}
	key, ok := s.restKey(ctx)
	if !ok {
		return
	}
	var req struct {
		Message string `json:"message"`
		UserID  string `json:"userId"`
		GroupID string `json:"groupId"`
		Preset  string `json:"preset"`
	}
	if err := json.Unmarshal(ctx.PostBody(), &req); err != nil {
		restRefuse(ctx, 400, "VALIDATION_ERROR", "the body is not as documented: "+err.Error())
		return
	}
	if strings.TrimSpace(req.Message) == "" || req.UserID == "" {
		restRefuse(ctx, 400, "VALIDATION_ERROR", "userId and message are required")
		return
	}
	id, turns := s.rest.of(restWho{key, req.GroupID, req.UserID}, s.id("conv_mock"))
	turns = append(turns, Turn{Role: "user", Text: req.Message})
	s.begin(s.seen(ctx, Seen{Dialect: "rest", Model: req.Preset, Key: key, Stream: stream, Messages: turns}))
	sc := s.count.apply(req.Preset, Plan(req.Preset, turns, nil))
	sc.textOnly()
	a := &restAnswer{sc: &sc, id: id, done: func() {
		s.rest.with(key, id, func(t *restTalk) {
			if sc.Forget {
				return
			}
			t.add(turns[len(turns)-1], Turn{Role: "assistant", Text: sc.Text()})
		})
	}}
	s.converse(ctx, sc, a, stream)
}

// textOnly makes of sc what a dialect can say that knows only text: calls are
// written out, reasoning is dropped.
func (sc *Script) textOnly() {
	kept := sc.Steps[:0:0]
	var wait time.Duration
	for i, st := range sc.Steps {
		switch st.Kind {
		case StepReasoning:
			wait += st.Wait
			continue
		case StepCall:
			st.Text = st.Name + "("
		case StepArgs:
			if i+1 == len(sc.Steps) || sc.Steps[i+1].Kind != StepArgs {
				st.Text += ")"
			}
		}
		st.Kind, st.Wait = StepText, st.Wait+wait
		wait = 0
		kept = append(kept, st)
	}
	sc.Steps = kept
}

// restAnswer writes an answer as docs/rules/rest.md 2.4 and 3.1 have it.
type restAnswer struct {
	sc   *Script
	id   string
	done func()
}

func (a *restAnswer) start(dst []byte) []byte {
	dst = quote(append(dst, `data: {"type":"start","conversationId":`...), a.id)
	return append(dst, "}\n\n"...)
}

func (a *restAnswer) step(dst []byte, st *Step) []byte {
	dst = quote(append(dst, `data: {"type":"content","text":`...), st.Text)
	return append(dst, "}\n\n"...)
}

func (a *restAnswer) end(dst []byte) []byte {
	dst = append(dst, `data: {"type":"end","usage":`...)
	return append(a.usage(dst), "}\n\n"...)
}

func (a *restAnswer) usage(dst []byte) []byte {
	if a.sc.NoUsage {
		return append(dst, "{}"...)
	}
	dst = append(dst, `{"promptTokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Input, 10)
	dst = append(dst, `,"completionTokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Output, 10)
	dst = append(dst, `,"totalTokens":`...)
	dst = strconv.AppendInt(dst, a.sc.Input+a.sc.Output, 10)
	return append(dst, '}')
}

func (a *restAnswer) whole(dst []byte) []byte {
	dst = quote(append(dst, `{"success":true,"data":{"response":`...), a.sc.Text())
	dst = quote(append(dst, `,"conversationId":`...), a.id)
	dst = append(dst, `,"usage":`...)
	return append(a.usage(dst), "}}"...)
}

func (a *restAnswer) broke(dst []byte, r refusal) []byte {
	dst = quote(append(dst, `data: {"type":"error","error":`...), r.message)
	return append(quote(append(dst, `,"code":`...), "MODEL_ERROR"), "}\n\n"...)
}

func (a *restAnswer) refuse(dst []byte, r refusal) []byte {
	return restError(dst, restCode(r.status), r.message)
}

func (a *restAnswer) settled() { a.done() }

// restCode returns the code that belongs to a status (docs/rules/rest.md 2.6).
func restCode(status int) string {
	switch status {
	case 401:
		return "INVALID_TOKEN"
	case 403:
		return "PERMISSION_DENIED"
	case 404:
		return "PRESET_NOT_FOUND"
	case 413:
		return "PAYLOAD_TOO_LARGE"
	case 429:
		return "RATE_LIMITED"
	case 502, 504, 529:
		return "MODEL_ERROR"
	case 503:
		return "CHANNEL_UNAVAILABLE"
	}
	if status < 500 {
		return "VALIDATION_ERROR"
	}
	return "INTERNAL_ERROR"
}

// restTalks serves /api/conversations and what is below it; rest is the path
// after that.
func (s *Server) restTalks(ctx *fasthttp.RequestCtx, rest string) {
	key, ok := s.restKey(ctx)
	if !ok {
		return
	}
	ctx.SetContentType("application/json")
	if rest == "" {
		s.restList(ctx, key)
		return
	}
	id, verb, _ := strings.Cut(rest[1:], "/")
	if decoded, err := url.PathUnescape(id); err == nil {
		id = decoded
	}
	found := false
	switch {
	case ctx.IsGet() && verb == "":
		found = s.rest.with(key, id, func(t *restTalk) { ctx.SetBody(t.load()) })
	case ctx.IsDelete() && verb == "":
		found = s.rest.remove(key, id)
		ctx.SetBodyString(`{"success":true}`)
	case ctx.IsPost() && verb == "clear":
		found = s.rest.with(key, id, func(t *restTalk) { t.Turns, t.Times, t.Updated = nil, nil, time.Now().UnixMilli() })
		ctx.SetBodyString(`{"success":true,"message":"Context cleared"}`)
	default:
		restRefuse(ctx, 405, "METHOD_NOT_ALLOWED", "not on this path")
		return
	}
	if !found {
		restRefuse(ctx, 404, "CONVERSATION_NOT_FOUND", "there is no such conversation")
	}
}

// restList serves the list, newest first.
func (s *Server) restList(ctx *fasthttp.RequestCtx, key string) {
	args := ctx.QueryArgs()
	user, group := string(args.Peek("userId")), string(args.Peek("groupId"))
	limit := args.GetUintOrZero("limit")
	if limit == 0 {
		limit = 50
	}
	offset := args.GetUintOrZero("offset")
	s.rest.mu.Lock()
	defer s.rest.mu.Unlock()
	var found []*restTalk
	for _, t := range s.rest.byID {
		if t.key == key && (user == "" || t.user == user) && (group == "" || t.group == group) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *restTalk) int {
		return cmp.Or(cmp.Compare(b.Updated, a.Updated), cmp.Compare(a.ID, b.ID))
	})
	total := len(found)
	found = found[min(offset, total):]
	found = found[:min(limit, 100, len(found))]
	dst := []byte(`{"success":true,"data":{"conversations":[`)
	for i, t := range found {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = t.summary(dst)
	}
	dst = strconv.AppendInt(append(dst, `],"total":`...), int64(total), 10)
	ctx.SetBody(append(dst, "}}"...))
}
