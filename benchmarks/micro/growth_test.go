package micro

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/dialects"
)

// BenchmarkChannels is one whole answer of a model inside the process, that as many
// channels offer: the time must not depend on their number, whatever chooses.
func BenchmarkChannels(b *testing.B) {
	for _, policy := range []string{"p2c", "weighted", "busy", "hash"} {
		for _, n := range []int{1, 10, 100, 1000} {
			text := new(strings.Builder)
			for i := range n {
				fmt.Fprintf(text, "- {id: mock-%d, kind: mock, models: [long-1, other-%d]}\n", i, i)
			}
			fmt.Fprintf(text, "balance: %s\n", policy)
			g, _, _ := openGateway(b, text.String())
			for _, model := range []string{"long-1", "other-0"} {
				name := map[string]string{"long-1": "offered by all", "other-0": "offered by one"}[model]
				b.Run(fmt.Sprintf("%s/%s/of=%d", policy, name, n), func(b *testing.B) {
					a := newAsker(b, g, dialects.All[0], model, false)
					b.ReportAllocs()
					for b.Loop() {
						a.ask(b)
					}
				})
			}
		}
	}
}

// BenchmarkConversations is one turn of a conversation, among many in the store of
// the process: found by who is talking, answered and stored.
func BenchmarkConversations(b *testing.B) {
	for _, n := range []int{10, 1_000_000} {
		st, err := embedded.Open("memory:")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = st.Close() })
		for i := range n {
			c := &store.Conversation{ID: fmt.Sprint("conv_", i), Owner: "bench", User: fmt.Sprint("u", i), Key: fmt.Sprint("k", i)}
			turn := store.Turn{Model: "m", At: 1, Messages: []store.Message{{Message: translate.TextMessage(translate.RoleUser, "hello")}}}
			if err := st.Append(b.Context(), c, turn); err != nil {
				b.Fatal(err)
			}
		}
		for name, ref := range map[string]store.Ref{"key": {Key: "k7"}, "user": {User: "u7"}, "id": {ID: "conv_7"}} {
			b.Run(fmt.Sprintf("found by %s/of=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := st.Load(b.Context(), "bench", ref, store.Newest(20)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		b.Run(fmt.Sprintf("one more turn/of=%d", n), func(b *testing.B) {
			c, err := st.Load(b.Context(), "bench", store.Ref{ID: "conv_7"}, store.Newest(1))
			if err != nil {
				b.Fatal(err)
			}
			turn := store.Turn{Model: "m", At: 2, Messages: []store.Message{{Message: translate.TextMessage(translate.RoleUser, "hello")}}}
			b.ReportAllocs()
			for b.Loop() {
				if err := st.Append(b.Context(), c, turn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkCallers finds a caller by its key and answers a question of it, with as
// many callers in the configuration.
func BenchmarkCallers(b *testing.B) {
	for _, n := range []int{10, 1_000_000} {
		_, conf, log := openGateway(b, mockChannel)
		for i := range n {
			conf.Callers.Keys = append(conf.Callers.Keys, config.Key{Name: fmt.Sprint("caller-", i), Key: fmt.Sprint("sk-", i)})
		}
		st, err := embedded.Open("memory:")
		if err != nil {
			b.Fatal(err)
		}
		g, err := proxy.New(conf, st, func(c *config.Channel, key string) (proxy.Upstream, error) {
			return upstream.New(c, key, upstream.Options{})
		}, log, proxy.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _, _ = g.Close(), st.Close() })
		b.Run(fmt.Sprintf("of=%d", n), func(b *testing.B) {
			a := newAsker(b, g, dialects.All[0], "long-1", false)
			keys := make([]string, min(n, 10_000)) // what is in the memory of a processor does not count
			for i := range keys {
				keys[i] = fmt.Sprint("sk-", i*(n/len(keys)))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				var wrong *translate.Error
				if a.caller, wrong = g.Identify(keys[i%len(keys)], ""); wrong != nil {
					b.Fatal(wrong)
				}
				a.ask(b)
			}
		})
	}
}
