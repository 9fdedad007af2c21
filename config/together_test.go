package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What is wrong with a file in one place is told whatever is wrong in others: problems
// of reading it, and of what it means.
func TestEveryProblemIsToldWhateverElseIsWrong(t *testing.T) {
	t.Parallel()
	// Each is a line of the file's top, or of a channel, with one problem.
	tops := []string{
		"lissten: x", "colour: blue", "drain: soon", "balance: fair", "listen: nowhere", "timeouts: {connect: fast}", "timeouts: [1]", "limits: {a: {per: nobody}}",
		"presets: {p: {model: nosuch}}", "presets: {p: {modell: m0}}", "callers: {keys: [{name: a}]}", "callers: {anonymous: {models: [nosuch]}}", "store: {url: 'x:y'}", "admin: {listen: 1}", "drain: 1s\ndrain: 2s",
		"tls: {cert: c}", "proxy: nothing", "fallbacks: {m0: [nosuch]}", "prefix: x/", "openai: {max_body: big}", "rest: 5", "callers: {jwt: {jwks: 'ftp://x'}}", "store: ${UNSET}", "admin: {token: '${UNSET}'}",
	}
	channels := []string{
		"{id: %s, kind: opnai, url: 'https://h/v1', models: [m]}", "{id: %s, kind: openai, url: h/v1, models: [m]}", "{id: %s, kind: openai, url: 'https://h/v1', models: []}",
		"{id: %s, kind: openai, url: 'https://h/v1'}", "{id: %s, url: 'https://h/v1', models: [m]}", "{id: %s, kind: openai, models: [m]}", "{kind: openai, url: 'https://h/v1', models: [m]}",
		"{id: %s, kind: openai, url: 'https://h/v1', models: [m], colour: blue}", "{id: %s, kind: openai, url: 'https://h/v1', models: [m], tier: zero}",
		"{id: %s, kind: openai, url: 'https://h/v1', models: [m], keys: {a: b}}", "{id: %s, kind: openai, url: 'https://h/v1', models: [m], keys: ['${UNSET}']}",
		"{id: %s, kind: openai, url: 'https://h/v1', modles: [m]}", "{id: %s, kind: openai, url: 'https://h/v1', models: [{nam: m}]}", "{id: %s, kind: openai, url: 'https://h/v1', models: [m], weight: 0}",
		"{id: %s, kind: mock, url: 'https://h/v1', models: [m], headers: {Host: x}}", "{id: same, kind: mock, models: [m]}", "just a word", "[a, list]", "{id: %s, kind: openai, url: 'https://h/v1', models: [m], id: twice}",
		"{id: %s, kind: openai, url: [x], models: [m]}", "{id: %s, kind: [x], url: 'https://h/v1', models: [m]}", "{id: %s, kind: openai, url: 'https://h/v1', models: m}", "{id: %s, kind: openai, url: 'https://h/v1', models: [m], timeouts: {first: -1s}}",
		"{id: %s, kind: openai, url: '${UNSET}', models: [m]}", "{id: %s, kind: openai, url: 'https://h/v1', models: [m], fold: '{{'}", "null", "!tag {id: %s}", "*nowhere",
	}
	told := func(top, one, two string) []string {
		text := "channels:\n- {id: same, kind: mock, models: [m0]}\n"
		for i, c := range []string{one, two} {
			if c == "" {
				c = "{id: fine%s, kind: mock, models: [m]}"
			}
			text += "- " + strings.ReplaceAll(c, "%s", fmt.Sprint("c", i)) + "\n"
		}
		_, err := Load([]byte(text+top+"\n"), "f", lookup)
		var all *Problems
		if !errors.As(err, &all) {
			return nil
		}
		var lines []string
		for _, p := range all.All {
			lines = append(lines, p.In("f"))
		}
		return lines
	}
	// What names a model is right or wrong only where all channels' models can be read.
	unsure := func(w string, got []string) bool {
		names := strings.Contains(w, "no channel serves") || strings.Contains(w, "a model that a channel serves") || strings.Contains(w, "fallbacks")
		return names && slices.ContainsFunc(got, func(g string) bool {
			_, channel, _ := strings.Cut(g, "channels[")
			_, below, _ := strings.Cut(channel, "]")
			return channel != "" && (strings.HasPrefix(below, ":") || strings.HasPrefix(below, ".mod"))
		})
	}
	has := func(t *testing.T, where string, got, want []string) {
		for _, w := range want {
			if !slices.Contains(got, w) && !unsure(w, got) {
				t.Errorf("%s\nis not told of: %s\nbut of: %q", where, w, got)
			}
		}
	}
	for _, a := range tops {
		for _, c := range channels {
			has(t, a+"\n"+c, told(a, c, ""), told(a, "", ""))
			has(t, a+"\n"+c, told(a, c, ""), told("", c, ""))
		}
	}
	for _, a := range channels {
		for _, b := range channels {
			has(t, a+"\n"+b, told("", a, b), told("", a, ""))
			has(t, a+"\n"+b, told("", a, b), told("", "", b))
		}
	}
}

func TestAMisspeltKeyHidesNothingOfItsValue(t *testing.T) {
	t.Parallel()
	_, err := Load([]byte("channels:\n- {id: a, kimd: opnai, urll: h/v1, modells: []}\n- {idd: a, kind: openai, url: 'https://h', models: [m], wieght: none}\n- {id: b, kind: mock, modles: [m]}\npresets: {p: {model: nosuch}}\n"), "f", lookup)
	for _, want := range []string{
		`channels[0].kimd: unknown key; did you mean "kind"?`, `channels[0].kind: "opnai" is not known`, `channels[0].urll`, "channels[0].models: the channel serves no model",
		"channels[1].idd", "channels[1].id: channels[0] has this id already", "channels[1].weight: want a whole number", "channels[2].modles", `presets.p.model: no channel serves "nosuch"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "channels[2].models") {
		t.Errorf("what is fine but for its name is complained of: %v", err)
	}
}
