package proxy

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what one answer may take of the memory.
const (
	maxHeld    = 1 << 20 // before the commit point
	eventBytes = 128     // of an event without what it refers to
)

// lifeOf makes the context of an attempt on ch, which stop ends. Where answers are to end
// without their client, it outlives the client's, which client is.
func (a *attempt) lifeOf(client context.Context, ch *channel.Channel) (context.Context, context.CancelCauseFunc) {
	life, let := client, func() bool { return true }
	a.outlives = ch.Conf.OnLeave == "finish"
	if a.outlives {
		life = context.WithoutCancel(life)
	}
	ctx, cancel := context.WithCancelCause(life)
	if a.outlives {
		let = context.AfterFunc(client, func() {
			defer func() { _ = recover() }()
			if err := translate.Gone(context.Cause(client)); err.Fault != translate.FaultGone {
				cancel(err) // it is the gateway that ends
			}
		})
	}
	a.stop = func() { let(); cancel(nil) }
	return ctx, cancel
}

// paced notes how long the first content took, if there was any, or was waited for
// in vain.
func (a *attempt) paced(l *Timing, whole bool, err *translate.Error) {
	if l.First == 0 {
		l.First = time.Since(a.opened)
	}
	took, record := l.Open+l.First, a.lease.Record
	if err == nil || err.Fault == translate.FaultSlow {
		record.Latency(whole).Add(took)
		record.Speed.Add(took)
	}
	switch {
	case err == nil && took <= a.peers:
		record.Restore()
	case err != nil && err.Fault == translate.FaultSlow && a.hurried:
		record.Demote(time.Now(), took)
	}
}

// substance reports whether ev is content that says something: some servers send
// empty pieces, which neither commit an answer nor count as progress.
func substance(ev translate.Event) bool {
	return ev.Kind == translate.KindToolStart || ev.Kind == translate.KindOther || ev.Kind.Content() && len(ev.Text) > 0
}

// judge tells the channel's record how the attempt went, once.
func (a *attempt) judge(err *translate.Error) {
	if err != nil && err.Fault == translate.FaultSlow && a.hurried {
		a.lease.Excuse(err) // it was given up for others, and may be well
		return
	}
	a.lease.Judge(err)
}

// abandon ends an attempt: err says why it gave no answer.
func (a *attempt) abandon(err *translate.Error) {
	a.judge(err)
	a.end()
}

// end gives back what the attempt holds: its stream, its watchdog, its context, its lease, in
// this order. It may be called again.
func (a *attempt) end() {
	if a.stream != nil && a.lease.Channel.Gate != nil {
		defer a.lease.TellWaiters()
	}
	if a.stream != nil {
		_ = a.stream.Close()
		a.stream = nil
	}
	if a.watchdog != nil {
		a.watchdog.Stop()
		a.watchdog = nil
	}
	if a.stop != nil {
		a.stop()
		a.stop = nil
	}
	a.lease.Release()
}

// fault is typed, of what the exchange's channel failed with: what it said of the
// question knows what is to be hidden of that.
func (x *Exchange) fault(err error) *translate.Error {
	e := typed(err)
	if e.Upstream == nil || e.Fault != translate.FaultRejected {
		return e
	}
	one := *e // it may be told to others as well
	one.Masker = x.plan.Mask()
	return &one
}

// inOnePiece reports whether the first content of an answer comes when nearly all of it is
// there.
func (x *Exchange) inOnePiece() bool {
	return x.whole || x.prompt.req.Opaque != nil && !x.prompt.req.Stream
}

// gap is the longest silence within the answer.
func (x *Exchange) gap() time.Duration {
	gap := x.attempt.lease.Channel.Timeouts.Gap
	if o := x.prompt.req.Opaque; o != nil && o.Slow {
		return max(gap, firstAlone)
	}
	return gap
}
