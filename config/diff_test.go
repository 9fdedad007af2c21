package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const beforeText = `
listen: 127.0.0.1:8080
admin: {token: "${TOKEN}"}
callers:
  keys:
    - {name: alice, key: sk-alice-of-old, limits: std}
limits: {std: {requests: 60/m}, old: {concurrent: 2}}
presets: {default: {model: small, system: Be brief.}}
channels:
  - {id: a, kind: openai, url: "http://a.test/v1", keys: [sk-one], models: [small], weight: 3, headers: {X-Secret: very-hidden}}
  - {id: b, kind: mock, models: [small, {name: large, upstream: l}]}
  - {id: c, kind: mock, models: [small]}
`

func TestADifferenceNamesPlacesByWhatStandsThereAndShowsNoSecret(t *testing.T) {
	t.Parallel()
	after := strings.NewReplacer(
		"127.0.0.1:8080", "127.0.0.1:9090", "${TOKEN}", "${HARD}", "sk-alice-of-old", "sk-alice-anew", "60/m", "90/m", ", old: {concurrent: 2}", ", fresh: {concurrent: 2}",
		"sk-one", "sk-two", "weight: 3", "weight: 4", "very-hidden", "hidden-too", "upstream: l}", "upstream: ll, context: 9}",
		"  - {id: c, kind: mock, models: [small]}", "  - {id: d, kind: mock, models: [small], timeouts: {gap: 5s}}", "Be brief.", "Be long.").Replace(beforeText)
	got := Diff(load(t, beforeText), load(t, after))
	want := []Change{
		{"admin.token", 3, "changed", "***", "***", true},
		{"callers.keys[alice].key", 6, "changed", "***", "***", false},
		{"channels[a].headers.X-Secret", 10, "changed", "***", "***", false},
		{"channels[a].keys", 10, "changed", "***", "***", false},
		{"channels[a].weight", 10, "changed", "3", "4", false},
		{"channels[b].models[large].context", 11, "changed", "0", "9", false},
		{"channels[b].models[large].upstream", 11, "changed", "l", "ll", false},
		{"channels[c]", 0, "removed", "", "", false},
		{"channels[d]", 12, "added", "", "", false},
		{"limits.fresh", 7, "added", "", "", false},
		{"limits.old", 0, "removed", "", "", false},
		{"limits.std.requests", 7, "changed", "60/m", "90/m", false},
		{"listen", 2, "changed", "127.0.0.1:8080", "127.0.0.1:9090", true},
		{"presets.default.system", 8, "changed", "Be brief.", "Be long.", false},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(- want, + got)\n%s", diff)
	}
	if same := Diff(load(t, beforeText), load(t, "# a comment\n"+beforeText)); len(same) != 0 {
		t.Errorf("of the same configuration: %v", same)
	}
}

func TestAnotherOrderOfChannelsIsADifference(t *testing.T) {
	t.Parallel()
	a, b := "{id: a, kind: mock, models: [m]}", "{id: b, kind: mock, models: [m]}"
	got := Diff(load(t, "channels: ["+a+", "+b+"]"), load(t, "channels: ["+b+", "+a+"]"))
	if diff := cmp.Diff([]Change{{Path: "channels", Line: 1, Kind: "moved", Was: "a, b", Is: "b, a"}}, got); diff != "" {
		t.Error(diff)
	}
}

func TestAMaskedTextHasNoSecretAndGetsThemBack(t *testing.T) {
	t.Parallel()
	const text = `# müller's file
admin: {token: 'quo''ted-secret'}
callers:
  jwt: {secret: "dou\"ble-secret"}
  keys:
    - name: ähem
      key:   plain-secret   # of old
    - {name: bob, key: "${TOKEN}"}
    - {name: eve, key: &same aliased-secret}
    - {name: kim, key: plain-secret}
channels:
  - {id: a, kind: openai, url: "http://a.test/v1", keys: [key-secret, "${TOKEN}", "half-secret-${TOKEN}"], models: [plain-secrets], headers: {X-A: head-secret}, query: {q: query-secret}}
  - {id: b, kind: openai, url: "http://b.test/v1", keys: [*same, k], models: [k]}
`
	m := NewMasker([]byte("of this test"))
	got, err := m.Mask([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(strings.ReplaceAll(got, "plain-secrets", ""), "secret\"") || strings.Count(got, "-secret") != 1 {
		t.Errorf("a secret is shown:\n%s", got)
	}
	for _, stays := range []string{"${TOKEN}", "müller", "ähem", "of old", "models: [k]", "*same", "plain-secrets"} {
		if !strings.Contains(got, stays) {
			t.Errorf("%s is gone:\n%s", stays, got)
		}
	}
	if back := m.Unmask(got, []byte(text)); back != text {
		t.Errorf("put back:\n%s", cmp.Diff(text, back))
	}
	moved := strings.Replace(got, "name: bob", "name: rob", 1)
	if back := m.Unmask(moved, []byte(text)); Masked(back) || !strings.Contains(back, "rob") {
		t.Errorf("an edited text: %s", back)
	}
	if other := NewMasker([]byte("another")).Unmask(got, []byte(text)); !Masked(other) {
		t.Error("a masker with another key has put them back")
	}
}

func TestATextWhoseSecretCannotBeCutOutIsNotShown(t *testing.T) {
	t.Parallel()
	if got, err := NewMasker(nil).Mask([]byte("admin:\n  token: |\n    a-secret-of-its-own\n")); err == nil {
		t.Errorf("shown as %q", got)
	}
}
