package mockmodel

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of docs/mock.md")

func TestThePageIsMadeFromTheVocabulary(t *testing.T) {
	t.Parallel()
	const path = "../../docs/mock.md"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := strings.Cut(string(page), "\n## "+Answers)
	if !found {
		t.Fatalf("%s has no part %q", path, Answers)
	}
	got := head + vocabulary()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(page) != got {
		t.Errorf("%s is not what the vocabulary says: run this test with -update", path)
	}
}

// vocabulary is the part of the page behind what is written by hand.
func vocabulary() string {
	var b strings.Builder
	part := ""
	for _, w := range Words {
		answers := w.Part == Answers
		if w.Part != part {
			part = w.Part
			b.WriteString("\n## " + part + "\n\n| word | default | meaning |")
			if answers {
				b.WriteString(" of \"Hi there\", for example |")
			}
			b.WriteString("\n|---|---|---|" + strings.Repeat("---|", one(answers)) + "\n")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |", w.Name, w.Default, w.Meaning)
		if answers {
			b.WriteString(" " + example(w.Name) + " |")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// example is what a word answers.
func example(word string) string {
	sc := Plan(strings.Replace(word, "-N", "-4", 1), []Turn{{Role: "system", Text: "Be brief."}, {Role: "user", Text: "Hi there", Images: 1}}, []string{"weather"})
	text := ""
	for _, s := range sc.Steps {
		switch s.Kind {
		case StepCall:
			text = strings.TrimSpace(text + " " + s.Name + " ")
		case StepText, StepReasoning, StepArgs:
			text += s.Text
		}
	}
	if text == UnicodeText {
		return "`" + strings.TrimSpace(strings.Split(text, "·")[0]) + " …`"
	}
	return "`" + strings.TrimSpace(strings.ReplaceAll(text, "|", "\\|")) + "`"
}
