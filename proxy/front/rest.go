package front

import (
	"context"
	"errors"
	"math"
	"net/url"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/ollama"
	"github.com/dragoman-gateway/dragoman/translate/rest"
)

// restFront is the server side of the Chat API: docs/rules/rest.md 2 and 3. An upstream's
// refusal of the question is a MODEL_ERROR like any other here, so that the statuses are
// those of the catalogue.
var restFront = Front{
	dialect: rest.Dialect,
	routes: func() []Route {
		return []Route{
			{Method: "POST", Path: "/api/chat", Handle: restOrOllama},
			{Method: "POST", Path: "/api/chat/stream", Handle: func(c *call) { c.restAsk(true) }},
			{Method: getHead, Path: "/api/conversations", Handle: ownCaller(restList)},
			{Method: getHead, Path: "/api/conversations/{id}", Handle: ownCaller(restLoad)},
			{Method: "DELETE", Path: "/api/conversations/{id}", Handle: ownCaller(restDelete)},
			{Method: "POST", Path: "/api/conversations/{id}/clear", Handle: ownCaller(restClear)},
		}
	},
	entry: "/api/chat",
	token: (*call).bearer, // or X-API-Key: docs/rules/rest.md 2.2
	limit: func(s *settings) int { return int(s.Rest.MaxBody) },
	start: true,
}

// restOrOllama answers POST /api/chat, which is Ollama's where the body has its messages. What is
// wrong before that is known is told as rest tells it.
func restOrOllama(c *call) {
	if ollama.IsChat(c.ctx.Request.Body()) {
		c.reaches(&ollamaFront)
		askOllama(c)
		return
	}
	c.restAsk(false)
}

// restAsk answers a question, in one piece or as a stream.
func (c *call) restAsk(stream bool) {
	now := time.Now()
	caller, err := c.identify(c.bearer())
	if err != nil {
		c.fail(err)
		return
	}
	if err := c.checkBody(); err != nil {
		c.fail(err)
		return
	}
	ask, wrong := rest.DecodeAsk(c.ctx.Request.Body())
	if wrong != nil {
		c.fail(typed(wrong))
		return
	}
	apart := c.apart(caller)
	if apart && ask.Conversation != "" {
		c.fail(c.unseen(caller))
		return
	}
	model, err := c.s.g.Resolve(caller, ask.Preset)
	if err != nil {
		c.fail(c.unknownPreset(&ask, err))
		return
	}
	if !c.unique(caller) {
		return
	}
	req := &translate.Request{Dialect: rest.Dialect.Name(), Stream: stream}
	ask.Request(req)
	req.Stream = stream
	q := c.question(&proxy.Question{
		Front: c.front.Name(), Caller: caller, Model: model, Received: now, Request: req, User: ask.User,
	})
	p, failed := c.admit(c.s.life, q)
	if failed == nil {
		defer p.Dismiss()
		failed = c.join(p, c.s.restIdentity(&ask), apart)
	}
	if failed != nil {
		c.once.forget()
		timing := p.Timing()
		c.routingHeaders(caller, &timing)
		c.failed(failed)
		return
	}
	c.answer(q, p, translate.Envelope{Created: now.UnixMilli(), Talk: sync.OnceValue(p.Turn().ID), RequestID: c.id})
}

// unknownPreset tells a preset that does not exist from one that is not for this
// caller, and from a model that nobody serves.
func (c *call) unknownPreset(ask *rest.Ask, err *translate.Error) *translate.Error {
	e := *err
	switch {
	case ask.Preset != "" && !c.s.g.Known(ask.Preset):
		e.Code, e.Message = translate.CodePreset, "no such preset"
	case err.Code == translate.CodeModelNotFound:
		e.Code = translate.CodeUnavailable
	}
	return &e
}

// restIdentity says which conversation a question belongs to: one per caller,
// group and user (docs/rules/rest.md 2.5), or the one that the client names.
func (s *Server) restIdentity(ask *rest.Ask) conversation.Identity {
	if ask.Conversation != "" {
		return conversation.Identity{Find: store.Ref{ID: ask.Conversation}}
	}
	key := privateKey(ask.User)
	switch {
	case ask.Group == "":
	case s.settings().Rest.SharedGroups:
		key = identityKey("shared", ask.Group)
	default:
		key = identityKey("group", ask.Group, ask.User)
	}
	return conversation.Identity{
		Find: store.Ref{Key: key},
		// A conversation begun in another dialect is listed under a user and a group
		// of its own; sending those back continues it (docs/rules/conversations.md 6).
		Else: store.Ref{User: ask.User, Group: ask.Group},
		Make: &store.Conversation{Key: key, User: ask.User, Group: ask.Group, Name: clipTitle(ask.Message)},
	}
}

