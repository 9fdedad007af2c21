package proxy

import (
	"slices"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/translate"
)

// catalogue has the models m and n, and the presets default (m) and x (n).
func catalogue(t *testing.T, withDefault bool) *world {
	two := func(c *config.Channel) { c.Models = append(c.Models, config.Model{Name: "n", Upstream: "n"}) }
	c := conf(backend("a", two))
	c.Presets = map[string]config.Preset{"x": {Model: "n"}, "lost": {Model: "nobody"}}
	if withDefault {
		c.Presets["default"] = config.Preset{Model: "m", System: "s"}
	}
	return newWorld(t, c, nil)
}

func only(models ...string) *Caller {
	c, err := auth.New(&config.Callers{Anonymous: &config.Anonymous{Access: config.Access{Models: models}}}, nil).Named("")
	if err != nil {
		panic(err)
	}
	return c
}

func TestModelListsNameWhatTheCallerMayUse(t *testing.T) {
	t.Parallel()
	w := catalogue(t, true)
	for _, c := range []struct {
		caller *Caller
		want   []string
	}{
		{alice, []string{"m", "n", "default", "x"}},
		{only("n"), []string{"n", "x"}},
		{only("x"), []string{"x"}},
		{only("nothing"), nil},
	} {
		got := w.g.Models(c.caller)
		if !slices.Equal(got, c.want) {
			t.Errorf("%v: got %v, want %v", c.caller, got, c.want)
		}
		for _, name := range got {
			if _, err := w.g.Resolve(c.caller, name); err != nil {
				t.Errorf("%s is listed but %v", name, err)
			}
		}
	}
}

func TestANameIsResolvedToAModel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		def    bool
		caller *Caller
		name   string
		model  string
		preset bool
		code   translate.Code
	}{
		{true, alice, "m", "m", false, ""},
		{true, alice, "x", "n", true, ""},
		{true, alice, "", "m", true, ""},
		{false, alice, "", "m", false, ""},
		{false, only("n"), "", "n", false, ""},
		{true, only("n"), "", "", false, translate.CodePermission},
		{true, only("n"), "m", "", false, translate.CodePermission},
		{true, only("x"), "x", "n", true, ""},
		{true, only("x"), "n", "", false, translate.CodePermission},
		{true, alice, "nope", "", false, translate.CodeModelNotFound},
		{true, alice, "lost", "", false, translate.CodeModelNotFound},
	} {
		w := catalogue(t, c.def)
		m, err := w.g.Resolve(c.caller, c.name)
		switch {
		case c.code != "":
			if err == nil || err.Code != c.code {
				t.Errorf("%q: %v, want %s", c.name, err, c.code)
			}
		case err != nil:
			t.Errorf("%q: %v", c.name, err)
		case m.Name != c.model || (m.Preset != nil) != c.preset:
			t.Errorf("%q is %+v", c.name, m)
		}
	}
}
