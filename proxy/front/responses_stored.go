package front

import (
	"context"
	"slices"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/responses"
)

// found is a stored response.
type found struct {
	id   string
	key  responses.Key
	conv *store.Conversation
	turn turnAt
}

// responsesCaller is the way to a stored response: of its caller alone.
func responsesCaller(handle func(c *call, caller *proxy.Caller, f *found)) func(*call) {
	return ownCaller(func(c *call, caller *proxy.Caller) {
		f := &found{id: c.pathID()}
		var ok bool
		f.key, ok = responses.ParseID(f.id)
		r := c.recall(caller)
		var err *translate.Error
		if f.conv, f.turn, err = r.turn(f.key, ok); err == nil && !f.turn.found() {
			err = &translate.Error{Code: translate.CodeConversation, Message: "Response with id '" + translate.Printable(f.id) + "' not found."}
		}
		if err != nil {
			c.fail(err)
			return
		}
		handle(c, caller, f)
	})
}

// readResponse answers GET /v1/responses/:id.
func readResponse(c *call, _ *proxy.Caller, f *found) {
	if stream := c.ctx.QueryArgs().Peek("stream"); string(stream) == "true" {
		c.fail(translate.InvalidAt("stream", "a stored response is not streamed again: read it without stream"))
		return
	}
	answer := &f.conv.Messages[f.turn.answer]
	s := &responses.Stored{Key: f.key, Created: f.key.Asked, Model: f.conv.Model, Answer: answer.Parts}
	if at := f.turn.question - 1; at >= 0 {
		s.Previous = f.askedBefore(at)
	}
	c.json(200, responses.AppendStored(nil, s))
}

// askedBefore is the key of the response whose answer is message at; zero: it is none.
func (f *found) askedBefore(at int) responses.Key {
	msgs := f.conv.Messages
	if at < 1 || msgs[at].Role != translate.RoleAssistant {
		return responses.Key{}
	}
	asked := msgs[at-1].At
	if t := findTurn(msgs[:at+1], asked); t.answer != at {
		return responses.Key{}
	}
	return responses.Key{Conversation: f.conv.ID, Asked: asked}
}

// Bounds of a page of items.
const (
	usualItems = 20
	mostItems  = 100
)

// listInputItems answers GET /v1/responses/:id/input_items: what went before the answer, the
// newest first unless the order is asc.
func listInputItems(c *call, _ *proxy.Caller, f *found) {
	args := c.ctx.QueryArgs()
	limit, ok := queryInt(args, "limit", usualItems, 1)
	if !ok || limit > mostItems {
		c.fail(translate.InvalidAt("limit", "limit must be a whole number from 1 to 100"))
		return
	}
	order, after := string(args.Peek("order")), string(args.Peek("after"))
	if order != "" && order != "asc" && order != "desc" {
		c.fail(translate.InvalidAt("order", "order must be asc or desc"))
		return
	}
	heard := make([]responses.Heard, 0, f.turn.answer)
	for i := range f.conv.Messages[:f.turn.answer] {
		h := responses.Heard{Message: &f.conv.Messages[i].Message}
		if i < f.turn.question {
			h.Of = f.askedBefore(i)
		}
		heard = append(heard, h)
	}
	items := responses.InputItems(f.key, heard)
	if order != "asc" {
		slices.Reverse(items)
	}
	if after != "" {
		at := slices.IndexFunc(items, func(i responses.Item) bool { return i.ID == after })
		if at < 0 {
			c.fail(translate.InvalidAt("after", "after names no item of this list"))
			return
		}
		items = items[at+1:]
	}
	more := len(items) > limit
	c.json(200, responses.AppendItems(nil, items[:min(limit, len(items))], more))
}

// deleteResponse answers DELETE /v1/responses/:id: the turn is taken out of its conversation, and
// the conversation with it where nothing else was said in that.
func deleteResponse(c *call, caller *proxy.Caller, f *found) {
	ctx, cancel := context.WithTimeout(c.s.life, storeWait)
	defer cancel()
	var err error
	if f.turn.question == 0 && f.turn.answer == len(f.conv.Messages)-1 {
		err = c.s.g.Conversations().Delete(ctx, caller.Name, f.conv.ID)
	} else {
		err = c.removeTurn(ctx, caller, f)
	}
	if err != nil {
		c.restStoreFailed(err)
		return
	}
	c.json(200, responses.AppendDeleted(nil, f.id))
}

// removeTurn removes the messages of a turn, one after the other.
func (c *call) removeTurn(ctx context.Context, caller *proxy.Caller, f *found) error {
	all, err := c.s.g.Store().Load(ctx, caller.Name, store.Ref{ID: f.conv.ID}, store.Window{})
	if err != nil {
		return err
	}
	t := findTurn(all.Messages, f.key.Asked)
	if !t.found() {
		return store.ErrNotFound
	}
	for range t.answer - t.question + 1 {
		turn, err := c.s.g.Enqueue(ctx, caller, conversation.Identity{Find: store.Ref{ID: f.conv.ID}})
		if err != nil {
			return err
		}
		if err := turn.Edit(ctx, conversation.Edit{Remove: &t.question}); err != nil {
			return err
		}
	}
	return nil
}
