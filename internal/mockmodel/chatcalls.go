package mockmodel

import (
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// chatKey returns the token of a REST call, empty for one that is not signed
// in. An unknown sk- key is refused with 401, and false (docs/rules/chatnio.md 3.1).
func (s *Server) chatKey(ctx *fasthttp.RequestCtx) (string, bool) {
	key := strings.TrimPrefix(string(ctx.Request.Header.Peek("Authorization")), "Bearer ")
	if key != "" && key != "anonymous" && s.accepts(key) {
		return key, true
	}
	if strings.HasPrefix(key, "sk-") {
		chatStatus(ctx, 401, `{"code":401,"message":"Access denied. Please provide correct api key."}`)
		return "", false
	}
	return "", true
}

func chatStatus(ctx *fasthttp.RequestCtx, status int, body string) {
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/json; charset=utf-8")
	ctx.SetBodyString(body)
}

// chatTalks serves /conversation/list, load, delete and clean (docs/rules/chatnio.md 6).
func (s *Server) chatTalks(ctx *fasthttp.RequestCtx, verb string) {
	key, ok := s.chatKey(ctx)
	switch {
	case !ok:
		return
	case !ctx.IsGet():
		chatStatus(ctx, 404, `{"message":"not found or method not allowed","status":false}`)
		return
	case key == "":
		chatStatus(ctx, 200, `{"message":"user not found","status":false}`)
		return
	}
	s.chats.mu.Lock()
	defer s.chats.mu.Unlock()
	talks := s.chats.by[key]
	switch verb {
	case "list":
		chatStatus(ctx, 200, chatList(talks))
		return
	case "clean":
		s.chats.n -= len(talks)
		delete(s.chats.by, key)
		chatStatus(ctx, 200, `{"message":"","status":true}`)
		return
	}
	id, err := strconv.ParseInt(string(ctx.QueryArgs().Peek("id")), 10, 64)
	t, found := talks[id]
	switch {
	case err != nil:
		chatStatus(ctx, 200, `{"message":"invalid id","status":false}`)
	case !found:
		chatStatus(ctx, 200, `{"message":"conversation not found","status":false}`)
	case verb == "delete":
		s.chats.n--
		delete(talks, id)
		chatStatus(ctx, 200, `{"message":"","status":true}`)
	default:
		chatStatus(ctx, 200, t.load(id))
	}
}

func chatList(talks map[int64]chatTalk) string {
	if len(talks) == 0 {
		return `{"data":null,"message":"","status":true}`
	}
	ids := make([]int64, 0, len(talks))
	for id := range talks {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b int64) int { return int(b - a) })
	dst := []byte(`{"data":[`)
	for i, id := range ids[:min(100, len(ids))] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"auth":false,"user_id":0,"id":`...), id, 10)
		dst = quote(append(dst, `,"name":`...), talks[id].name)
		dst = append(dst, `,"message":null,"model":"","enable_web":false,"shared":false,"context":0}`...)
	}
	return string(append(dst, `],"message":"","status":true}`...))
}

func (t chatTalk) load(id int64) string {
	dst := strconv.AppendInt([]byte(`{"data":{"auth":false,"user_id":1,"id":`), id, 10)
	dst = quote(append(dst, `,"name":`...), t.name)
	dst = append(dst, `,"message":[`...)
	for i, turn := range t.turns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = quote(append(dst, `{"role":`...), turn.Role)
		dst = append(quote(append(dst, `,"content":`...), turn.Text), '}')
	}
	dst = quote(append(dst, `],"model":`...), t.model)
	return string(append(dst, `,"enable_web":false,"shared":false,"context":0},"message":"","status":true}`...))
}
