package world

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// line is an HTTP connection that is kept while the server keeps it. Nothing runs
// in the background: a response is read where it is waited for.
type line struct {
	w    *World
	at   string // another address than the gateway's; empty: none
	conn net.Conn
	br   *bufio.Reader
	req  *http.Request
}

func (l *line) close() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// send writes one request; headers are pairs of names and values.
func (l *line) send(t testing.TB, method, path string, body []byte, headers ...string) {
	t.Helper()
	addr := cmp.Or(l.at, l.w.Addr)
	req, err := http.NewRequest(method, "http://"+addr+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
		} else if headers[i+1] != "" {
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	if l.conn == nil {
		l.conn = l.w.dial(t, addr)
		l.br = bufio.NewReader(l.conn)
	}
	l.req = req
	if err := req.Write(l.conn); err != nil {
		// The server may have refused without reading all of it; its answer tells.
		t.Logf("writing the request: %v", err)
	}
}

// receive waits for the head of the response.
func (l *line) receive(t testing.TB) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(l.br, l.req)
	if err != nil {
		t.Errorf("no response to %s %s: %v", l.req.Method, l.req.URL.Path, err)
		l.close()
		return &http.Response{StatusCode: 0, Header: http.Header{}, Body: http.NoBody}
	}
	if resp.Header.Get("X-Request-Id") == "" {
		t.Errorf("a response without X-Request-Id to %s %s", l.req.Method, l.req.URL.Path)
	}
	return resp
}

// Do sends a request with a body and returns status, header and body of the
// response.
func (w *World) Do(t testing.TB, method, path, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	return w.DoAt(t, w.Addr, method, path, body, headers...)
}

// DoAt is Do at another address of the gateway.
func (w *World) DoAt(t testing.TB, addr, method, path, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	l := &line{w: w, at: addr}
	defer l.close()
	return l.do(t, method, path, body, headers...)
}

func (l *line) do(t testing.TB, method, path, body string, headers ...string) (int, http.Header, string) {
	t.Helper()
	l.send(t, method, path, []byte(body), headers...)
	resp := l.receive(t)
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("%s %s: the body: %v", method, path, err)
	}
	if resp.Close {
		l.close()
	}
	return resp.StatusCode, resp.Header, string(got)
}

// event is one server-sent event.
type event struct {
	name string
	data string
}

// events reads server-sent events strictly: one optional event line, one data
// line, a blank line; comments stand alone.
type events struct{ r *bufio.Reader }

// next returns the next event. The error is io.EOF when the body ended well, and
// between two events.
func (e *events) next(t testing.TB) (event, error) {
	t.Helper()
	var ev event
	var lines int
	for {
		text, err := e.r.ReadString('\n')
		if err != nil {
			if text != "" || lines > 0 {
				t.Errorf("the stream ends within an event: %q", text)
			}
			return ev, err
		}
		text = strings.TrimSuffix(text, "\n")
		switch {
		case strings.HasSuffix(text, "\r"):
			t.Errorf("a line ends with CR LF: %q", text)
		case text == "" && lines == 0:
			// The end of a comment.
		case text == "":
			return ev, nil
		case strings.HasPrefix(text, ":") && lines == 0:
		case strings.HasPrefix(text, "event: ") && lines == 0:
			ev.name = text[len("event: "):]
			lines++
		case strings.HasPrefix(text, "data: ") && ev.data == "":
			ev.data = text[len("data: "):]
			lines++
		default:
			t.Errorf("not a line of an event stream in its place: %q", text)
		}
	}
}

// framed is a grammar whose streams are no server-sent events.
type framed interface {
	// contentType is that of a stream.
	contentType() string
	// next reads the next frame.
	next(t testing.TB, r *bufio.Reader) (event, error)
}

// httpTurn is a question to one of the HTTP fronts.
type httpTurn struct {
	l      *line
	stream bool
	grammar
	reply  Reply
	resp   *http.Response
	events events
	over   bool
}