// restList answers GET /api/conversations (docs/rules/rest.md 2.4).
func restList(c *call, caller *proxy.Caller) {
	args := c.ctx.QueryArgs()
	limit, ok := queryInt(args, "limit", 50, 1)
	offset, ok2 := queryInt(args, "offset", 0, 0)
	if !ok || !ok2 {
		c.fail(translate.Invalid("limit and offset must be whole numbers, limit at least 1"))
		return
	}
	f := store.Filter{Owner: caller.Name, Plain: true, Limit: min(limit, 100), Offset: offset}
	for name, to := range map[string]**string{"userId": &f.User, "groupId": &f.Group} {
		if !args.Has(name) {
			continue
		}
		id := string(args.Peek(name))
		if err := translate.Bound(name, id, translate.MaxID); err != nil {
			c.fail(typed(err))
			return
		}
		*to = &id
	}
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	page, total, err := c.s.g.Store().List(ctx, f)
	if err != nil {
		c.restStoreFailed(err)
		return
	}
	items := make([]rest.Item, 0, len(page))
	for _, one := range page {
		items = append(items, rest.Item{ID: one.ID, User: one.User, Group: one.Group, Count: one.Messages, LastMessage: one.LastMessage, Updated: one.Updated})
	}
	c.json(200, rest.AppendList(nil, items, total))
}

func queryInt(args *fasthttp.Args, name string, standard, least int) (int, bool) {
	if !args.Has(name) {
		return standard, true
	}
	n, err := strconv.ParseInt(string(args.Peek(name)), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		err = nil // ParseInt returns the nearest number that fits
	}
	return int(min(n, math.MaxInt32)), err == nil && n >= int64(least)
}

// pathID is the conversation's id in the path, decoded.
func (c *call) pathID() string {
	raw, _ := c.ctx.UserValue("id").(string)
	id, err := url.PathUnescape(raw)
	if err != nil || !utf8.ValidString(id) || translate.TooLong(id, translate.MaxID) {
		return ""
	}
	return id
}

func (c *call) restStoreFailed(err error) {
	if errors.Is(err, store.ErrNotFound) {
		c.fail(&translate.Error{Code: translate.CodeConversation, Message: "no such conversation"})
		return
	}
	c.log().Error("store", "why", err)
	c.fail(&translate.Error{Code: translate.CodeInternal, Message: store.FailedText})
}

// restLoad answers GET /api/conversations/:id.
func restLoad(c *call, caller *proxy.Caller) {
	limit, ok := queryInt(c.ctx.QueryArgs(), "limit", 100, 1)
	if !ok {
		c.fail(translate.Invalid("limit must be a whole number of at least 1"))
		return
	}
	id := c.pathID()
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	conv, err := c.byID(ctx, caller, id, limit)
	if err != nil {
		c.restStoreFailed(err)
		return
	}
	entries := make([]rest.Entry, 0, len(conv.Messages))
	for i := range conv.Messages {
		m := &conv.Messages[i]
		entries = append(entries, rest.Entry{Role: m.Role, Content: restText(m), At: m.At})
	}
	c.json(200, rest.AppendConversation(nil, conv.ID, entries))
}

// restText is a message as text: for a medium of the iagent front, the reference
// that it was sent as.
func restText(m *store.Message) string {
	if len(m.Parts) == 1 && m.Parts[0].Kind == translate.PartMedia {
		return m.Parts[0].Text
	}
	return m.Text()
}

func (c *call) byID(ctx context.Context, caller *proxy.Caller, id string, last int) (*store.Conversation, error) {
	if id == "" {
		return nil, store.ErrNotFound
	}
	return c.s.g.Store().Load(ctx, caller.Name, store.Ref{ID: id}, store.Window{Messages: last, View: store.ViewPlain})
}

func restDelete(c *call, caller *proxy.Caller) {
	c.restChange(rest.AppendOK, func(ctx context.Context, id string) error {
		return c.s.g.Conversations().Delete(ctx, caller.Name, id)
	})
}

func restClear(c *call, caller *proxy.Caller) {
	c.restChange(rest.AppendCleared, func(ctx context.Context, id string) error {
		return c.s.g.Conversations().Clear(ctx, caller.Name, id)
	})
}

func (c *call) restChange(done func([]byte) []byte, change func(context.Context, string) error) {
	id := c.pathID()
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	err := store.ErrNotFound
	if id != "" {
		err = change(ctx, id)
	}
	if err != nil {
		c.restStoreFailed(err)
		return
	}
	c.json(200, done(nil))
}
