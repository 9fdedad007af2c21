package front

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/openai"
)

// inPath is a dialect that has model and streaming in the path, and its key in a header of its
// own; its bodies are openai's without a model. It stands for those that have it so.
type inPath struct {
	translate.Dialect
	peeks bool // it leaves the body to be decoded by who needs it
}

const inPathBase = "/v9/models/"

func (inPath) Name() string { return "in path" }

func (inPath) AppendPath([]byte, *translate.Request) []byte { panic("is for channels") }

func (inPath) FromPath(req *translate.Request, path, query string) error {
	model, verb, ok := strings.Cut(strings.TrimPrefix(path, inPathBase), ":")
	req.Model, req.Stream = model, verb == "stream" && query == "alt=sse"
	if !ok || verb != "generate" && !req.Stream {
		return &translate.Error{Code: translate.CodeNotFound, Message: "no such verb"}
	}
	return nil
}

func (d inPath) DecodeRequest(req *translate.Request, body []byte) error {
	model, stream := req.Model, req.Stream
	err := d.Dialect.DecodeRequest(req, bytes.Replace(body, []byte("{"), []byte(`{"model":"x",`), 1))
	req.Dialect, req.Raw, req.Model, req.Stream = d.Name(), body, model, stream
	return err
}

func (d inPath) ScanRouting(req *translate.Request, body []byte) bool {
	if d.peeks {
		req.Dialect, req.Raw = d.Name(), body
	}
	return d.peeks
}

func TestADialectMayHaveModelAndStreamingInThePath(t *testing.T) {
	for _, peeks := range []bool{false, true} {
		f := Front{
			dialect: inPath{openai.Dialect, peeks},
			routes:  func() []Route { return []Route{{Method: "POST", Path: inPathBase + "{path:*}", Handle: (*call).ask}} },
			token:   func(c *call) string { return c.header("X-Own-Key") },
			limit:   func(*settings) int { return 1 << 20 },
		}
		t.Run(fmt.Sprint("peeked at ", peeks), func(t *testing.T) {
			inHouseOf(t, "echo", []*Front{&f}, func(t *testing.T, h *house) {
				for _, c := range []struct {
					path, key string
					status    int
					want      string
				}{
					{"echo:generate", "sk-alice", 200, `you said \"good morning\"`},
					{"echo:stream?alt=sse", "sk-alice", 200, "data: {"},
					{"none:generate", "sk-alice", 404, "model"},
					{"echo:stream", "sk-alice", 404, "no such verb"},
					{"echo:generate", "", 401, "error"},
				} {
					conn := h.dial()
					body := `{"messages":[{"role":"user","content":"good morning"}]}`
					if _, err := fmt.Fprintf(conn, "POST %s%s HTTP/1.1\r\nHost: x\r\nX-Own-Key: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", inPathBase, c.path, c.key, len(body), body); err != nil {
						t.Fatal(err)
					}
					resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err != nil {
						t.Fatal(err)
					}
					got, _ := io.ReadAll(resp.Body)
					if resp.StatusCode != c.status || !strings.Contains(string(got), c.want) {
						t.Errorf("%s: status %d, %s", c.path, resp.StatusCode, got)
					}
					if streams := strings.Contains(c.path, "stream?"); c.status == 200 && h.streams.Load() != streams {
						t.Errorf("%s: the channel was asked for a stream: %v", c.path, !streams)
					}
					_ = conn.Close()
				}
				h.mustBeIdle()
			})
		})
	}
}
