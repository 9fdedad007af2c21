package proxy

import "context"

// Admit takes q's room under the limits and the budget of its caller, before
// anything is read for it: a front calls it before [Gateway.Join]. What q's
// conversation adds to it is reserved by Open, once it is known. It never waits for a
// limit; where q has to, it takes a place among those that do, see [Question.Waiting].
// The error is one of Open's; q is done with then. Else q must be put to Open or to
// Dismiss, and Turn must not be set yet.
func (g *Gateway) Admit(ctx context.Context, q *Question) error {
	x, err := g.begin(ctx, q)
	if err != nil {
		return err
	}
	defer func() {
		if q.opening == nil {
			x.panicked()
		}
	}()
	if err := x.letIn(); err != nil {
		x.refuse(err)
		return err
	}
	q.opening = x
	return nil
}

// Waiting reports whether q, which Admit let in, waits for a limit: Join, or else
// Open, will wait with it.
func (q *Question) Waiting() bool { return q.opening != nil && q.opening.ticket.seat != nil }

// Join waits until q, which Admit let in, is admitted, and takes its place in the
// conversation that id names, see [Gateway.Enqueue]. Questions that wait for the same
// limit take their places in the order in which they are admitted. After an error
// q is done with; what Admit took for it is given back as if it had not come.
func (g *Gateway) Join(ctx context.Context, q *Question, id Identity) error {
	x := q.opening
	x.ctx = ctx
	if err := x.sitOut(); err != nil {
		q.opening = nil
		x.refuse(err)
		return err
	}
	turn, err := g.Enqueue(ctx, q.Caller, id)
	x.rise()
	if err != nil {
		g.Dismiss(q)
		return err
	}
	q.Turn = turn
	return nil
}

// Dismiss gives back what Admit and Join took for q, as if it had never come. It
// does nothing for a question that Admit refused, or that was put to Open.
func (g *Gateway) Dismiss(q *Question) {
	x := q.opening
	if x == nil {
		return
	}
	q.opening = nil
	x.closed = true
	x.rise()
	x.takeBack()
	if q.Turn != nil {
		q.Turn.Done()
	}
	g.records.give(x.report.trace)
	x.report.trace = nil
	g.leave(x)
	g.open.Done()
}
