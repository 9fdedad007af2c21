package config

import (
	"strings"
	"testing"
)

func TestTheDigestTellsWhatAProcessDoesAndNotWhereItIs(t *testing.T) {
	t.Parallel()
	const text = `
listen: 127.0.0.1:8080
store: {url: "memory:"}
limits: {few: {requests: 10/m}, many: {requests: 20/m}}
callers: {keys: [{name: alice, key: sk-a-key-of-alice-1234, limits: few}]}
channels: [{id: a, kind: openai, url: "http://127.0.0.1:1", keys: [one], headers: {X-One: "1"}, models: [m]}]
`
	digest := func(text string) string {
		t.Helper()
		c, err := Load([]byte(text), "x", func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		return Digest(c)
	}
	first := digest(text)
	if again := digest(text); len(first) != 16 || again != first {
		t.Errorf("%s, and then %s", first, again)
	}
	for _, same := range [][2]string{{"127.0.0.1:8080", "127.0.0.1:9090"}, {"memory:", "sqlite:x.db"}, {"sk-a-key", "sk-b-key"}, {"keys: [one]", "keys: [two]"}, {`X-One: "1"`, `X-One: "2"`}, {"limits: {few: {requests: 10/m}, many: {requests: 20/m}}", "limits: {many: {requests: 20/m}, few: {requests: 10/m}}"}} {
		if got := digest(strings.Replace(text, same[0], same[1], 1)); got != first {
			t.Errorf("with %s it is %s, not %s", same[1], got, first)
		}
	}
	for _, other := range [][2]string{{"10/m", "11/m"}, {"models: [m]", "models: [m, n]"}, {"limits: few", "limits: many"}, {"127.0.0.1:1", "127.0.0.1:2"}, {"name: alice", "name: bob"}} {
		if got := digest(strings.Replace(text, other[0], other[1], 1)); got == first {
			t.Errorf("with %s it is the same", other[1])
		}
	}
}