// grammar is what the HTTP dialects differ in.
type grammar interface {
	// whole reads an answer in one piece.
	whole(t testing.TB, r *Reply, body []byte)
	// refused reads a body whose status is not 200.
	refused(t testing.TB, r *Reply, body []byte)
	// event reads one event of a stream and reports whether it added a piece.
	event(t testing.TB, r *Reply, ev event) (piece bool)
	// answered is called when the answer is over.
	answered(t testing.TB, r *Reply)
}

// Reply implements [Turn].
func (h *httpTurn) Reply() *Reply { return &h.reply }

// Leave implements [Turn].
func (h *httpTurn) Leave() { h.l.close() }

// Next implements [Turn].
func (h *httpTurn) Next(t testing.TB) bool {
	t.Helper()
	if h.over {
		return false
	}
	if h.resp == nil {
		h.resp = h.l.receive(t)
		h.reply.Status = h.resp.StatusCode
		h.reply.RetryAfter = h.resp.Header.Get("Retry-After")
		h.events.r = bufio.NewReader(h.resp.Body)
		if h.resp.StatusCode != 200 || !h.stream {
			h.inOne(t)
			return false
		}
		h.headers(t)
	}
	for {
		ev, err := h.frame(t)
		if err != nil {
			h.end(t, err)
			return false
		}
		if h.event(t, &h.reply, ev) {
			return true
		}
	}
}

// frame reads the next frame of a stream.
func (h *httpTurn) frame(t testing.TB) (event, error) {
	t.Helper()
	if own, ok := h.grammar.(framed); ok {
		return own.next(t, h.events.r)
	}
	return h.events.next(t)
}

// headers checks those of a stream (docs/rules/rest.md 3.2).
func (h *httpTurn) headers(t testing.TB) {
	t.Helper()
	kind := "text/event-stream; charset=utf-8"
	if own, ok := h.grammar.(framed); ok {
		kind = own.contentType()
	}
	for name, want := range map[string]string{"Content-Type": kind, "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Content-Encoding": "", "Content-Length": ""} {
		if got := h.resp.Header.Get(name); got != want {
			t.Errorf("%s of a stream is %q, want %q", name, got, want)
		}
	}
}

func (h *httpTurn) inOne(t testing.TB) {
	t.Helper()
	h.over = true
	body, err := io.ReadAll(h.resp.Body)
	if err != nil {
		t.Errorf("the body: %v", err)
	}
	if got := h.resp.Header.Get("Content-Type"); h.reply.Status != 0 && !strings.HasPrefix(got, "application/json") {
		t.Errorf("Content-Type of %d is %q: %.200s", h.reply.Status, got, body)
	}
	if h.reply.Status == 200 {
		h.whole(t, &h.reply, body)
	} else if h.reply.Status != 0 {
		h.refused(t, &h.reply, body)
		h.reply.Failed = true
	}
	if h.resp.Close {
		h.l.close()
	}
	h.answered(t, &h.reply)
}

func (h *httpTurn) end(t testing.TB, err error) {
	t.Helper()
	h.over = true
	if !errors.Is(err, io.EOF) {
		t.Errorf("the stream broke off: %v", err)
		h.l.close()
	} else if h.resp.Close {
		h.l.close()
	}
	if h.reply.Ended == h.reply.Failed {
		t.Errorf("the stream says neither end nor error, or both: %+v", h.reply)
	}
	h.answered(t, &h.reply)
}

// piece notes a piece of text, and reports that there was one.
func (r *Reply) piece(t testing.TB, text string) bool {
	t.Helper()
	if r.Ended || r.Failed {
		t.Errorf("text after the end: %q", text)
	}
	if text == "" {
		t.Error("an empty piece")
		return false
	}
	r.Text += text
	r.Pieces = append(r.Pieces, text)
	return true
}

// read decodes JSON into v and fails t when it cannot.
func read(t testing.TB, data []byte, v any) bool {
	t.Helper()
	if err := json.Unmarshal(data, v); err != nil {
		t.Errorf("%v in %.300s", err, data)
		return false
	}
	return true
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
