package front_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy"
)

const faultsHead = `# What a fault of a back end comes to

This page is made by ` + "`go test ./proxy/front -run TestTheWallOfFaults -update`" + `. The first table is measured: a channel of kind openai
fails in each way, and another one of a later tier would answer. The second is what clients see where there is no other
channel, or none may be asked; ` + "`TestEveryFailureIsToldInTheFrontsOwnForm`" + ` holds every front and every kind of channel to it.

A fault is named as the scripted model of ` + "`dragoman mock`" + ` has it. Text in quotes is what a stream has shown by then.

`

// TestTheWallOfFaults puts each fault in front of a channel that works, and writes down
// what becomes of the question.
func TestTheWallOfFaults(t *testing.T) {
	t.Parallel()
	text := callers + "channels:\n"
	for _, f := range failures {
		more := ""
		if f.model == "stallmid" {
			more = halting
		} else if f.on("openai").whole == "slow" {
			more = quick
		}
		text += channel("a-"+f.model, "openai", more, fmt.Sprintf("{name: to-%s, upstream: %s}", f.model, f.model)) +
			channel("b-"+f.model, "openai", "tier: 2", fmt.Sprintf("{name: to-%s, upstream: echo}", f.model))
	}
	w := world.Start(t, text)
	var out strings.Builder
	out.WriteString(faultsHead + "| fault | streamed: the client gets | the failed channel | another channel |\n|---|---|---|---|\n")
	for _, f := range failures {
		c := world.Fronts[0](w, key)
		r := world.Put(t, c, world.Ask{Model: "to-" + f.model, Text: "hi", Stream: true})
		c.Close(t)
		failed, other := cellsOf(w, f.model)
		asked := "not asked"
		if other.Requests > 0 {
			asked = "answered"
		}
		fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", f.model, r.Outcome(), verdictOn(failed), asked)
	}
	out.WriteString("\n| fault | | openai | anthropic | rest | chatnio | iagent |\n|---|---|---|---|---|---|---|\n")
	for _, f := range failures {
		for _, stream := range []bool{true, false} {
			way := map[bool]string{true: "streamed", false: "whole"}[stream]
			fmt.Fprintf(&out, "| `%s` | %s |", f.model, way)
			for _, front := range []string{"openai", "anthropic", "rest", "chatnio", "iagent"} {
				said := f.on("openai").outcome(front, stream)
				if front == "iagent" && stream || front == "chatnio" && !stream {
					said = "" // the dialect has but one way
				}
				fmt.Fprintf(&out, " %s |", said)
			}
			out.WriteString("\n")
		}
	}
	checkPage(t, "../../docs/faults.md", out.String())
}

// cellsOf are the records of the two channels of a fault.
func cellsOf(w *world.World, fault string) (failed, other proxy.ModelState) {
	for _, ch := range w.Gateway.Channels() {
		switch ch.ID {
		case "a-" + fault:
			failed = ch.Keys[0].Models[0]
		case "b-" + fault:
			other = ch.Keys[0].Models[0]
		}
	}
	return failed, other
}

// verdictOn says what one fault has done to the record of its channel.
func verdictOn(m proxy.ModelState) string {
	switch {
	case m.State == "throttled":
		return "cools down"
	case m.State == "aside":
		return "its key is set aside"
	case m.Failures == 1:
		return "one failure"
	case m.Failures > 1:
		return fmt.Sprintf("%d failures", m.Failures)
	}
	return "nothing is held against it"
}

func checkPage(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run it with -update; (- page, + measured):\n%s", diff)
	}
}
