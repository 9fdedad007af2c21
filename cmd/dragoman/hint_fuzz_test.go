package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

// What others say of a channel on the server that processes share may keep it from
// being asked for a while, and nothing else, whatever they say.
func FuzzAHintIsBelievedForAWhileOrIgnored(f *testing.F) {
	conf, err := config.Load([]byte("store: {url: \"memory:\"}\ncallers: {anonymous: {}}\nchannels: [{id: a, kind: openai, url: \"http://127.0.0.1:1/v1\", keys: [k], models: [m]}]\n"), "f", os.LookupEnv)
	if err != nil {
		f.Fatal(err)
	}
	st, err := embedded.Open("memory:")
	if err != nil {
		f.Fatal(err)
	}
	g, err := proxy.New(conf, st, openUpstream, slog.New(slog.DiscardHandler), proxy.Options{Tell: func(channel.Hint) {}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = g.Close(); _ = st.Close() })
	cell := g.HintCells()[0]
	for _, w := range []word{{"other", cell, 1000, 1000}, {"other", cell, -1 << 63, 1<<63 - 1}, {"self", cell, 5, 5}, {"other", "nobody", 5, 5}} {
		text, err := json.Marshal(w)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "12")
	}
	for _, text := range []string{"", "null", "[]", `{"cell":1}`, `{"open":1e99}`, `{"open":0.5}`} {
		f.Add(text, "9999999999999999999")
	}
	s := &shared{self: "self"}
	f.Fuzz(func(t *testing.T, message, left string) {
		s.heard(g, message)
		g.Hint(channel.Hint{Cell: cell, Open: millis(left), Cool: millis(left)})
		most := max(channel.HintOpenMost, channel.HintCoolMost) + time.Second
		for _, m := range g.Channels()[0].Keys[0].Models {
			if m.Seconds < 0 || m.Seconds > most.Seconds() {
				t.Errorf("%q and %q: %+v", message, left, m)
			}
		}
	})
}
