package upstream

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/openai"
)

// inPath is a dialect that has model and streaming in the path, and its key in a header of its
// own; its bodies are openai's without a model. It stands for those that have it so.
type inPath struct{ translate.Dialect }

func (inPath) AppendPath(dst []byte, req *translate.Request) []byte {
	dst = append(append(dst, "/models/"...), url.PathEscape(req.Model)...)
	if req.Stream {
		return append(dst, ":stream?alt=sse"...)
	}
	return append(dst, ":generate"...)
}

func (inPath) FromPath(*translate.Request, string, string) error { panic("is for fronts") }

func (d inPath) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	if req.PassThrough {
		return append(dst, req.Raw...), nil
	}
	bare := *req
	bare.Model = "x"
	body, err := d.Dialect.AppendRequest(nil, &bare)
	return append(dst, bytes.Replace(body, []byte(`"model":"x",`), nil, 1)...), err
}

func TestADialectMayHaveModelAndStreamingInThePath(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, query      string
		stream, pass     bool
		want, wantedBody string
	}{
		{"whole", "", false, false, "POST /v1/models/a%2Fb%20c:generate", `{"messages":[{"role":"user","content":"hi"}]}`},
		{"whole with a query", "v=2", false, false, "POST /v1/models/a%2Fb%20c:generate?v=2", `{"messages":[{"role":"user","content":"hi"}]}`},
		{"stream", "", true, false, "POST /v1/models/a%2Fb%20c:stream?alt=sse", `{"messages":`},
		{"stream with a query", "v=2", true, false, "POST /v1/models/a%2Fb%20c:stream?alt=sse&v=2", `{"messages":`},
		{"passed through", "", true, true, "POST /v1/models/a%2Fb%20c:stream?alt=sse", `{"odd":1}`},
	} {
		for _, transport := range []string{"http1", "http2"} {
			t.Run(c.name+" over "+transport, func(t *testing.T) {
				t.Parallel()
				heads, bodies := make(chan string, 1), make(chan string, 1)
				srv := serveModern(t, func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					heads <- r.Method + " " + r.RequestURI + " with " + r.Header.Get("X-Own-Key")
					bodies <- string(body)
					kind, content := "application/json", wholeBody
					if c.stream {
						kind, content = "text/event-stream", answer
					}
					w.Header().Set("Content-Type", kind)
					_, _ = io.WriteString(w, content)
				}, false, protocols((*http.Protocols).SetHTTP1, (*http.Protocols).SetUnencryptedHTTP2))
				conf := &config.Channel{ID: "a", URL: srv.URL + "/v1", Transport: transport}
				if k, v, ok := strings.Cut(c.query, "="); ok {
					conf.Query = map[string]string{k: v}
				}
				up, err := newHTTP(conf, "k-1", Options{}, route{dialect: inPath{openai.Dialect}, auth: "X-Own-Key"})
				if err != nil {
					t.Fatal(err)
				}
				defer up.Close()
				req := &translate.Request{Dialect: "in path", Model: "a/b c", Stream: c.stream, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hi")}}
				if c.pass {
					req.PassThrough, req.Raw = true, []byte(`{"odd":1}`)
				}
				s, err := up.Open(t.Context(), req)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				head, body := <-heads, <-bodies
				if want := c.want + " with k-1"; head != want {
					t.Errorf("it was asked %s, not %s", head, want)
				}
				if !strings.HasPrefix(body, c.wantedBody) || strings.Contains(body, "model") {
					t.Errorf("the body is %s", body)
				}
				if _, err := s.Next(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Where a redirect points says nothing of the base of an address whose path is another one
// for each question.
func TestOfARedirectedQuestionWithAPathOfItsOwnNoAddressIsConcluded(t *testing.T) {
	t.Parallel()
	p := answering(t, always("HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/v1/models/m:generate\r\nContent-Length: 0\r\n\r\n"))
	up, err := newHTTP(&config.Channel{ID: "a", URL: p.url()}, "", Options{}, route{dialect: inPath{openai.Dialect}, auth: "bearer"})
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	_, err = ask(t, up, question("m", false))
	if e := fault(t, err); e.Cause == nil || strings.Contains(e.Cause.Error(), "set url") || !strings.Contains(e.Cause.Error(), "mend url") {
		t.Errorf("it is told %v", e.Cause)
	}
}
