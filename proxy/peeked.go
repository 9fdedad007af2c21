package proxy

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/translate"
)

// mayPass reports whether the question may be passed on as it came, so that it
// need not be decoded before it is known who answers it.
func (x *Exchange) mayPass() bool {
	if x.q.Turn != nil || x.q.Model.preset != nil {
		return false
	}
	return slices.Contains(x.q.Model.route.kinds, x.base.Dialect)
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
	return nil
}
