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

// formLimit bounds the body of a call; none needs more than a frame may hold.
const formLimit = frameLimit

// The texts of the real server (docs/rules/chatnio.md 3.1 and 6).
const (
	textNotSignedIn = "user not found"
	textNotFound    = "conversation not found"
	textBadID       = "invalid id"
	textBadForm     = "invalid form"
)

// public finds the caller of a call that anyone may make: nil if it is not signed
// in. An unknown sk- key gets 401 even here (docs/rules/chatnio.md 3.1), after too many of them
// with Retry-After: clients of this dialect know no other status for it.
func public(handle func(c *call, caller *proxy.Caller)) func(*call) {
	return func(c *call) {
		c.allowAll()
		if len(c.ctx.Request.Body()) > formLimit {
			c.json(413, chatnio.AppendFail(nil, "the body is too large"))
			return
		}
		token := chatnioToken(c)
		if token == "" {
			handle(c, nil)
			return
		}
		caller, err := c.s.g.Identify(token, c.address())
		switch {
		case err == nil:
			handle(c, caller)
		case strings.HasPrefix(token, "sk-"):
			c.retryAfter(err)
			c.json(401, chatnio.AppendDenied(nil))
		default:
			handle(c, nil)
		}
	}
}

// signedIn refuses callers that are not signed in as docs/rules/chatnio.md 3.1 has it: with
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

// userID is the number that stands for a caller's name: the same in every
// process and for ever, above 0, and small enough for clients whose integers have
// 32 bits. Two names may share one; nothing is looked up by it.
func userID(name string) int64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return int64(h.Sum32()%math.MaxInt32) + 1
}

// A failure is a call that failed by what its client asked for, in the words that
// are sent.
type failure string

// Error implements error.
func (f failure) Error() string { return string(f) }

// errNoExtra is the store's, when it keeps neither shares nor masks nor edits.
var errNoExtra = errors.New("front: the conversation store cannot do that")

// stored is a call that asks the store, for storeWait at most. handle returns the
// answer, a failure, or what the store said.
func stored(handle func(ctx context.Context, c *call, caller *proxy.Caller) ([]byte, error)) func(*call, *proxy.Caller) {
	return func(c *call, caller *proxy.Caller) {
		ctx, cancel := context.WithTimeout(c.s.life, storeWait)
		defer cancel()
		body, err := handle(ctx, c, caller)
		if err != nil {
			c.refuse(c.why(err))
			return
		}
		c.json(200, body)
	}
}

// why returns what a call says that came to err. Faults of the store itself
// are logged and not shown.
func (c *call) why(err error) string {
	var why failure
	switch {
	case errors.As(err, &why):
		return string(why)
	case errors.Is(err, store.ErrNotFound):
		return textNotFound
	}
	c.log().Error("store", "why", err)
	return store.FailedText
}

func chatnioList(ctx context.Context, c *call, caller *proxy.Caller) ([]byte, error) {
	page, _, err := c.s.g.Store().List(ctx, store.Filter{Owner: caller.Name, ByNum: true, Limit: 100})
	if err != nil {
		return nil, err
	}
	shared, err := c.sharedNumbers(ctx, caller)
	if err != nil {
		return nil, err
	}
	user := userID(caller.Name)
	list := make([]chatnio.Conversation, 0, len(page))
	for _, one := range page {
		list = append(list, chatnio.Conversation{
			UserID: user, ID: one.Num, Name: one.Name, Model: one.Model, EnableWeb: one.Web, Shared: shared[one.Num],
		})
	}
	return chatnio.AppendList(nil, list), nil
}

func chatnioLoad(ctx context.Context, c *call, caller *proxy.Caller) ([]byte, error) {
	conv, err := c.conversation(ctx, caller, 0)
	if err != nil {
		return nil, err
	}
	shared, err := c.sharedNumbers(ctx, caller)
	if err != nil {
		return nil, err
	}
	return chatnio.AppendConversation(nil, &chatnio.Conversation{
		UserID: userID(caller.Name), ID: conv.Num, Name: conv.Name, Model: conv.Model, EnableWeb: conv.Web,
		Shared: shared[conv.Num], Messages: bare(conv.Messages),
	}), nil
}

// bare is messages without what the store notes beside them.
func bare(stored []store.Message) []translate.Message {
	msgs := make([]translate.Message, 0, len(stored))
	for i := range stored {
		msgs = append(msgs, stored[i].Message)
	}
	return msgs
}

// conversation is the one that the query's id names, with its last messages (0:
// all of them).
func (c *call) conversation(ctx context.Context, caller *proxy.Caller, last int) (*store.Conversation, error) {
	n, err := strconv.ParseInt(string(c.ctx.QueryArgs().Peek("id")), 10, 64)
	if err != nil {
		return nil, failure(textBadID)
	}
	return c.byNumber(ctx, caller, n, last)
}

func (c *call) byNumber(ctx context.Context, caller *proxy.Caller, n int64, last int) (*store.Conversation, error) {
	if n <= 0 {
		return nil, store.ErrNotFound
	}
	return c.s.g.Store().Load(ctx, caller.Name, store.Ref{Num: n}, store.Newest(last))
}

func chatnioDelete(ctx context.Context, c *call, caller *proxy.Caller) ([]byte, error) {
	conv, err := c.conversation(ctx, caller, 1)
	if err != nil {
		return nil, err
	}
	return chatnio.AppendOK(nil), c.s.g.Conversations().Delete(ctx, caller.Name, conv.ID)
}

func chatnioClean(ctx context.Context, c *call, caller *proxy.Caller) ([]byte, error) {
	return chatnio.AppendOK(nil), c.s.g.Conversations().Delete(ctx, caller.Name, "")
}

func chatnioRename(ctx context.Context, c *call, caller *proxy.Caller) ([]byte, error) {
	n, name, err := chatnio.DecodeRename(c.ctx.Request.Body())
	if err != nil {
		return nil, failure(textBadForm)
	}
	editor, ok := c.s.g.Store().(store.Editor)
	if !ok {
		return nil, errNoExtra
	}
	conv, err := c.byNumber(ctx, caller, n, 1)
	if err != nil {
		return nil, err
	}
	return chatnio.AppendOK(nil), editor.Rename(ctx, caller.Name, conv.ID, clipTitle(name), time.Now().UnixMilli())
}

// chatnioToken is the credential as this protocol shows it, else in the headers of others.
func chatnioToken(c *call) string {
	if h := c.header("Authorization"); h != "" {
		return chatnio.BareToken(h)
	}
	return c.bearer()
}
