package upstream

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate/ollama"
	"github.com/dragoman-gateway/dragoman/translate/responses"
	"github.com/dragoman-gateway/dragoman/translate/rest"
)

// kind makes the upstreams of one kind of channel.
type kind func(conf *config.Channel, key string, o Options) (Upstream, error)

// kinds is the table of all kinds; it is never changed.
var kinds = map[string]kind{
	"openai":    newOpenAI,
	"anthropic": newAnthropic,
	"responses": httpKind(route{dialect: responses.Dialect, whole: "/responses", stream: "/responses", auth: "bearer"}),
	"gemini":    newGemini,
	"ollama":    newOllama,
	"rest":      newRest,
	"chatnio":   newSocket,
	"iagent":    newShared,
	"mock":      newMock,
}

// maxRestEvent bounds one event of a rest channel, as its protocol has it.
const maxRestEvent = 1 << 20

func newRest(conf *config.Channel, key string, o Options) (Upstream, error) {
	up, err := newHTTP(conf, key, o, route{dialect: rest.Dialect, whole: "/api/chat", stream: "/api/chat/stream", auth: "bearer"})
	if u, ok := up.(*httpUpstream); ok {
		u.event = maxRestEvent
	}
	return up, err
}

// newOllama is a channel of Ollama's, whose address its users know with /api and without.
func newOllama(conf *config.Channel, key string, o Options) (Upstream, error) {
	of := *conf
	of.URL = strings.TrimSuffix(strings.TrimRight(conf.URL, "/"), "/api")
	return newHTTP(&of, key, o, route{dialect: ollama.Dialect, auth: "bearer", lines: true})
}

// httpKind is the kind of an HTTP dialect: one POST for each question.
func httpKind(r route) kind {
	return func(conf *config.Channel, key string, o Options) (Upstream, error) { return newHTTP(conf, key, o, r) }
}

// New returns an upstream for conf with one of its keys, which may be empty. It
// neither dials nor starts anything. Errors name neither the key nor the
// address.
func New(conf *config.Channel, key string, o Options) (Upstream, error) {
	open := kinds[conf.Kind]
	if open == nil {
		return nil, fmt.Errorf("channel %q: unknown kind %q", conf.ID, conf.Kind)
	}
	if o.Chance == nil {
		o.Chance = rand.Int64N
	}
	up, err := open(conf, key, o)
	if err != nil {
		return nil, fmt.Errorf("channel %q: %w", conf.ID, err)
	}
	return up, nil
}
