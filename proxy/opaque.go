package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Answers to questions of the endpoints beside chat, see [translate.Opaque]: bytes that go by.

// readOpaque reads an answer up to its end, or to as much as is held at most, so that another
// channel can be tried for so long; one that is used while it comes up to its first bytes.
func (s *search) readOpaque() *translate.Error {
	a, live := &s.x.answer, s.x.prompt.req.Opaque.Live || s.x.prompt.req.Stream
	for {
		ev, err := s.x.attempt.stream.Next()
		if err != nil {
			return s.x.fault(err)
		}
		s.x.believe(&ev)
		switch ev.Kind {
		case translate.KindFinish:
			if len(a.raw) == 0 {
				return errEmpty
			}
			a.held, a.first, a.hasFirst = append(a.held[:0], translate.Event{Kind: translate.KindOther, Raw: a.raw}), ev, true
			return nil
		case translate.KindOther:
			s.x.attempt.watchdog.Content()
			if len(a.raw) == 0 {
				s.x.report.timing.First = max(time.Since(s.x.attempt.opened), 1)
				s.x.attempt.watchdog.WatchGaps(s.x.gap())
			}
			if a.raw = append(a.raw, ev.Raw...); live || len(a.raw) > maxHeld {
				a.first, a.hasFirst = translate.Event{Kind: translate.KindOther, Raw: a.raw}, true
				return nil
			}
		default:
			a.raw = append(a.raw, ev.Raw...)
			a.collected.Usage.Merge(ev.Usage)
		}
	}
}

// unsuited is why a channel cannot be asked a question at all, for who wants to know.
func (s *search) unsuited(c *channel.Candidate) {
	if s.x.prompt.req.Opaque != nil {
		s.x.report.skipped(c, channel.Bar{State: "unsuited", Why: unsuitedWhy})
	}
}

// unspoken is the error for a question of an endpoint of dialect that no channel can be asked.
func unspoken(path, dialect string) *translate.Error {
	return &translate.Error{Code: translate.CodeNotFound, Param: "model", Message: path + " takes a channel of kind " + dialect + ", and this model has none"}
}

// unsuitedWhy is why a channel is not asked a question of an endpoint at all.
const unsuitedWhy = "it does not speak the dialect of the endpoint"
