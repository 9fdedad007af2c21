package anthropic

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/translate"
)

// arranged returns the messages of req in the order in which the vendor is told them: those
// that they begin with are the system text. A system message amid the conversation stays
// there where the model takes any, else it goes to the system text.
//
// The vendor wants such a message right behind the user's and before the model's
// ("Mid-conversation system messages", placement). A client of this dialect knows that;
// those of others it moves behind the user's turn that it stands in.
func arranged(req *translate.Request, plan *thinking) []translate.Message {
	msgs := req.Messages
	leading := translate.Leading(msgs)
	if !slices.ContainsFunc(msgs[leading:], func(m translate.Message) bool { return m.Role == translate.RoleSystem }) {
		return msgs
	}
	if plan.refuses.Has(translate.RefusesSystem) {
		return translate.SystemFirst(msgs)
	}
	if req.Dialect == name {
		return msgs
	}
	top, turns, held := slices.Clone(msgs[:leading]), make([]translate.Message, 0, len(msgs)), []translate.Message(nil)
	place := func() {
		if n := len(turns); n > 0 && turns[n-1].Role != translate.RoleAssistant {
			turns = append(turns, held...)
		} else {
			top = append(top, held...)
		}
		held = nil
	}
	for _, m := range msgs[leading:] {
		switch m.Role {
		case translate.RoleSystem:
			held = append(held, m)
			continue
		case translate.RoleAssistant:
			place()
		}
		turns = append(turns, m)
	}
	place()
	return append(top, turns...)
}
