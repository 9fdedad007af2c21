package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// port is that of every channel: one that no other text of a run holds.
const port = "41879"

// fault is one thing that happens to a channel's host.
type fault struct {
	at   time.Duration
	kind string // cut, stall, corrupt, down, freeze (everything), sleep (all channels)
	host string
	last time.Duration // of what passes
}

func (f fault) String() string {
	return fmt.Sprintf("%v %s %s %v", f.at, f.kind, f.host, f.last)
}

// step is one thing that a client does.
type step struct {
	pause  time.Duration // before it
	kind   string        // ask, leave, stop, restart, burst, clear
	model  string
	stream bool
	after  int // leave, stop: pieces that are waited for first
}

func (s step) String() string {
	return fmt.Sprintf("after %v %s %s stream=%t after=%d", s.pause, s.kind, s.model, s.stream, s.after)
}

// actor is a client with a caller and a conversation of its own.
type actor struct {
	name  string
	front int // in world.Fronts
	steps []step
}

// script is a run, fully decided.
type script struct {
	seed   uint64
	config string
	hosts  []string
	faults []fault
	actors []actor
}

func (s *script) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\n%s", s.seed, s.config)
	for _, f := range s.faults {
		fmt.Fprintln(&b, f)
	}
	for _, a := range s.actors {
		fmt.Fprintln(&b, a.name, fronts[a.front])
		for _, st := range a.steps {
			fmt.Fprintln(&b, "  ", st)
		}
	}
	return b.String()
}

var (
	fronts = []string{"openai", "anthropic", "rest", "chatnio", "iagent"}
	kinds  = []struct{ name, scheme, path string }{
		{"openai", "http", "/v1"}, {"anthropic", "http", "/v1"}, {"rest", "http", ""}, {"chatnio", "ws", ""}, {"iagent", "ws", "/ws/v1/chat"},
	}
	// failings are what a channel does with a model; most do nothing.
	failings = []string{"", "", "", "", "cut", "cut-times-2", "cut0", "fail-500", "fail-500-times-3", "fail-503-retry-2", "fail-429-retry-3", "fail-401", "fail-400",
		"drop", "hang", "stall", "stallmid", "garbage", "garbagemid", "empty", "blank", "error200", "errormid", "noend"}
)

// writer draws a script.
type writer struct{ *rand.Rand }

func (w writer) millis(least, most int) time.Duration {
	return time.Duration(least+w.IntN(most-least+1))*time.Millisecond + time.Duration(w.IntN(1e6))
}

func pick[T any](w writer, from []T) T { return from[w.IntN(len(from))] }

// write makes the script of seed.
func write(seed uint64) *script {
	w := writer{rand.New(rand.NewPCG(seed, 0x5eed))}
	s := &script{seed: seed}
	models := make([]string, 1+w.IntN(3))
	for i := range models {
		models[i] = fmt.Sprintf("m%d", i)
	}
	for i := range 2 + w.IntN(4) {
		s.actors = append(s.actors, w.actor(fmt.Sprintf("user%d", i), models))
	}
	s.hosts = []string{"a", "b", "c", "d"}[:1+w.IntN(4)]
	s.config = w.config(s, models)
	for range w.IntN(6) {
		f := fault{at: w.millis(0, 40_000), kind: pick(w, []string{"cut", "cut", "stall", "corrupt", "down", "freeze", "sleep"}), host: pick(w, s.hosts)}
		switch f.kind {
		case "stall", "down":
			f.last = w.millis(200, 60_000)
		case "freeze":
			f.last = w.millis(200, 5_000)
		case "sleep":
			f.last = w.millis(10_000, 1_200_000)
		}
		s.faults = append(s.faults, f)
	}
	return s
}

func (w writer) actor(name string, models []string) actor {
	a := actor{name: name, front: w.IntN(len(fronts))}
	for range 1 + w.IntN(4) {
		st := step{pause: w.millis(0, 8_000), kind: "ask", model: pick(w, models), stream: w.IntN(3) > 0, after: w.IntN(5)}
		switch front, n := fronts[a.front], w.IntN(10); {
		case n == 0 || n == 1:
			st.kind = "leave"
		case n == 2 && front == "chatnio":
			st.kind = "stop"
		case n == 3 && front == "chatnio" && len(a.steps) > 0:
			st.kind = "restart"
		case n < 5 && (front == "chatnio" || front == "iagent"):
			st.kind = "burst"
		case n == 3 && front == "rest":
			st.kind = "clear"
		}
		if fronts[a.front] == "iagent" && len(a.steps) > 0 {
			st.model = a.steps[0].model // another agent would be another conversation
		}
		a.steps = append(a.steps, st)
	}
	return a
}

// answer is what a model says wherever it is asked: numbered pieces.
type answer struct{ pieces, first, gap int }

func (w writer) config(s *script, models []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "balance: %s\ncallers:\n  keys:\n", pick(w, []string{"p2c", "weighted", "busy", "hash"}))
	limited := w.IntN(4) == 0
	for _, a := range s.actors {
		fmt.Fprintf(&b, "    - {name: %s, key: sk-%s", a.name, a.name)
		if limited {
			b.WriteString(", limits: few")
		}
		b.WriteString("}\n")
	}
	if limited {
		b.WriteString("limits: {few: {requests: 6/m, tokens: 20000/m, concurrent: 2}}\n")
	}
	b.WriteString("presets:\n")
	answers := map[string]answer{}
	for _, m := range models {
		fmt.Fprintf(&b, "  p%s: {model: %s, system: Be brief.}\n", m, m)
		answers[m] = answer{1 + w.IntN(12), w.IntN(3000), w.IntN(400)}
	}
	if len(models) > 1 && w.IntN(3) == 0 {
		fmt.Fprintf(&b, "fallbacks: {%s: [%s]}\n", models[0], models[1])
		answers[models[1]] = answers[models[0]] // whichever answers, it says the same
	}
	b.WriteString("channels:\n")
	for _, h := range s.hosts {
		k := pick(w, kinds)
		fmt.Fprintf(&b, "  - id: %s\n    kind: %s\n    url: %s://%s:%s%s\n    keys: [up-%s-1", h, k.name, k.scheme, h, port, k.path, h)
		if w.IntN(3) == 0 {
			fmt.Fprintf(&b, ", up-%s-2", h)
		}
		fmt.Fprintf(&b, "]\n    tier: %d\n    weight: %d\n    on_leave: %s\n", 1+w.IntN(2), 1+w.IntN(3), pick(w, []string{"cancel", "cancel", "finish"}))
		if w.IntN(3) == 0 {
			fmt.Fprintf(&b, "    concurrent: %d\n", 1+w.IntN(2))
		}
		b.WriteString("    models:\n")
		for _, m := range models {
			v := answers[m]
			words := fmt.Sprintf("long-%d-first-%d-slow-%d", v.pieces, v.first, v.gap)
			if f := pick(w, failings); f != "" {
				words += "-" + f
			}
			fmt.Fprintf(&b, "      - {name: %s, upstream: %s}\n", m, words)
		}
	}
	return b.String()
}
