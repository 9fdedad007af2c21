package main

import "strings"

// chatCommands are the lines that are no questions, for the help.
const chatCommands = "/retry asks the last question again, /model NAME asks another model from now on, /raw shows what goes over the wire or hides it again"

// obey does what text says if it is a command. It returns the question that is to be asked,
// which is empty where there is none.
func (t *chatSession) obey(text string) (question string) {
	word, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	rest = strings.TrimSpace(rest)
	switch {
	case word == "/model":
		t.changeModel(rest)
	case word == "/raw" && rest == "":
		if t.view.turnRaw() {
			t.view.note("what goes over the wire is shown")
		} else {
			t.view.note("what goes over the wire is hidden")
		}
	case word == "/retry" && rest == "":
		return t.again()
	default:
		return text
	}
	return ""
}

func (t *chatSession) changeModel(to string) {
	switch {
	case to != "":
		t.base.Model = to
		t.view.note("asking " + to)
	case t.base.Model == "":
		t.view.note("the server chooses the model; /model NAME asks another one")
	default:
		t.view.note("asking " + t.base.Model + "; /model NAME asks another one")
	}
}

// again returns the last question, and forgets its answer.
func (t *chatSession) again() string {
	if t.last == "" {
		t.view.note("there is no question to ask again")
		return ""
	}
	t.base.Messages = t.before
	if t.base.Memory.ID != "" {
		t.view.note("the server remembers the first answer too")
	}
	return t.last
}

// remember keeps a question for again.
func (t *chatSession) remember(text string) {
	t.last, t.before = text, t.base.Messages[:len(t.base.Messages):len(t.base.Messages)]
}

// hasColours reports whether out is a terminal that shows colours and somebody wants them.
func hasColours(out any, lookup func(string) (string, bool)) bool {
	if no, _ := lookup("NO_COLOR"); no != "" {
		return false
	}
	kind, _ := lookup("TERM")
	return isTerminal(out) && kind != "dumb"
}

// Colours of a chat.
const (
	red  = "\x1b[31m"
	cyan = "\x1b[1;36m"
)

// paint is text in a colour, where the terminal has colours.
func (v *screen) paint(colour, text string) string {
	if !v.colours {
		return text
	}
	return colour + text + normal
}

// turnRaw shows the frames of the wire if they were hidden, else hides them. It reports whether they are shown.
func (v *screen) turnRaw() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.part, v.long = v.part[:0], false
	v.raw = !v.raw
	return v.raw
}
