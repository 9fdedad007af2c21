package sdktest

import (
	"context"
	"net/http"
	"testing"
)

// client is one library behind the same few words as the others.
type client interface {
	whole(ctx context.Context, q *question) (*reply, error)
	// stream calls each for every piece of text, as it comes.
	stream(ctx context.Context, q *question, each func(piece string)) (*reply, error)
	models(ctx context.Context) ([]string, error)
	// model returns the id of one model.
	model(ctx context.Context, id string) (string, error)
	// fault reads the library's own typed error; ok is false for any other.
	fault(err error) (f fault, ok bool)
}

// library makes clients.
type library struct {
	name string
	// dialect is the front that the library speaks to.
	dialect string
	// retries tells that the library comes back by itself after a 429.
	retries bool
	dial    func(o options) client
}

// options are what a client is made of.
type options struct {
	url     string // of the gateway
	key     string
	retries int
	http    http.RoundTripper
}

var libraries = []library{
	{name: "openai-go", dialect: "openai", retries: true, dial: dialOpenAI},
	{name: "anthropic-sdk-go", dialect: "anthropic", retries: true, dial: dialAnthropic},
	{name: "sashabaranov", dialect: "openai", dial: dialSashabaranov},
}

// question is what is asked.
type question struct {
	model  string
	system string
	turns  []turn
	tools  []string // names of functions that take {"q": string}
}

// turn is one message: of a user, of the model, or the results of its calls.
type turn struct {
	role    string // user, assistant, tool
	text    string
	images  []string // data URIs
	calls   []call
	results []result
}

type call struct{ id, name, args string }

type result struct{ id, text string }

// reply is an answer; finish is stop, length, tool or filter.
type reply struct {
	text, reasoning string
	finish          string
	model           string
	calls           []call
	in, out         int64
}

// fault is an error of the library.
type fault struct {
	status int    // 0: it came in a stream that had begun
	kind   string // the type in the error object
	code   string // openai only
}

// ask is a question of one user message.
func ask(model, text string) *question {
	return &question{model: model, turns: []turn{{role: "user", text: text}}}
}

// with runs test for each library against w.
func (w *world) with(t *testing.T, test func(t *testing.T, l *library, c client)) {
	t.Helper()
	for i := range libraries {
		l := &libraries[i]
		t.Run(l.name, func(t *testing.T) {
			test(t, l, l.dial(options{url: w.url, key: clientKey, http: http.DefaultTransport}))
		})
	}
}

// through runs test for each library and each kind of channel.
func (w *world) through(t *testing.T, kinds []string, test func(t *testing.T, c client, kind string)) {
	t.Helper()
	w.with(t, func(t *testing.T, _ *library, c client) {
		for _, kind := range kinds {
			t.Run(kind, func(t *testing.T) { test(t, c, kind) })
		}
	})
}
