package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Captures knows by their shown names, see [store.ShownCaller], whose exchanges are kept with all that is said in them, and has those.
func (g *Gateway) Captures() *capture.Book { return &g.captures }

// Capture begins to keep what is said in the exchange of q, which came as asked, if its caller is
// captured. It comes before Admit, so that also a refusal is kept; whoever answers the client has
// q.Capture told of it. Nearly always nobody is captured: that costs one atomic load.
func (g *Gateway) Capture(q *Question, asked []byte) {
	if !g.captures.Any() || q.Caller == nil {
		return
	}
	caller := store.ShownCaller(q.Caller.Name)
	if !g.captures.Captures(caller) {
		return
	}
	if q.Received.IsZero() {
		q.Received = time.Now()
	}
	q.Capture = g.captures.Take(capture.Kept{ID: q.ID, Caller: caller, Front: q.Front, At: q.Received}, g.plan.Load().Mask().Whole)
	q.Capture.Asked(asked)
}

// Captured returns the forms of an exchange, see [capture.Book.Find], without the keys of the
// configurations of now and of then.
func (g *Gateway) Captured(id, caller string, at time.Time) (*capture.Forms, bool) {
	return g.captures.Find(id, store.ShownCaller(caller), at, g.plan.Load().Mask().Whole)
}

// readable is the question as it is told to channels that do not get it as it came.
func (p *prompt) readable() []byte {
	if p.lazy == nil {
		return translate.Readable(&p.req)
	}
	full := translate.Request{Dialect: p.req.Dialect, Model: p.req.Model, Stream: p.req.Stream}
	if err := p.lazy.DecodeRequest(&full, p.req.Raw); err != nil {
		return []byte("the question passes as it came, and cannot be read: " + err.Error())
	}
	return translate.Readable(&full)
}
