package upstream

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
)

func TestAChatnioChannelWithoutAKeyAsksAnonymously(t *testing.T) {
	t.Parallel()
	said := make(chan []string, 1)
	p := listen(t, func(l *link) {
		if !l.upgrade() {
			return
		}
		said <- l.heard(`"type":"chat"`)
		l.say(text(strings.Replace(first, "5", "-1", 1)) + text(delta) + text(last))
		l.gone()
	})
	up, err := New(&config.Channel{ID: "c", Kind: "chatnio", URL: wsURL(p)}, "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = up.Close() })
	a, err := ask(t, up, remembered("a", false))
	if err != nil || a.Text() != "Hi you" {
		t.Fatalf("%+v, %v", a, err)
	}
	all := <-said
	if len(all) != 3 || all[0] != `{"token":"anonymous","id":-1}` || !strings.Contains(all[1], `"type":"mask"`) {
		t.Errorf("it was sent %q", all)
	}
}
