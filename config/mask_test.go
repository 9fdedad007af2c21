package config

import (
	"strings"
	"testing"
)

func TestAnAddressIsMaskedWhereItHoldsAPassword(t *testing.T) {
	t.Parallel()
	m := NewMasker([]byte("k"))
	for url, hidden := range map[string]bool{
		"sqlite:dragoman.db":                         false,
		"postgres://dragoman:hunter2@db/d":           true,
		"postgres://db/d?user=u&password=hunter2":    true,
		"postgres://db/dragoman?sslmode=verify-full": false,
	} {
		shown, err := m.Mask([]byte("store: {url: \"" + url + "\"}\nchannels: []\n"))
		if err != nil || strings.Contains(shown, url) == hidden {
			t.Errorf("%s is shown as %q, %v", url, shown, err)
		}
	}
}

func TestOneOfTwoSharedServersIsAWarning(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"store: {url: \"postgres://h/d\"}":                                 "run one, or set shared.url",
		"shared: {url: \"redis://h\"}":                                     "each one's own",
		"store: {url: \"postgresql://h/d\"}\nshared: {url: \"redis://h\"}": "",
		"store: {url: \"sqlite:d\"}":                                       "",
	} {
		c, err := Load([]byte(text+"\nchannels: [{id: a, kind: mock, models: [m]}]\ncallers: {keys: [{key: sk-0123456789abcdef0123456789, name: n}]}\n"), "f", func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, w := range c.Warnings() {
			if w.Path == "store.url" {
				all = append(all, w.Message)
			}
		}
		if got := strings.Join(all, "; "); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
}
