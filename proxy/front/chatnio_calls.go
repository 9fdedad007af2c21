package front

import (
	"context"
	"errors"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// chatnioCalls are the REST calls around the socket (chatnio.md 6), without /api.
var chatnioCalls = []Route{
	{"GET", "/conversation/list", signedIn(chatnioList)},
	{"GET", "/conversation/load", signedIn(chatnioLoad)},
	{"GET", "/conversation", signedIn(chatnioLoad)}, // chatnio.md 11: the published example
	{"GET", "/conversation/delete", signedIn(chatnioDelete)},
	{"GET", "/conversation/clean", signedIn(chatnioClean)},
	{"POST", "/conversation/rename", signedIn(chatnioRename)},
	{"POST", "/conversation/share", signedIn(chatnioShare)},
	{"GET", "/conversation/view", public(chatnioView)},
	{"GET", "/conversation/share/list", signedIn(chatnioShares)},
	{"GET", "/conversation/share/delete", signedIn(chatnioUnshare)},
	{"GET", "/conversation/mask/view", masking(chatnioMasks)},
	{"POST", "/conversation/mask/save", masking(chatnioSaveMask)},
	{"POST", "/conversation/mask/delete", masking(chatnioDeleteMask)},
}

const (
	// storeWait bounds a call's use of the store.
	storeWait = 30 * time.Second
	// formLimit bounds the body of a call; none needs more than a frame may hold.
	formLimit = frameLimit
)

// The texts of the real server (chatnio.md 3.1 and 6).
const (
	textNotSignedIn = "user not found"
	textNotFound    = "conversation not found"
	textBadID       = "invalid id"
	textBadForm     = "invalid form"
)

// public finds the caller of a call that anyone may make: nil if it is not signed
// in. An unknown sk- key gets 401 even here (chatnio.md 3.1).
func public(handle func(c *call, caller *proxy.Caller)) func(*call) {
	return func(c *call) {
		c.allowOrigin()
		c.allowAll()
		if len(c.ctx.Request.Body()) > formLimit {
			c.json(413, chatnio.AppendFail(nil, "the body is too large"))
			return
		}
		token := chatnio.BareToken(c.header("Authorization"))
		if token == "" {
			handle(c, nil)
			return
		}
		caller, err := c.s.g.Identify(token, c.address())
		switch {
		case err == nil:
			handle(c, caller)
		case strings.HasPrefix(token, "sk-"):
			c.json(401, chatnio.AppendDenied(nil))
		default:
			handle(c, nil)
		}
	}
}

// signedIn refuses callers that are not signed in as chatnio.md 3.1 has it: with
// HTTP 200 and status false.
func signedIn(handle func(c *call, caller *proxy.Caller)) func(*call) {
	return public(func(c *call, caller *proxy.Caller) {
		if caller == nil {
			c.refuse(textNotSignedIn)
			return
		}
		handle(c, caller)
	})
}

// refuse answers a call that failed: HTTP 200 and status false.
func (c *call) refuse(message string) { c.json(200, chatnio.AppendFail(nil, message)) }

// allowOrigin lets a page of any origin read the answer (chatnio.md 2).
func (c *call) allowOrigin() {
	h := &c.ctx.Response.Header
	if o := c.ctx.Request.Header.Peek("Origin"); len(o) > 0 {
		h.SetBytesV("Access-Control-Allow-Origin", o)
		h.Set("Vary", "Origin")
	}
}

// userID is the number that stands for a caller's name: the same in every
// process and for ever, above 0, and small enough for clients whose integers have
// 32 bits. Two names may share one; nothing is looked up by it.
func userID(name string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return int64(h.Sum32()%math.MaxInt32) + 1
}

func chatnioList(c *call, caller *proxy.Caller) {
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	page, _, err := c.s.g.Store().List(ctx, store.Filter{Owner: caller.Name, ByNum: true, Limit: 100})
	if err != nil {
		c.storeFailed(err, textNotFound)
		return
	}
	shared, err := c.sharedNumbers(ctx, caller)
	if err != nil {
		c.storeFailed(err, textNotFound)
		return
	}
	user := userID(caller.Name)
	list := make([]chatnio.Conversation, 0, len(page))
	for _, one := range page {
		list = append(list, chatnio.Conversation{UserID: user, ID: one.Num, Name: one.Name, Model: one.Model, Shared: shared[one.Num]})
	}
	c.json(200, chatnio.AppendList(nil, list))
}

// number reads the query's id; ok is false when it was answered.
func (c *call) number() (n int64, ok bool) {
	n, err := strconv.ParseInt(string(c.ctx.QueryArgs().Peek("id")), 10, 64)
	if err != nil {
		c.refuse(textBadID)
		return 0, false
	}
	return n, true
}

// storeFailed answers a call that found nothing, which missing says, or whose
// store failed.
func (c *call) storeFailed(err error, missing string) {
	if errors.Is(err, store.ErrNotFound) {
		c.refuse(missing)
		return
	}
	c.s.log.Error("store", "id", c.id, "why", err)
	c.refuse("the conversation store failed")
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
		c.storeFailed(err, textNotFound)
		return
	}
	shared, err := c.sharedNumbers(ctx, caller)
	if err != nil {
		c.storeFailed(err, textNotFound)
		return
	}
	shown := chatnio.Conversation{UserID: userID(caller.Name), ID: conv.Num, Name: conv.Name, Model: conv.Model, Shared: shared[conv.Num]}
	shown.Messages = bare(conv.Messages)
	c.json(200, chatnio.AppendConversation(nil, &shown))
}

// bare is messages without what the store notes beside them.
func bare(stored []store.Message) []translate.Message {
	msgs := make([]translate.Message, 0, len(stored))
	for i := range stored {
		msgs = append(msgs, stored[i].Message)
	}
	return msgs
}

func (c *call) byNumber(ctx context.Context, caller *proxy.Caller, n int64, last int) (*store.Conversation, error) {
	if n <= 0 {
		return nil, store.ErrNotFound
	}
	return c.s.g.Store().Load(ctx, caller.Name, store.Ref{Num: n}, last)
}

func chatnioDelete(c *call, caller *proxy.Caller) {
	if n, ok := c.number(); ok {
		c.change(caller, n, func(ctx context.Context, id string) error {
			return c.s.g.Store().Delete(ctx, caller.Name, id)
		})
	}
}

// change does something to the conversation n and says that it did.
func (c *call) change(caller *proxy.Caller, n int64, do func(ctx context.Context, id string) error) {
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	conv, err := c.byNumber(ctx, caller, n, 1)
	if err == nil {
		err = do(ctx, conv.ID)
	}
	if err != nil {
		c.storeFailed(err, textNotFound)
		return
	}
	c.json(200, chatnio.AppendOK(nil))
}

func chatnioClean(c *call, caller *proxy.Caller) {
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	if err := c.s.g.Store().Delete(ctx, caller.Name, ""); err != nil {
		c.storeFailed(err, textNotFound)
		return
	}
	c.json(200, chatnio.AppendOK(nil))
}

func chatnioRename(c *call, caller *proxy.Caller) {
	n, name, err := chatnio.DecodeRename(c.ctx.Request.Body())
	if err != nil {
		c.refuse(textBadForm)
		return
	}
	editor, ok := c.s.g.Store().(store.Editor)
	if !ok {
		c.refuse("the conversation store cannot rename")
		return
	}
	c.change(caller, n, func(ctx context.Context, id string) error {
		return editor.Rename(ctx, caller.Name, id, clipTitle(name), time.Now().UnixMilli())
	})
}
