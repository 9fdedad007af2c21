package mockmodel

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// rig is a server on a real socket.
type rig struct {
	*Server
	t    *testing.T
	addr string
	http *http.Client
}

func start(t *testing.T, opts Options) *rig {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if opts.Log == nil {
		opts.Log = t.Logf
	}
	r := &rig{Server: New(opts), t: t, addr: ln.Addr().String(), http: &http.Client{Transport: &http.Transport{}}}
	done := make(chan error, 1)
	go func() { done <- r.Serve(ln) }()
	t.Cleanup(func() {
		r.http.CloseIdleConnections()
		r.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

// call sends one HTTP request and returns the whole response; err is that of
// reading it.
func (r *rig) call(method, path, body string, headers ...string) (status int, h http.Header, answer string, err error) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, "http://"+r.addr+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.http.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, string(b), err
}

// eventually waits for a condition that another goroutine brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func object(t *testing.T, s string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		t.Fatalf("%v in %q", err, s)
	}
	return v
}

// events splits a stream of server-sent events into the data of each.
func events(t *testing.T, body string) (data []string) {
	t.Helper()
	for _, ev := range strings.Split(strings.TrimSuffix(body, "\n\n"), "\n\n") {
		lines := strings.Split(ev, "\n")
		last, ok := strings.CutPrefix(lines[len(lines)-1], "data: ")
		if !ok {
			t.Fatalf("no data line in %q", ev)
		}
		data = append(data, last)
	}
	return data
}

func chatBody(model, text string, stream bool) string {
	b, _ := json.Marshal(map[string]any{"model": model, "stream": stream, "messages": []any{
		map[string]any{"role": "system", "content": "be brief"},
		map[string]any{"role": "user", "content": text}}})
	return string(b)
}

const openaiPath = "/v1/chat/completions"

type openaiChunk struct {
	ID      string
	Object  string
	Model   string
	Choices []struct {
		Delta struct {
			Role      string
			Content   *string
			Reasoning string `json:"reasoning_content"`
			ToolCalls []struct {
				Index    int
				ID       string
				Type     string
				Function struct{ Name, Arguments string }
			} `json:"tool_calls"`
		}
		FinishReason *string `json:"finish_reason"`
	}
	Usage *struct {
		Prompt     int `json:"prompt_tokens"`
		Completion int `json:"completion_tokens"`
		Total      int `json:"total_tokens"`
	}
}

// stream asks in a stream and returns its chunks, and whether [DONE] came.
func (r *rig) stream(model, extra string) (chunks []openaiChunk, done bool) {
	r.t.Helper()
	body := strings.Replace(chatBody(model, "hi", true), "{", "{"+extra, 1)
	status, h, answer, err := r.call("POST", openaiPath, body)
	if err != nil || status != 200 || !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
		r.t.Fatalf("%s: status %d, %v, %v", model, status, h, err)
	}
	for _, d := range events(r.t, answer) {
		if done {
			r.t.Errorf("%s: %q after [DONE]", model, d)
		}
		if d == "[DONE]" {
			done = true
			continue
		}
		var c openaiChunk
		if err := json.Unmarshal([]byte(d), &c); err != nil {
			r.t.Fatalf("%s: %v in %q", model, err, d)
		}
		chunks = append(chunks, c)
	}
	return chunks, done
}

func TestOpenAIStreamsRolePiecesFinishAndDone(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	chunks, done := r.stream("gpt-4o", "")
	if len(chunks) != 7 || !done {
		t.Fatalf("%d chunks, done %v", len(chunks), done)
	}
	if c := chunks[0]; c.Choices[0].Delta.Role != "assistant" || c.Object != "chat.completion.chunk" || c.Model != "gpt-4o" || c.Usage != nil {
		t.Errorf("first chunk %+v", c)
	}
	text := ""
	for _, c := range chunks[:6] {
		text += *c.Choices[0].Delta.Content
		if c.Choices[0].FinishReason != nil || c.ID != chunks[0].ID {
			t.Errorf("chunk %+v", c)
		}
	}
	if text != `Hello, you said "hi" (n=1)` {
		t.Errorf("text %q", text)
	}
	if f := chunks[6].Choices[0].FinishReason; f == nil || *f != "stop" {
		t.Errorf("finish %v", f)
	}
}

func TestOpenAIReportsUsageInAStreamOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	chunks, _ := r.stream("echo", `"stream_options":{"include_usage":true},`)
	last := chunks[len(chunks)-1]
	if len(last.Choices) != 0 || last.Usage == nil || last.Usage.Prompt != 3 || last.Usage.Completion != 5 || last.Usage.Total != 8 {
		t.Errorf("last chunk %+v", last)
	}
	if chunks, _ = r.stream("nousage", `"stream_options":{"include_usage":true},`); chunks[len(chunks)-1].Usage != nil {
		t.Errorf("nousage reports usage")
	}
}

