package main

import (
	"os"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
)

func TestALastQuestionIsAskedAgainWithoutItsAnswer(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	code, out, stderr := chat(t, "/retry\none\n/retry\ntwo\n", "--url", model, "--dialect", "openai", "--model", "recall")
	const want = "user: one\nuser: one\nuser: one | assistant: user: one | user: two\n"
	if code != 0 || out != want || !strings.Contains(stderr, "no question to ask again") {
		t.Errorf("%d\n%s%s", code, out, stderr)
	}
	if _, out, stderr = chat(t, "one\n/retry\n", "--url", model, "--dialect", "rest", "--model", "recall"); !strings.Contains(stderr, "remembers the first answer too") || strings.Count(out, "\n") != 2 {
		t.Errorf("%s%s", out, stderr)
	}
}

func TestTheModelAndTheWireAreChangedWhileOneTalks(t *testing.T) {
	t.Parallel()
	_, model := scripted(t, mockmodel.Options{})
	for _, dialect := range spoken {
		code, out, stderr := chat(t, "/model\none\n/model say\ntwo\n/raw\nthree\n/raw\nfour\n/nothing\n", "--url", model, "--dialect", dialect, "--model", "echo")
		if code != 0 || !strings.HasPrefix(out, `Hello, you said "one"`) || !strings.Contains(out, "\ntwo\nthree\nfour\n/nothing\n") {
			t.Errorf("%s: %d\n%s%s", dialect, code, out, stderr)
		}
		if !strings.Contains(stderr, "(asking echo;") || !strings.Contains(stderr, "(asking say)") {
			t.Errorf("%s: %s", dialect, stderr)
		}
		hidden, wire, _ := strings.Cut(stderr, "is shown")
		if strings.Contains(hidden, "\n> ") || !strings.Contains(wire, "\n> ") || !strings.Contains(wire, "\n< ") || !strings.Contains(wire, "three") || strings.Contains(wire, "four") {
			t.Errorf("%s: %s", dialect, stderr)
		}
	}
}

func TestColoursAreForTerminalsThatHaveThem(t *testing.T) {
	t.Parallel()
	lookup := func(name, value string) func(string) (string, bool) {
		return func(asked string) (string, bool) {
			if asked == name {
				return value, true
			}
			return "", false
		}
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if hasColours(file, lookup("", "")) || hasColours(os.Stdin, lookup("NO_COLOR", "1")) {
		t.Error("they are shown where nobody sees or wants them")
	}
	v := newScreen(nil, nil, "")
	if v.paint(red, "x") != "x" {
		t.Error("text is painted without colours")
	}
	if v.colours = true; v.paint(red, "x") != "\x1b[31mx\x1b[0m" {
		t.Errorf("%q", v.paint(red, "x"))
	}
}
