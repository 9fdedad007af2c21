package sdktest

import (
	"slices"
	"strings"
	"testing"
)

func TestTheLibrariesReadAnswersOfEveryKindOfChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "echo")
	w.through(t, kinds, func(t *testing.T, c client, kind string) {
		got, err := c.whole(t.Context(), ask(kind+".echo", "hi"))
		if err != nil {
			t.Fatal(err)
		}
		got.check(t, kind)
	})
}

func TestTheLibrariesReadStreamsOfEveryKindOfChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "echo")
	w.through(t, kinds, func(t *testing.T, c client, kind string) {
		var pieces []string
		got, err := c.stream(t.Context(), ask(kind+".echo", "hi"), func(s string) { pieces = append(pieces, s) })
		if err != nil {
			t.Fatal(err)
		}
		got.check(t, kind)
		if joined := strings.Join(pieces, ""); joined != got.text {
			t.Errorf("the pieces are %q", joined)
		}
		if len(pieces) < 2 && kind != "iagent" {
			t.Errorf("it came in %d piece", len(pieces))
		}
	})
}

// check compares an answer to "hi" with what the script says.
func (r *reply) check(t *testing.T, kind string) {
	t.Helper()
	if want := `Hello, you said "hi" (n=1)`; r.text != want {
		t.Errorf("text %q", r.text)
	}
	if r.finish != "stop" {
		t.Errorf("finish %q", r.finish)
	}
	if want := "echo-" + kind; r.model != want {
		t.Errorf("model %q, want the upstream's name %q", r.model, want)
	}
	if r.in == 0 || r.out == 0 {
		t.Errorf("usage %d and %d", r.in, r.out)
	}
	if (kind == "openai" || kind == "anthropic") && (r.in != 1 || r.out != 5) {
		t.Errorf("usage %d and %d, but the channel reported 1 and 5", r.in, r.out)
	}
}

func TestEveryCharacterArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "say")
	const text = "漢字 👩‍👩‍👧‍👦 שלום e\u0301 \"q\" \\ / <b>&amp;</b> \u2028 𝄞 \ttab\nline"
	w.through(t, kinds, func(t *testing.T, c client, kind string) {
		whole, err := c.whole(t.Context(), ask(kind+".say", text))
		if err != nil {
			t.Fatal(err)
		}
		streamed, err := c.stream(t.Context(), ask(kind+".say", text), func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if whole.text != text || streamed.text != text {
			t.Errorf("whole %q\nstreamed %q", whole.text, streamed.text)
		}
	})
}

func TestTheSystemPromptAndTheHistoryArrive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "recall")
	q := question{system: "Be brief.", turns: []turn{
		{role: "user", text: "first"}, {role: "assistant", text: "second"}, {role: "user", text: "third"},
	}}
	w.through(t, kinds, func(t *testing.T, c client, kind string) {
		q := q
		q.model = kind + ".recall"
		got, err := c.whole(t.Context(), &q)
		if err != nil {
			t.Fatal(err)
		}
		const want = "system: Be brief. | user: first | assistant: second | user: third"
		if !slices.Contains(foldKinds, kind) && got.text != want {
			t.Errorf("the model was given %q", got.text)
		}
		at := 0
		for _, part := range []string{"Be brief.", "first", "second", "third"} {
			i := strings.Index(got.text[at:], part)
			if i < 0 {
				t.Fatalf("%q is not in its place in %q", part, got.text)
			}
			at += i + len(part)
		}
	})
}

// A conversation on a channel that remembers goes on there: the model is given
// each message once, and in order.
func TestAConversationGoesOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "recall")
	w.with(t, func(t *testing.T, l *library, c client) {
		for _, kind := range kinds {
			t.Run(kind, func(t *testing.T) {
				q := ask(kind+".recall", "begin with "+l.name)
				for _, next := range []string{"go on", "and on"} {
					got, err := c.stream(t.Context(), q, func(string) {})
					if err != nil {
						t.Fatal(err)
					}
					q.turns = append(q.turns, turn{role: "assistant", text: got.text}, turn{role: "user", text: next})
				}
				got, err := c.whole(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				first := "user: begin with " + l.name
				second := first + " | assistant: " + first + " | user: go on"
				want := second + " | assistant: " + second + " | user: and on"
				if got.text != want {
					t.Errorf("the model was given\n%q, want\n%q", got.text, want)
				}
			})
		}
	})
}

func TestAnswersEndForTheirLength(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "length")
	w.through(t, richKinds, func(t *testing.T, c client, kind string) {
		whole, err := c.whole(t.Context(), ask(kind+".length", "hi"))
		if err != nil {
			t.Fatal(err)
		}
		streamed, err := c.stream(t.Context(), ask(kind+".length", "hi"), func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if whole.finish != "length" || streamed.finish != "length" {
			t.Errorf("finish %q whole, %q streamed", whole.finish, streamed.finish)
		}
	})
}

func TestTheModelsAreListedAndFoundOneByOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "echo", "recall")
	w.with(t, func(t *testing.T, _ *library, c client) {
		ids, err := c.models(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(ids) != 2*len(served) {
			t.Errorf("%d models: %v", len(ids), ids)
		}
		for _, kind := range kinds {
			name := kind + ".recall"
			if !slices.Contains(ids, name) {
				t.Errorf("%s is not listed", name)
			}
			if id, err := c.model(t.Context(), name); err != nil || id != name {
				t.Errorf("%s: %q, %v", name, id, err)
			}
		}
	})
}
