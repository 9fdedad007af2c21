package proxy

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/answercache"
	"github.com/dragoman-gateway/dragoman/translate"
)

// answer is what has come of an attempt.
type answer struct {
	copies    []byte            // what held events refer to
	held      []translate.Event // what came before the commit point
	heldAt    int               // the next of them
	first     translate.Event   // the first content
	hasFirst  bool              // it was not given out yet
	collected translate.Answer  // usage and, where it is needed, all of it
	raw       []byte            // a whole answer as it came
	textBytes int
	shown     bool              // some of it was text
	thought   bool              // some of it was thought
	doubted   bool              // some of the usage that was reported cannot be
	excess    bool              // because it is more than any model can use
	complete  bool              // its end mark was seen
	stored    bool              // the turn is
	unnoted   bool              // the turn failed, and is not stored with its error
	cached    bool              // it was kept
	call      *answercache.Call // others wait for it
}

// reported is what the channel said of usage; held says that also what came before the
// commit point counts, which was not looked at yet.
func (a *answer) reported(held bool) translate.Usage {
	u := a.collected.Usage
	for i := range a.held {
		if k := a.held[i].Kind; held && (k == translate.KindStart || k == translate.KindUsage) {
			u.Merge(a.held[i].Usage)
		}
	}
	return u
}

// copied copies what ev borrows behind what copies holds.
func (a *answer) copied(ev translate.Event) translate.Event {
	a.copies = slices.Grow(a.copies, len(ev.Text)+len(ev.ID)+len(ev.Name)+len(ev.Raw))
	for _, p := range []*[]byte{&ev.Text, &ev.ID, &ev.Name, &ev.Raw} {
		if *p != nil {
			start := len(a.copies)
			a.copies = append(a.copies, *p...)
			*p = a.copies[start:len(a.copies):len(a.copies)]
		}
	}
	return ev
}

// mayBeEmpty tells whether an answer that ended so may be without content.
func mayBeEmpty(f translate.Finish) bool {
	switch f {
	case translate.FinishSilent, translate.FinishFilter, translate.FinishLength, translate.FinishPause, translate.FinishSequence:
		return true
	}
	return false
}

// empty says what is wrong with an answer without any content that ended with end; nil: it
// may be so. An empty answer that just stops comes from a broken server, nearly always;
// the anthropic dialect has it for a model that has nothing to add.
func (x *Exchange) empty(end translate.Event) *translate.Error {
	switch {
	case mayBeEmpty(end.Finish):
		return x.untold(end, false)
	case x.attempt.passThrough && config.KindOf(x.prompt.req.Dialect).Empty && end.Reason == translate.ReasonGiven:
		return nil
	}
	return errEmpty
}

var errEmpty = translate.Broken("the model gave an empty answer", nil)

// untold is what a client is told of a good answer of which its dialect can show nothing;
// nil: there is something to show, or its dialect has a place for the reason.
func (x *Exchange) untold(end translate.Event, shown bool) *translate.Error {
	if shown || end.Finish == translate.FinishSilent || !config.KindOf(x.prompt.req.Dialect).TextOnly {
		return nil
	}
	message := "the model gave no text"
	switch end.Finish {
	case translate.FinishLength:
		message = "the model used up its tokens before it gave a text"
	case translate.FinishFilter:
		message = "the answer was withheld by a filter of the model"
	case translate.FinishTool:
		message = "the model called tools, which cannot be run here, and gave no text"
	case translate.FinishPause:
		message = "the model paused before it gave a text"
	case translate.FinishSequence:
		message = "the answer stopped at a stop sequence before its first word"
	}
	return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Message: message}
}
