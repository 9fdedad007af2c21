package front

import (
	"context"
	"errors"
	"log/slog"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/responses"
)

// recall looks up what is stored of what a question of the responses dialect refers to.
type recall struct {
	s      *Server
	log    func() *slog.Logger
	caller *proxy.Caller
	unseen func() *translate.Error // why the caller may not see what is stored; nil: it may
	memory *responsesMemory        // of the socket that it came on; nil: it came on none
	state  responses.State
	req    *translate.Request
	loaded map[string]*store.Conversation // by their ids
}

// recall is what looks up what a question of caller refers to.
func (c *call) recall(caller *proxy.Caller) recall {
	return recall{s: c.s, log: c.log, caller: caller, unseen: func() *translate.Error { return c.unseen(caller) }}
}

// origin puts stored items in the place of references to them, and returns what goes before
// the question.
func (r *recall) origin() (*origin, *translate.Error) {
	if err := r.resolve(); err != nil {
		return nil, err
	}
	o := &origin{name: clipTitle(newestText(r.req))}
	heard, known := r.memory.find(r.state.Previous)
	switch {
	case known:
		o.copied, o.heard = true, heard
	case r.state.Previous != "":
		key, ok := responses.ParseID(r.state.Previous)
		conv, t, err := r.turn(key, ok)
		if err != nil {
			return nil, err
		}
		if !t.found() {
			return nil, responses.NoPrevious(r.state.Previous)
		}
		o.ref, o.copied, o.heard = store.Ref{ID: conv.ID}, true, conv.Messages[:t.answer+1]
		if t.answer == len(conv.Messages)-1 {
			o.version = conv.Version
		}
	case r.state.Conversation != "":
		conv, err := r.load(r.state.Conversation)
		if err != nil {
			return nil, err
		}
		if conv == nil {
			return nil, &translate.Error{Code: translate.CodeConversation, Param: "conversation", Message: "Conversation with id '" + translate.Printable(r.state.Conversation) + "' not found."}
		}
		o.ref, o.heard = store.Ref{ID: conv.ID}, conv.Messages
	}
	if len(r.state.Asked(r.req)) == 0 && o.copied {
		return o, o.ask(r.req)
	}
	return o, nil
}

// ask makes a question of what was heard behind the last answer, for req adds nothing to it.
func (o *origin) ask(req *translate.Request) *translate.Error {
	from := len(o.heard)
	for from > 0 && o.heard[from-1].Role != translate.RoleAssistant {
		from--
	}
	if from == len(o.heard) {
		return translate.InvalidAt("input", "input must not be empty: the response that it goes on from is answered already")
	}
	for i := range o.heard[from:] {
		req.Messages = append(req.Messages, o.heard[from+i].Message)
	}
	o.heard = o.heard[:from]
	return nil
}

// newestText is the text of the question, as far as it was read.
func newestText(req *translate.Request) string {
	if m := req.Newest(); m != nil {
		return m.Text()
	}
	return ""
}

// load returns a conversation of the caller as models are told it; nil: there is none.
func (r *recall) load(id string) (*store.Conversation, *translate.Error) {
	if conv, known := r.loaded[id]; known {
		return conv, nil
	}
	if err := r.unseen(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.s.life, storeWait)
	defer cancel()
	conv, err := r.s.g.Store().Load(ctx, r.caller.Name, store.Ref{ID: id}, store.Window{View: store.ViewSent})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		r.log().Error("store", "why", err)
		return nil, &translate.Error{Code: translate.CodeInternal, Message: store.FailedText}
	}
	if err != nil {
		conv = nil
	}
	if r.loaded == nil {
		r.loaded = make(map[string]*store.Conversation)
	}
	r.loaded[id] = conv
	return conv, nil
}

// turn returns the turn of a response; ok says that key names one.
func (r *recall) turn(key responses.Key, ok bool) (*store.Conversation, turnAt, *translate.Error) {
	if !ok {
		return nil, noTurn, nil
	}
	conv, err := r.load(key.Conversation)
	if err != nil || conv == nil {
		return nil, noTurn, err
	}
	return conv, findTurn(conv.Messages, key.Asked), nil
}

// turnAt is where a turn lies among the messages of its conversation.
type turnAt struct{ question, answer int }

var noTurn = turnAt{-1, -1}

func (t turnAt) found() bool { return t.answer >= 0 }

// findTurn finds the turn whose question was asked at a time: the messages of that time, and the answer
// behind them.
func findTurn(msgs []store.Message, asked int64) turnAt {
	for last := len(msgs) - 1; last >= 0; last-- {
		if msgs[last].At != asked {
			continue
		}
		t := turnAt{question: last, answer: last}
		for t.question > 0 && msgs[t.question-1].At == asked {
			t.question--
		}
		if last+1 < len(msgs) && msgs[last+1].Role == translate.RoleAssistant {
			t.answer = last + 1
		}
		if msgs[t.answer].Role != translate.RoleAssistant {
			return noTurn
		}
		return t
	}
	return noTurn
}

// resolve puts stored items in the place of references to them.
func (r *recall) resolve() *translate.Error {
	for i := range r.req.Messages {
		m := &r.req.Messages[i]
		for j := range m.Parts {
			p := &m.Parts[j]
			if p.Kind != translate.PartReference {
				continue
			}
			outputs, place, err := r.outputs(p.ID)
			if err != nil {
				return err
			}
			if place >= len(outputs) {
				return &translate.Error{Code: translate.CodeConversation, Param: "input", Message: "Item with id '" + translate.Printable(p.ID) + "' not found."}
			}
			*p = outputs[place]
		}
	}
	return nil
}

// outputs are the items of the response that the item with id is of, and its place among them.
func (r *recall) outputs(id string) ([]translate.Part, int, *translate.Error) {
	response, place, ok := responses.ParseItem(id)
	if heard, known := r.memory.find(response); known {
		return responses.Outputs(heard[len(heard)-1].Parts), place, nil
	}
	key, known := responses.ParseID(response)
	conv, t, err := r.turn(key, ok && known)
	if err != nil || !t.found() {
		return nil, place, err
	}
	return responses.Outputs(conv.Messages[t.answer].Parts), place, nil
}

// enter gives p its place in the conversation that it goes on with: that of o, if it still ends where
// o does and nobody else asks in it, else a new one that begins with what was heard. join joins p to
// one, whoever asks in that.
func (o *origin) enter(s *Server, caller *proxy.Caller, p *proxy.Pending, join func(conversation.Identity) error) error {
	if o.ref.ID != "" && !o.copied {
		return join(conversation.Identity{Find: o.ref})
	}
	if o.version != 0 {
		turn, err := s.g.Enqueue(s.life, caller, conversation.Identity{Find: o.ref})
		if err != nil {
			return err
		}
		if turn.Begins(s.life, o.version) {
			p.Enter(turn)
			return nil
		}
		turn.Done()
	}
	return join(conversation.Identity{Make: &store.Conversation{Name: o.name, Messages: o.heard}})
}
