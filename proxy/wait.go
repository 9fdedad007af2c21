package proxy

import (
	"context"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/translate"
)

// giveBack returns a slot that was handed over and not used.
func (s *search) giveBack() {
	if slot := s.handed; slot != nil {
		if s.handed = nil; !slot.Spare { // whoever heard of a connection has looked for it
			s.x.g.room.GiveBack(slot)
		}
	}
}

// queue waits for a slot of one of the channels that were passed over because they
// are full, or until another one may be asked again whose cool-down or breaker kept
// the question from it. It returns nil when the search is worth another round, and
// errExhausted when it is not.
func (s *search) queue() *translate.Error {
	s.giveBack()
	left, dials := fairqueue.Wait-s.x.report.waited, dialTime-time.Since(s.began)
	soonest := dialTime
	var wants, spares []*fairqueue.Slots
	var alone []*channel.Channel
	for _, p := range s.skipped {
		gate := p.Gate()
		if gate != nil && s.x.prompt.alone() {
			alone, spares = append(alone, p.Channel), append(spares, &p.Channel.Spare)
		}
		switch {
		case p.Full == nil && p.Wait > 0:
			soonest = min(soonest, p.Wait)
		case p.Full == nil || slices.Contains(wants, p.Full):
		case gate == nil:
			wants = append(wants, p.Full)
		case gate.Shut(time.Now()) < dials:
			wants = append(wants, p.Full)
			left = max(left, dials)
		}
	}
	wake := min(soonest, left)
	if len(wants) == 0 || left <= 0 || s.x.report.attempts >= maxAttempts {
		return errExhausted
	}
	w := s.x.g.room.Enter(s.x.q.Caller.Name, &s.place, wants, spares)
	if w == nil {
		return errExhausted
	}
	if slices.ContainsFunc(alone, func(ch *channel.Channel) bool { return ch.Dialer.Idle("") }) {
		s.x.g.room.Leave(w) // it has come between the search and the queue
		return nil
	}
	began := time.Now()
	t := time.NewTimer(wake)
	defer t.Stop()
	select {
	case slot := <-w.Given():
		s.x.report.waited += time.Since(began)
		if s.handed = slot; slot == nil {
			return errExhausted
		}
		return nil
	case <-t.C:
		s.x.g.room.Leave(w)
		s.x.report.waited += time.Since(began)
		if wake < left {
			return nil
		}
		return errExhausted
	case <-s.x.ctx.Done():
		s.x.g.room.Leave(w)
		return translate.Gone(context.Cause(s.x.ctx))
	}
}
