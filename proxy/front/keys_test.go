package front_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

func TestAKeyThatAnotherProcessAddsWorksAtOnceAndIsRefusedSoonAfterItIsRevoked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys.db")
	w := world.Start(t, "store: {url: \"sqlite:"+file+"\"}\nchannels:\n"+channel("up", "openai", "", "echo"))
	beside, err := embedded.Open("sqlite:" + file) // as dragoman key does
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = beside.Close() }()
	secret, key := auth.NewKey("alice", config.Access{}, time.Time{})
	keys := beside.(store.Keyer)
	if err := keys.AddKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	for _, p := range posts {
		status, _, body := w.Do(t, "POST", p.path, p.body, "Authorization", "Bearer "+secret, "anthropic-version", "2023-06-01")
		if status != 200 {
			t.Errorf("%s: %d %s", p.name, status, body)
		}
	}
	if err := keys.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	w.Eventually(t, "the revoked key is refused", func() bool {
		status, _, _ := w.Do(t, "GET", "/v1/models", "", "Authorization", "Bearer "+secret)
		return status == 401
	})
	if strings.Contains(w.Log.String(), secret) {
		t.Error("the key is in the log")
	}
}

func TestAnAddressWithTooManyBadKeysIsToldToComeBackLater(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+"}]}\nchannels:\n"+channel("up", "openai", "", "echo"))
	const question = `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`
	limited := 0
	// Half of one is forgiven each second.
	for n := 0; limited < 5; n++ {
		if n == 1000 {
			t.Fatalf("%d of %d bad keys were slowed", limited, n)
		}
		status, head, body := w.Do(t, "POST", "/v1/chat/completions", question, "Authorization", "Bearer sk-a-guess")
		switch {
		case status == 429 && head.Get("Retry-After") != "":
			if limited++; n < 30 {
				t.Errorf("bad key %d was slowed already", n)
			}
		case status != 401:
			t.Fatalf("%d %s", status, body)
		}
	}
	if status, _, body := w.Do(t, "POST", "/v1/chat/completions", question, "Authorization", "Bearer "+key); status != 200 {
		t.Errorf("a good key of the same address: %d %s", status, body)
	}
}

func TestAChatnioSocketIsWorthWhatItsKeyIs(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "store: {url: \"memory:\"}\nchannels:\n"+channel("up", "openai", "", "echo"))
	secret, key, err := w.Gateway.MakeKey(t.Context(), "alice", config.Access{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	c := world.NewChatnio(w, secret, 0)
	defer c.Close(t)
	for _, text := range []string{"one", "two"} {
		if r := world.Put(t, c, world.Ask{Model: "echo", Text: text}); r.Failed {
			t.Fatal(r.Outcome())
		}
	}
	if err := w.Gateway.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if r := world.Put(t, c, world.Ask{Model: "echo", Text: "three"}); r.Outcome() != "end not authenticated error" {
		t.Errorf("a revoked key: %s", r.Outcome())
	}
	c.Send(t, map[string]any{"type": "remove", "message": "0"}) // which is never answered
	stored, err := w.Gateway.Store().Load(t.Context(), "alice", store.Ref{Num: 1}, store.Window{})
	if err != nil || len(stored.Messages) != 4 {
		t.Errorf("%v, %v", stored, err)
	}
}

func TestWhatAReloadChangesOfACallerHoldsOnOpenSockets(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "callers: {keys: [{name: alice, key: "+key+"}]}\nchannels:\n"+channel("up", "openai", "", "echo"))
	chat, crowd := world.NewChatnio(w, key, 0), world.NewIAgent(w, key)
	for _, c := range []world.Client{chat, crowd} {
		defer c.Close(t)
		if r := world.Put(t, c, world.Ask{Model: "echo", Text: "hi"}); r.Failed {
			t.Fatal(r.Outcome())
		}
	}
	conf := *w.Conf
	conf.Callers.Keys = slices.Clone(conf.Callers.Keys)
	conf.Callers.Keys[0].Models = []string{"another"}
	if err := w.Gateway.Apply(&conf); err != nil {
		t.Fatal(err)
	}
	for _, c := range []world.Client{chat, crowd} {
		if r := world.Put(t, c, world.Ask{Model: "echo", Text: "hi"}); !r.Failed {
			t.Errorf("%s: a model that is not for this caller any more: %s", c.Front(), r.Outcome())
		}
	}
}
