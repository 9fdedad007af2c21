package front_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
)

// hiddenSecret is one of the configuration, which alice knows by chance.
const hiddenSecret = "the-secret-of-signed-tokens"

// keptForms are those of the only exchange that w keeps.
func keptForms(t *testing.T, w *world.World) *capture.Forms {
	t.Helper()
	_, kept, _ := w.Gateway.Captures().State()
	if len(kept) != 1 {
		t.Fatalf("%d exchanges are kept: %+v", len(kept), kept)
	}
	f, ok := w.Gateway.Captured(kept[0].ID, "alice", kept[0].At)
	if !ok {
		t.Fatal("it cannot be read")
	}
	return f
}

// Each front to the kind of its own dialect, through which a question passes, and to another one.
func TestACapturedExchangeHasAllItsForms(t *testing.T) {
	t.Parallel()
	for i, newClient := range world.Fronts {
		for _, kind := range []string{newClient(nil, "").Front(), config.Kinds[i].Name, "mock"} {
			t.Run(newClient(nil, "").Front()+" to "+kind, func(t *testing.T) {
				t.Parallel()
				w := world.Start(t, strings.Replace(callers, "}\n", ", jwt: {secret: "+hiddenSecret+"}}\n", 1)+"channels:\n"+channel("bad", kind, "tier: 1", "{name: echo, upstream: fail-503}")+channel("up", kind, "tier: 2", "echo"))
				refused := false
				ways(t, func() world.Client { return newClient(w, key) }, func(t *testing.T, c world.Client, a world.Ask) {
					w.Gateway.Captures().Clear()
					if _, err := w.Gateway.Captures().On("alice", "me", time.Hour); err != nil {
						t.Fatal(err)
					}
					a.Model, a.Text = "echo", "tell "+hiddenSecret
					if r := world.Put(t, c, a); !r.Ended || !strings.Contains(r.Text, "you said") {
						t.Fatal(r.Outcome())
					}
					f := keptForms(t, w)
					checkForms(t, f, kind)
					// A channel that throttles is not asked again for the second of the ways.
					if one := f.Attempts[0]; one.Channel == "bad" && one.Model == "fail-503" && (kind == "chatnio" || one.Came.Bytes > 0) {
						refused = true
					}
				})
				if !refused {
					t.Error("the attempt that failed is not kept")
				}
			})
		}
	}
}

// checkForms: the question is in the forms of the way there, the answer in those of the way back,
// the failure of the first channel in its attempt, and a key in none.
func checkForms(t *testing.T, f *capture.Forms, kind string) {
	t.Helper()
	has := func(form string, got capture.Form, want string) {
		t.Helper()
		if !strings.Contains(got.Text, want) || strings.Contains(got.Text, hiddenSecret) || got.Cut || got.Bytes == 0 {
			t.Errorf("%s is %+v", form, got)
		}
	}
	has("as it was asked", f.Asked, "tell [key]")
	has("as it was understood", f.Canonical, "\"text\": \"tell [key]")
	n := len(f.Attempts)
	if n == 0 || f.Attempts[n-1].Channel != "up" {
		t.Fatalf("%+v", f.Attempts)
	}
	for _, a := range f.Attempts {
		has("as it was sent to "+a.Channel, a.Sent, "tell [key]")
	}
	has("the answer of "+kind, f.Attempts[n-1].Came, "you said")
	has("as it was told", f.Told, "you said")
}

func TestNothingIsKeptOfWhoeverIsNotCaptured(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "echo"))
	ask := func() {
		c := world.Fronts[0](w, key)
		defer c.Close(t)
		world.Put(t, c, world.Ask{Model: "echo", Text: "hi"})
	}
	kept := func() int {
		_, kept, _ := w.Gateway.Captures().State()
		return len(kept)
	}
	ask()
	if _, err := w.Gateway.Captures().On("bob", "me", time.Hour); err != nil {
		t.Fatal(err)
	}
	ask()
	if n := kept(); n != 0 {
		t.Errorf("%d are kept of another caller", n)
	}
	if _, err := w.Gateway.Captures().On("alice", "me", time.Hour); err != nil {
		t.Fatal(err)
	}
	ask()
	w.Gateway.Captures().Off("alice")
	ask()
	if n := kept(); n != 1 {
		t.Errorf("%d are kept", n)
	}
}

func TestARefusalIsKeptAsItsClientGotIt(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "{name: echo, upstream: fail-400}"))
	for _, stream := range []bool{false, true} {
		w.Gateway.Captures().Clear()
		if _, err := w.Gateway.Captures().On("alice", "me", time.Hour); err != nil {
			t.Fatal(err)
		}
		c := world.Fronts[0](w, key)
		r := world.Put(t, c, world.Ask{Model: "echo", Text: "hi", Stream: stream})
		c.Close(t)
		f := keptForms(t, w)
		if !r.Failed || !strings.Contains(f.Told.Text, r.Message) || len(f.Attempts) != 1 || !strings.Contains(f.Attempts[0].Came.Text, `"error"`) {
			t.Errorf("%s: %+v", r.Outcome(), f)
		}
	}
}