func TestOpenAIAnswersInOnePiece(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	_, h, body, err := r.call("POST", openaiPath, chatBody("reason-tool", "where?", false))
	if err != nil || h.Get("Content-Type") != "application/json" {
		t.Fatalf("%v, %v", h, err)
	}
	want := `"choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":null,"reasoning_content":"Let me think.",` +
		`"tool_calls":[{"id":"call_1","type":"function","function":{"name":"lookup","arguments":"{\"q\":\"where?\"}"}}]},` +
		`"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":6,"total_tokens":9}}`
	if !strings.HasSuffix(body, want) || object(t, body)["object"] != "chat.completion" {
		t.Errorf("body %s", body)
	}
}

func TestOpenAIStreamsToolCallsAndReasoning(t *testing.T) {
	t.Parallel()
	chunks, _ := start(t, Options{}).stream("reason-tools", "")
	var reasoning string
	var args, names [2]string
	for _, c := range chunks {
		for _, ch := range c.Choices {
			reasoning += ch.Delta.Reasoning
			for _, tc := range ch.Delta.ToolCalls {
				args[tc.Index] += tc.Function.Arguments
				names[tc.Index] += tc.ID + tc.Function.Name
			}
		}
	}
	if reasoning != "Let me think." || args != [2]string{`{"q":"hi"}`, `{"q":"hi"}`} || names != [2]string{"call_1lookup", "call_2lookup"} {
		t.Errorf("%q %q %q", reasoning, args, names)
	}
}

func TestOpenAIRefusesInTheVendorsForm(t *testing.T) {
	t.Parallel()
	r := start(t, Options{Keys: []string{"sk-good"}})
	good := []string{"Authorization", "Bearer sk-good"}
	tests := []struct {
		body   string
		key    []string
		status int
		kind   string
		code   any
	}{
		{chatBody("fail-429-retry-3", "hi", true), good, 429, "requests", "rate_limit_exceeded"},
		{chatBody("fail-503", "hi", false), good, 503, "server_error", nil},
		{chatBody("context", "hi", false), good, 400, "invalid_request_error", "context_length_exceeded"},
		{chatBody("echo", "hi", false), nil, 401, "invalid_request_error", "invalid_api_key"},
		{chatBody("", "hi", false), good, 400, "invalid_request_error", nil},
		{`{"model":"m","messages":[]}`, good, 400, "invalid_request_error", nil},
		{`{"model":"m","messages":[{"role":"tool","tool_call_id":"x","content":"y"}]}`, good, 400, "invalid_request_error", nil},
		{`{`, good, 400, "invalid_request_error", nil},
	}
	for _, test := range tests {
		status, h, body, err := r.call("POST", openaiPath, test.body, test.key...)
		e, _ := object(t, body)["error"].(map[string]any)
		if err != nil || status != test.status || e["type"] != test.kind || e["code"] != test.code || e["message"] == "" {
			t.Errorf("%s: status %d, %v, %v", test.body, status, e, err)
		}
		if test.status == 429 && h.Get("Retry-After") != "3" {
			t.Errorf("Retry-After %q", h.Get("Retry-After"))
		}
	}
}

func TestOpenAIFaultsBreakTheStreamWhereTheySay(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	tests := []struct {
		model string
		cut   bool // reading the response fails
		want  int  // pieces of text
		has   string
	}{
		{"cut0", true, 0, `"role":"assistant"`},
		{"cut", true, 2, `"content":", "`},
		{"garbage", false, 0, "<html>"},
		{"garbagemid", false, 2, "<html>"},
		{"empty", false, 0, "[DONE]"},
		{"blank", false, 0, ""},
		{"error200", false, 0, `{"error":{`},
		{"errormid", false, 2, `{"error":{`},
		{"noend", false, 5, "(n=1)"},
	}
	for _, test := range tests {
		status, _, body, err := r.call("POST", openaiPath, chatBody(test.model, "hi", true))
		if status != 200 || (err != nil) != test.cut {
			t.Errorf("%s: status %d, %v", test.model, status, err)
		}
		pieces := strings.Count(body, `"delta":{"content":"`)
		if pieces != test.want || !strings.Contains(body, test.has) {
			t.Errorf("%s: %d pieces in %q", test.model, pieces, body)
		}
		if done := strings.Contains(body, "[DONE]"); done != (test.model == "empty") {
			t.Errorf("%s: done %v", test.model, done)
		}
	}
}

func TestOpenAIFaultsBreakAWholeAnswerToo(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, model := range []string{"cut0", "cut"} {
		if status, _, body, err := r.call("POST", openaiPath, chatBody(model, "hi", false)); err == nil || status != 200 {
			t.Errorf("%s: status %d, body %q", model, status, body)
		}
	}
	for _, model := range []string{"garbage", "blank", "noend"} {
		status, _, body, err := r.call("POST", openaiPath, chatBody(model, "hi", false))
		if err != nil || status != 200 || json.Valid([]byte(body)) {
			t.Errorf("%s: status %d, body %q, %v", model, status, body, err)
		}
	}
	if _, _, body, _ := r.call("POST", openaiPath, chatBody("error200", "hi", false)); object(t, body)["error"] == nil {
		t.Errorf("error200: %s", body)
	}
}

