package proxy

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/translate"
)

// mayPass reports whether the question may be passed on as it came, so that it
// need not be decoded before it is known who answers it.
func (q *Question) mayPass() bool {
	return q.Turn == nil && q.Model.preset == nil && q.Request.Raw != nil && slices.Contains(q.Model.route.kinds, q.Request.Dialect)
}

// complete decodes a question that was only peeked at, while anybody waits for its answer.
// The error says what is wrong with it.
func (x *Exchange) complete() *translate.Error {
	return x.decode(func() bool { return x.ctx.Err() != nil })
}

// decode decodes a question that was only peeked at. stop as in a translate.Request.
func (x *Exchange) decode(stop func() bool) *translate.Error {
	if x.peeked == nil {
		return nil
	}
	full := translate.Request{Beta: x.base.Beta, Stop: stop}
	if err := x.peeked.DecodeRequest(&full, x.base.Raw); err != nil {
		return typed(err)
	}
	full.Stop = nil
	x.base, x.peeked = full, nil
	if x.q.Holding != nil {
		x.q.Holding.Decoded(&x.base)
	}
	return nil
}
