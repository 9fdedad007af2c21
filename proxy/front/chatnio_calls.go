package front

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// chatnioCalls are the REST calls around the socket (chatnio.md 6), without /api.
var chatnioCalls = []Route{
	{"GET", "/conversation/list", signedIn(chatnioList)},
	{"GET", "/conversation/load", signedIn(chatnioLoad)},
	{"GET", "/conversation", signedIn(chatnioLoad)}, // chatnio.md 11: the published example
	{"GET", "/conversation/delete", signedIn(chatnioDelete)},
}

// storeWait bounds a call's use of the store.
const storeWait = 30 * time.Second

// signedIn finds the caller of a call and refuses the others as chatnio.md 3.1
// has it: 401 for an unknown sk- key, else 200 with status false.
func signedIn(handle func(c *call, caller *proxy.Caller)) func(*call) {
	return func(c *call) {
		c.allowOrigin()
		token := chatnio.BareToken(c.header("Authorization"))
		if token == "" {
			c.json(200, chatnio.AppendFail(nil, "user not found"))
			return
		}
		caller, err := c.s.g.Identify(token, c.address())
		switch {
		case err == nil:
			handle(c, caller)
		case strings.HasPrefix(token, "sk-"):
			c.json(401, chatnio.AppendDenied(nil))
		default:
			c.json(200, chatnio.AppendFail(nil, "user not found"))
		}
	}
}

func (c *call) allowOrigin() {
	if o := c.ctx.Request.Header.Peek("Origin"); len(o) > 0 {
		c.ctx.Response.Header.SetBytesV("Access-Control-Allow-Origin", o)
	}
}

func chatnioList(c *call, caller *proxy.Caller) {
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	page, _, err := c.s.g.Store().List(ctx, store.Filter{Owner: caller.Name, ByNum: true, Limit: 100})
	if err != nil {
		c.storeFailed(err)
		return
	}
	list := make([]chatnio.Conversation, 0, len(page))
	for _, one := range page {
		list = append(list, chatnio.Conversation{UserID: 1, ID: one.Num, Name: one.Name, Model: one.Model})
	}
	c.json(200, chatnio.AppendList(nil, list))
}

// number reads the query's id; ok is false when it was answered.
func (c *call) number() (n int64, ok bool) {
	n, err := strconv.ParseInt(string(c.ctx.QueryArgs().Peek("id")), 10, 64)
	if err != nil {
		c.json(200, chatnio.AppendFail(nil, "invalid id"))
		return 0, false
	}
	return n, true
}

// storeFailed answers a call that found nothing, or whose store failed.
func (c *call) storeFailed(err error) {
	if errors.Is(err, store.ErrNotFound) {
		c.json(200, chatnio.AppendFail(nil, "conversation not found"))
		return
	}
	c.s.log.Error("store", "id", c.id, "why", err)
	c.json(200, chatnio.AppendFail(nil, "the conversation store failed"))
}

func chatnioLoad(c *call, caller *proxy.Caller) {
	n, ok := c.number()
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	conv, err := c.byNumber(ctx, caller, n, 0)
	if err != nil {
		c.storeFailed(err)
		return
	}
	shown := chatnio.Conversation{UserID: 1, ID: conv.Num, Name: conv.Name, Model: conv.Model}
	for _, m := range conv.Messages {
		shown.Messages = append(shown.Messages, m.Message)
	}
	c.json(200, chatnio.AppendConversation(nil, &shown))
}

func (c *call) byNumber(ctx context.Context, caller *proxy.Caller, n int64, last int) (*store.Conversation, error) {
	if n <= 0 {
		return nil, store.ErrNotFound
	}
	return c.s.g.Store().Load(ctx, caller.Name, store.Ref{Num: n}, last)
}

func chatnioDelete(c *call, caller *proxy.Caller) {
	n, ok := c.number()
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	conv, err := c.byNumber(ctx, caller, n, 1)
	if err == nil {
		err = c.s.g.Store().Delete(ctx, caller.Name, conv.ID)
	}
	if err != nil {
		c.storeFailed(err)
		return
	}
	c.json(200, chatnio.AppendOK(nil))
}
