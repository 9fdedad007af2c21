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

// complete decodes a question that was only peeked at. The error says what is
// wrong with it.
func (x *Exchange) complete() *translate.Error {
	if x.peeked == nil {
		return nil
	}
	full := translate.Request{Beta: x.base.Beta}
	if err := x.peeked.DecodeRequest(&full, x.base.Raw); err != nil {
		return typed(err)
	}
	x.base, x.peeked = full, nil
	if x.q.Holding != nil {
		x.q.Holding.Decoded(&x.base)
	}
	return nil
}
