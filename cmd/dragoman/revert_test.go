package main

import (
	"os"
	"strings"
	"testing"
)

const revertConf = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0, token: operator-token}
store: {url: "memory:"}
callers: {keys: [{name: alice, key: sk-alice}]}
reload: {revert: {within: 1m, jump: 0.5, questions: 10}}
channels: [{id: a, kind: mock, models: [{name: m, upstream: echo}]}]
`

func TestABadConfigurationIsTakenBackByItself(t *testing.T) {
	t.Parallel()
	r := runServeOn(t, revertConf)
	for range 10 {
		if wrong := r.put("m", false); wrong != "" {
			t.Fatal(wrong)
		}
	}
	r.wants(200, `"path":"channels[a].models[m].upstream"`)(r.post("/api/configuration/apply", map[string]string{"text": strings.Replace(revertConf, "echo", "fail-500", 1)}))
	for range 10 {
		if r.put("m", false) == "" {
			t.Fatal("the bad configuration answers")
		}
	}
	r.logged("was taken back by itself")
	if text, err := os.ReadFile(r.file); err != nil || string(text) != revertConf {
		t.Errorf("%v, the file says %s", err, text)
	}
	if wrong := r.put("m", false); wrong != "" {
		t.Errorf("after it: %s", wrong)
	}
	r.wants(200, `"how":"revert"`, `100 % of 10 questions failed, 0 % did before`)(r.call("GET", r.operator+"/api/configuration/history", "operator-token"))
}
