package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// asked is a question of a stateful client and what it came to.
type asked struct {
	text, reply string
	fate        string // ended, failed, left, stopped
}

// history is what one actor knows of its conversation.
type history struct {
	turns []asked
	// loose: what was cleared or restarted is not followed in detail.
	loose bool
}

// act does what the script has for actor i.
func (r *run) act(i int) {
	a := &r.s.actors[i]
	// Clients begin at instants of their own.
	time.Sleep(time.Duration(i+1) * 137 * time.Microsecond)
	c := world.Fronts[a.front](r.w, "sk-"+a.name)
	for n, st := range a.steps {
		time.Sleep(st.pause)
		for _, line := range r.do(i, n, c, st) {
			r.traces[i] = append(r.traces[i], fmt.Sprintf("%v %s %s", time.Since(r.began), st.kind, line))
		}
	}
	c.Close(r)
}

// ask is the question of step n, the k-th of a burst.
func (r *run) ask(i, n, k int, st step) world.Ask {
	a := r.s.actors[i]
	ask := world.Ask{Model: st.model, Text: fmt.Sprintf("%s-%d-%d", a.name, n, k), User: a.name, Stream: st.stream}
	switch fronts[a.front] {
	case "rest", "iagent":
		ask.Model = "p" + st.model // they name presets
	case "chatnio":
		if st.kind == "restart" {
			ask.Type = "restart"
		}
	}
	return ask
}

func (r *run) do(i, n int, c world.Client, st step) []string {
	switch st.kind {
	case "clear":
		return []string{r.clear(i, c)}
	case "burst":
		var asks []world.Ask
		var turns []world.Turn
		for k := range 3 {
			asks = append(asks, r.ask(i, n, k, st))
			turns = append(turns, c.Begin(r, asks[k]))
		}
		var lines []string
		for k, t := range turns {
			lines = append(lines, r.finish(i, asks[k], t, st, ""))
		}
		return lines
	}
	ask := r.ask(i, n, 0, st)
	turn := c.Begin(r, ask)
	pieces := 0
	if st.kind == "leave" || st.kind == "stop" {
		if st.after == 0 {
			time.Sleep(time.Duration(n+1) * 311 * time.Millisecond)
		}
		for pieces < st.after && turn.Next(r) {
			pieces++
		}
	}
	switch {
	case st.kind == "leave" && !over(turn):
		turn.Leave()
		r.note(i, asked{ask.Text, turn.Reply().Text, "left"})
		return []string{fmt.Sprintf("after %d pieces: %s", pieces, turn.Reply().Outcome())}
	case st.kind == "stop" && !over(turn):
		c.(*world.Chatnio).Send(r, map[string]any{"type": "stop"})
		return []string{r.finish(i, ask, turn, st, "stopped")}
	}
	return []string{r.finish(i, ask, turn, st, "")}
}

func over(t world.Turn) bool { return t.Reply().Ended || t.Reply().Failed }

// finish reads a turn to its end and checks the reply.
func (r *run) finish(i int, ask world.Ask, t world.Turn, st step, fate string) string {
	for t.Next(r) {
	}
	reply := t.Reply()
	r.checkReply(i, reply, st.model, fate == "stopped")
	switch {
	case reply.Failed:
		fate = "failed"
	case fate == "":
		fate = "ended"
	}
	if st.kind == "restart" {
		r.acked[i].loose = true
	}
	r.note(i, asked{ask.Text, reply.Text, fate})
	return reply.Outcome()
}

func (r *run) note(i int, a asked) { r.acked[i].turns = append(r.acked[i].turns, a) }

func (r *run) checkReply(i int, reply *world.Reply, model string, stopped bool) {
	who := r.s.actors[i].name
	want := r.says(model)
	switch {
	case reply.Ended == reply.Failed:
		r.Errorf("%s: the answer neither ended nor failed, or both: %+v", who, reply)
	case !strings.HasPrefix(want, reply.Text):
		r.Errorf("%s: text was lost, doubled or changed: %q of %q", who, reply.Text, want)
	case reply.Ended && reply.Text == "" && r.emptyPasses(i, model):
	case reply.Ended && !stopped && reply.Text != want:
		r.Errorf("%s: an answer ended early: %q of %q", who, reply.Text, want)
	case reply.Failed && strings.Contains(reply.Code+reply.Kind, "INTERNAL"):
		r.Errorf("%s: an internal error: %+v", who, reply)
	}
}

// emptyPasses reports whether an answer of nothing may reach this client as it came: the
// anthropic dialect knows such an answer as one, and a channel of that kind gives it, of the
// model or of one that it falls back to.
func (r *run) emptyPasses(i int, model string) bool {
	if fronts[r.s.actors[i].front] != "anthropic" {
		return false
	}
	kind, models := "", []string{model}
	for _, line := range strings.Split(r.s.config, "\n") {
		line = strings.TrimSpace(line)
		if all, ok := strings.CutPrefix(line, "fallbacks: {"); ok {
			if _, list, ok := strings.Cut(all, model+": ["); ok {
				list, _, _ = strings.Cut(list, "]")
				models = append(models, strings.Split(list, ", ")...)
			}
		}
		if k, ok := strings.CutPrefix(line, "kind: "); ok {
			kind = k
		}
		for _, name := range models {
			if kind == "anthropic" && strings.HasPrefix(line, "- {name: "+name+", ") && strings.HasSuffix(line, "-empty}") {
				return true
			}
		}
	}
	return false
}

// says is what model answers, wherever.
func (r *run) says(model string) string {
	for _, line := range strings.Split(r.s.config, "\n") {
		var n int
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "- {name: "+model+", upstream: long-"); ok {
			_, _ = fmt.Sscanf(rest, "%d", &n)
			var b strings.Builder
			for k := range n {
				fmt.Fprintf(&b, "w%d ", k)
			}
			return b.String()
		}
	}
	r.Errorf("no model %s", model)
	return ""
}

// clear empties the conversation of a rest client.
func (r *run) clear(i int, c world.Client) string {
	rest := c.(*world.Rest)
	id := r.conversation(i)
	if id == "" {
		return "nothing to clear"
	}
	status, _ := rest.Call(r, "POST", "/api/conversations/"+id+"/clear")
	if status != 200 {
		r.Errorf("%s: clear was answered with %d", r.s.actors[i].name, status)
	}
	// An answer that goes on without its client is stored when it ends.
	r.acked[i].turns = slices.DeleteFunc(r.acked[i].turns, func(a asked) bool { return a.fate != "left" })
	return "cleared"
}