// raw opens a connection and sends a chat request on it.
func (r *rig) raw(model string, stream bool) net.Conn {
	r.t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	body := chatBody(model, "hi", stream)
	var b bytes.Buffer
	b.WriteString("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: ")
	b.WriteString(itoa(len(body)) + "\r\n\r\n" + body)
	if _, err := c.Write(b.Bytes()); err != nil {
		r.t.Fatal(err)
	}
	return c
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestADropClosesTheConnectionWithoutAByte(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, stream := range []bool{true, false} {
		if b, _ := io.ReadAll(r.raw("drop", stream)); len(b) != 0 {
			t.Errorf("stream %v: got %q", stream, b)
		}
	}
	if r.Left() != 0 {
		t.Errorf("%d clients left", r.Left())
	}
}

func TestAClientThatLeavesIsCountedWhereverTheServerStands(t *testing.T) {
	t.Parallel()
	for _, model := range []string{"hang", "stall", "stallmid", "first-60000", "long-10-slow-60000"} {
		for _, stream := range []bool{true, false} {
			r := start(t, Options{})
			c := r.raw(model, stream)
			eventually(t, "a request", func() bool { return r.Active() == 1 })
			if stream && model != "hang" {
				if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
					t.Errorf("%s: no headers: %v", model, err)
				}
			}
			c.Close()
			eventually(t, model+": the server notices", func() bool { return r.Left() == 1 && r.Active() == 0 && r.Conns() == 0 })
		}
	}
}

func TestAClientThatLeavesABusyStreamIsCounted(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	c := r.raw("long-100000", true)
	if _, err := io.ReadFull(c, make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	eventually(t, "the server notices", func() bool { return r.Left() == 1 && r.Active() == 0 })
}

func TestARequestSentWhileTheServerWaitsIsAnsweredAfterwards(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	c := r.raw("first-50", true)
	eventually(t, "a request", func() bool { return r.Active() == 1 })
	body := chatBody("echo", "second", false)
	if _, err := c.Write([]byte("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + itoa(len(body)) + "\r\n\r\n" + body)); err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(c)
	if !bytes.Contains(b, []byte(`you said \"second\"`)) || !bytes.Contains(b, []byte("[DONE]")) {
		t.Errorf("got %q", b)
	}
}

func TestCloseCutsWhatRunsAndCountsNobodyAsLeft(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, model := range []string{"hang", "stall", "long-10-slow-60000"} {
		r.raw(model, true)
	}
	eventually(t, "three requests", func() bool { return r.Active() == 3 })
	r.Close()
	if r.Active() != 0 || r.Conns() != 0 || r.Left() != 0 {
		t.Errorf("active %d, connections %d, left %d", r.Active(), r.Conns(), r.Left())
	}
}

func TestAFaultWithTimesGivesWayToAGoodAnswer(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for i := range 3 {
		status, _, _, err := r.call("POST", openaiPath, chatBody("fail-500-times-2", "hi", false))
		if want := 500 - 300*(i/2); err != nil || status != want {
			t.Errorf("request %d: status %d, %v", i, status, err)
		}
	}
}

func TestTheServerRecordsWhatItSaw(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	body := `{"model":"image","messages":[{"role":"developer","content":"d"},{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"http://x/y.png"}},{"type":"text","text":"b"}]}],"tools":[{"type":"function","function":{"name":"f"}}]}`
	_, _, answer, err := r.call("POST", openaiPath, body, "Authorization", "Bearer k")
	if err != nil || !strings.Contains(answer, `"I see 1 images"`) {
		t.Fatalf("%s, %v", answer, err)
	}
	seen := r.Seen()
	if len(seen) != 1 || r.Requests() != 1 {
		t.Fatalf("%d seen, %d requests", len(seen), r.Requests())
	}
	s := seen[0]
	want := []Turn{{Role: "system", Text: "d"}, {Role: "user", Text: "a\nb", Images: 1}}
	if s.Dialect != "openai" || s.Path != openaiPath || s.Model != "image" || s.Key != "k" || s.Body != body || s.Stream ||
		len(s.Messages) != 2 || s.Messages[0] != want[0] || s.Messages[1] != want[1] || len(s.Tools) != 1 || s.Tools[0] != "f" {
		t.Errorf("seen %+v", s)
	}
}

func TestPiecesOfOneBurstShareOneChunk(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	c := r.raw("burst-20", true)
	br := bufio.NewReader(c)
	for line := ""; line != "\r\n"; line, _ = br.ReadString('\n') {
	}
	size, _ := br.ReadString('\n')
	if len(size) < 5 { // one chunk of more than 0xfff bytes, length line and line end
		t.Errorf("first chunk has size %q", size)
	}
}

func TestTheUnicodeTextSurvives(t *testing.T) {
	t.Parallel()
	chunks, _ := start(t, Options{}).stream("unicode", "")
	text := ""
	for _, c := range chunks {
		if p := c.Choices[0].Delta.Content; p != nil {
			text += *p
		}
	}
	if text != UnicodeText {
		t.Errorf("got %q", text)
	}
}
