package chaos

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// conversation is the id of what the store keeps of actor i; "": nothing.
func (r *run) conversation(i int) string {
	page, _, err := r.w.Store.List(context.Background(), store.Filter{Owner: r.s.actors[i].name})
	if err != nil {
		r.Errorf("%v", err)
	}
	if len(page) == 0 {
		return ""
	}
	return page[0].ID
}

// checkStore compares what clients were told with what is stored: what was
// acknowledged is there, whole and in order, and what failed is not.
func (r *run) checkStore() {
	for i, a := range r.s.actors {
		if f := fronts[a.front]; f == "openai" || f == "anthropic" {
			if id := r.conversation(i); id != "" {
				r.Errorf("%s: a stateless client has a conversation", a.name)
			}
			continue
		}
		stored, err := r.stored(i)
		if err != nil {
			r.Errorf("%s: %v", a.name, err)
			continue
		}
		r.compare(i, stored)
	}
}

// checkSlots looks for what was taken and is not given back by the time that every
// clock has run out.
func (r *run) checkSlots() {
	taken := r.taken()
	for range 20 {
		if len(taken) == 0 {
			return
		}
		time.Sleep(time.Minute)
		taken = r.taken()
	}
	r.Errorf("taken when all is over: %s", strings.Join(taken, ", "))
}

func (r *run) taken() (what []string) {
	for _, c := range r.w.Gateway.Channels() {
		if c.InFlight != 0 || c.Waiting != 0 {
			what = append(what, fmt.Sprintf("channel %s: %d in flight, %d waiting", c.ID, c.InFlight, c.Waiting))
		}
		for _, k := range c.Keys {
			if k.InFlight != 0 {
				what = append(what, fmt.Sprintf("channel %s, key %d: %d in flight", c.ID, k.Key, k.InFlight))
			}
		}
	}
	return what
}

// pair is a stored turn.
type pair struct {
	question, answer string
	incomplete       bool
}

// stored reads what models are told of all conversations of actor i, oldest first: a chatnio client that
// came back has several.
func (r *run) stored(i int) ([]pair, error) {
	page, _, err := r.w.Store.List(context.Background(), store.Filter{Owner: r.s.actors[i].name, ByNum: true})
	if err != nil {
		return nil, err
	}
	var all []pair
	for k := len(page) - 1; k >= 0; k-- {
		c, err := r.w.Store.Load(context.Background(), r.s.actors[i].name, store.Ref{ID: page[k].ID}, store.Window{View: store.ViewSent})
		if err != nil {
			return nil, err
		}
		for m := 0; m < len(c.Messages); m++ {
			q := c.Messages[m]
			if q.Role != translate.RoleUser {
				return nil, fmt.Errorf("an answer without its question: %q", q.Text())
			}
			p := pair{question: q.Text(), incomplete: true}
			// A client that left before the first piece leaves only its question.
			if m+1 < len(c.Messages) && c.Messages[m+1].Role == translate.RoleAssistant {
				m++
				p.answer, p.incomplete = c.Messages[m].Text(), c.Messages[m].Incomplete
			}
			all = append(all, p)
		}
	}
	return all, nil
}

func (r *run) compare(i int, stored []pair) {
	who, h := r.s.actors[i], r.acked[i]
	if h.loose {
		return
	}
	at := 0
	for _, t := range h.turns {
		is := at < len(stored) && stored[at].question == t.text
		switch {
		case t.fate == "ended" && !is:
			r.Errorf("%s: the acknowledged turn %q is not stored in its place: %+v", who.name, t.text, stored)
			return
		case t.fate == "ended" && (stored[at].answer != t.reply || stored[at].incomplete):
			r.Errorf("%s: turn %q was answered %q and stored as %+v", who.name, t.text, t.reply, stored[at])
		case t.fate == "failed" && is:
			r.Errorf("%s: the failed turn %q is stored", who.name, t.text)
		case is && !strings.HasPrefix(stored[at].answer, t.reply):
			r.Errorf("%s: turn %q: the client has %q, the store %+v", who.name, t.text, t.reply, stored[at])
		}
		if is {
			at++
		}
	}
	if at != len(stored) {
		r.Errorf("%s: the store has turns that nobody asked: %+v of %+v", who.name, stored[at:], h.turns)
	}
}
