package front

import (
	"context"
	"crypto/sha256"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// elsewhere reports whether another process answers the request.
func (c *claim) elsewhere() bool {
	return c != nil && c.stands != standingNew
}

// claimed asks whether another process has been asked the message, and has its answer if there
// is one. The error says that the same id came with another body.
func (o *iagentJob) claimed(frame []byte) *translate.Error {
	k := o.s.across.claim(sha256.Sum256(frame), "message", o.name, o.m.ID)
	if k == nil {
		return nil
	}
	switch k.stands {
	case standingOther:
		return translate.Invalid("this msg_id was used for another message")
	case standingDone:
		if body, err := k.body(); err == nil {
			o.known = &jobResult{frame: body, keep: true}
		}
		return nil
	case standingNew:
		k.run(func() { o.stop(errClientGone) })
	}
	o.claim = k
	o.s.recent.claimed(o.name, o.m.ID, k)
	return nil
}

// await waits for the answer that another process gives.
func (o *iagentJob) await() jobResult {
	look := time.NewTicker(sharedLook)
	defer look.Stop()
	const patience = 25 // looks that the server does not answer
	for failed := 0; failed < patience; {
		select {
		case <-look.C:
		case <-o.ctx.Done():
			return *o.refused(translate.Gone(context.Cause(o.ctx)))
		}
		if o.claim.look(o.ctx) != nil {
			failed++
			continue
		}
		failed = 0
		switch o.claim.stands {
		case standingDone:
			body, err := o.claim.body()
			if err != nil {
				failed++
				continue
			}
			return jobResult{frame: body, keep: true}
		case standingPassed:
			return jobResult{frame: []byte{}, passed: true}
		case standingGone:
			failed = patience
		}
	}
	return jobResult{frame: o.failure(&translate.Error{Code: translate.CodeUnavailable, Message: "the process that answered this message has given it up: send it again", Retry: time.Second})}
}

// tell tells other processes what came of the message, and reports whether it is for who asked
// this one.
func (o *iagentJob) tell(out *jobResult) (mine bool) {
	switch {
	case o.claim != nil && !o.claim.elsewhere() && !out.keep:
		o.claim.forget()
		return !out.passed
	case o.claim == nil || o.claim.elsewhere():
		return !out.passed
	}
	return o.claim.finish("frame", out.frame, o.s.conf.IAgent.Dedupe)
}
