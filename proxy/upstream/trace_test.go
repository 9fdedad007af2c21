package upstream

import (
	"net/http"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	aParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	aState  = "vendor=1,other=2"
)

// told returns the headers of a question that c asks a channel of these settings, at a server
// of these protocols.
func told(t *testing.T, c *translate.TraceContext, settings string, p *http.Protocols) http.Header {
	t.Helper()
	got := make(chan http.Header, 1)
	srv := serveModern(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Clone()
		streaming(w, r)
	}, false, p)
	up := reached(t, settings+`, url: "`+srv.URL+`"`, nil, Options{})
	q := question("m", true)
	q.Trace = c
	if a, err := ask(t, up, q); err != nil || a.Text() != "Hi you" {
		t.Fatal(a, err)
	}
	return <-got
}

func TestAServerIsToldOfTheSpan(t *testing.T) {
	t.Parallel()
	c, _ := translate.ParseTraceContext([]byte(aParent), []byte(aState))
	h1, h2 := protocols((*http.Protocols).SetHTTP1), protocols((*http.Protocols).SetUnencryptedHTTP2)
	for name, one := range map[string]struct {
		settings      string
		trace         *translate.TraceContext
		over          *http.Protocols
		parent, state string
	}{
		"http/1":              {`kind: openai`, &c, h1, aParent, aState},
		"http/2":              {`kind: openai, transport: http2`, &c, h2, aParent, aState},
		"without a state":     {`kind: openai`, &translate.TraceContext{TraceID: c.TraceID, SpanID: c.SpanID}, h1, aParent[:53] + "00", ""},
		"no span":             {`kind: openai`, nil, h1, "", ""},
		"one of the operator": {`kind: openai, headers: {Traceparent: mine}`, &c, h1, "mine", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := told(t, one.trace, one.settings, one.over)
			if got := h.Values("Traceparent"); len(got) > 1 || h.Get("Traceparent") != one.parent || h.Get("Tracestate") != one.state {
				t.Errorf("%q, %q", got, h.Get("Tracestate"))
			}
		})
	}
}
