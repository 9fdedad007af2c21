package front

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
)

// headLimit bounds what one connection may put before its conversation, in bytes.
const headLimit = 4 << 20

// edit does what mask, share, edit and remove frames ask for. They are never
// answered, and what is wrong with them is ignored (docs/rules/chatnio.md 4 and 8.6).
func (t *chatnioSession) edit(frame *chatnio.Frame) {
	if t.renew() != nil || t.caller == nil || t.caller.Anonymous && t.misnamed != nil {
		return
	}
	var change conversation.Edit
	switch frame.Type {
	case chatnio.TypeMask:
		msgs, ok := frame.Mask()
		if t.put += len(frame.Message); !ok || len(msgs) == 0 || t.put > headLimit {
			return
		}
		for i := range msgs {
			change.Insert = append(change.Insert, store.Message{Message: msgs[i]})
		}
	case chatnio.TypeShare:
		msgs, ok := t.shared(frame.Message)
		if !ok {
			return
		}
		change.Insert = msgs
	case chatnio.TypeEdit:
		index, text, ok := frame.Edit()
		if !ok || t.adrift {
			return // the client counts what is not stored
		}
		change.Set = &conversation.SetText{Index: index, Text: text}
	case chatnio.TypeRemove:
		index, ok := frame.Remove()
		if !ok || t.adrift {
			return
		}
		change.Remove = &index
	}
	t.apply(change)
}

// apply changes the conversation, or what it will begin with.
func (t *chatnioSession) apply(change conversation.Edit) {
	ctx, cancel := context.WithTimeout(t.ctx, time.Minute)
	defer cancel()
	if t.caller.Anonymous {
		_ = t.unstored().Edit(ctx, change)
		return
	}
	if t.number <= 0 {
		t.beginWith(change)
		return
	}
	place, err := t.s.g.Enqueue(ctx, t.caller, conversation.Identity{Find: store.Ref{Num: t.number}})
	if err != nil {
		if typed(err).Code == translate.CodeConversation {
			t.beginWith(change)
		}
		return
	}
	if err := place.Edit(ctx, change); err != nil {
		t.log(nil).Warn("edit failed", "why", err)
	}
}

// beginWith changes what the conversation will begin with, unless that would be too much,
// for the connection or for its caller.
func (t *chatnioSession) beginWith(change conversation.Edit) {
	weight := 0
	for i := range t.head {
		weight += t.head[i].Weight()
	}
	for i := range change.Insert {
		weight += change.Insert[i].Weight()
	}
	if change.Set != nil {
		weight += len(change.Set.Text)
	}
	if weight <= headLimit && t.stays.Set(weight) {
		t.head = change.Apply(t.head)
	}
}

// shared returns the messages behind a share's hash, once per connection.
func (t *chatnioSession) shared(hash string) ([]store.Message, bool) {
	sharer, ok := t.s.g.Store().(store.Sharer)
	if !ok || t.joined || translate.TooLong(hash, translate.MaxID) {
		return nil, false
	}
	s, err := sharer.Shared(t.ctx, hash)
	if err != nil {
		return nil, false
	}
	t.joined = true
	t.name = s.Name
	return s.Messages, true
}
