package front_test

import (
	"regexp"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestEachQuestionOnASocketHasAnIdOfItsOwn(t *testing.T) {
	t.Parallel()
	for _, newClient := range world.Fronts {
		front := newClient(nil, "").Front()
		if front != "chatnio" && front != "iagent" {
			continue
		}
		t.Run(front, func(t *testing.T) {
			t.Parallel()
			w := world.Start(t, pair("openai"))
			c := newClient(w, key)
			for _, text := range []string{"one", "two"} {
				if r := world.Put(t, c, world.Ask{Model: "echo", Text: text}); !r.Ended {
					t.Fatal(r.Outcome())
				}
			}
			c.Close(t)
			lines := regexp.MustCompile(`msg=exchange id=(\S+) .*session=(\S+)`).FindAllStringSubmatch(w.Log.String(), -1)
			if len(lines) != 2 || lines[0][1] == lines[1][1] || lines[0][2] != lines[1][2] || lines[0][1] == lines[0][2] {
				t.Fatalf("logged: %q", lines)
			}
			for _, l := range lines {
				e, ok := w.Gateway.Explain(l[1])
				if !ok || e.Front != front || e.State != "done" || len(e.Attempts) != 1 {
					t.Errorf("%s: %v %+v", l[1], ok, e)
				}
			}
		})
	}
}
