package admin

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/config/revision"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// withFile gives d a configuration file and its book.
func (d *desk) withFile() (text string) {
	d.Helper()
	text = strings.Replace(twoChannels, `b"\`, `b`, 1) + "limits: {std: {requests: 60/m}}\n"
	file := filepath.Join(d.TempDir(), "dragoman.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		d.Fatal(err)
	}
	load := func(text []byte, name string) (*config.Config, error) {
		return config.Load(text, name, func(string) (string, bool) { return "", false })
	}
	conf, err := load([]byte(text), file)
	if err != nil {
		d.Fatal(err)
	}
	if err := d.g.Apply(conf); err != nil {
		d.Fatal(err)
	}
	d.s.book = revision.New(revision.Options{File: file, Load: load, Apply: d.g.Apply, Log: slog.New(slog.DiscardHandler)}, conf, []byte(text))
	d.s.socketsOf = &oneSocket{}
	return text
}

// oneSocket is a front with one socket.
type oneSocket struct{ closed string }

func (o *oneSocket) Counts() []SocketCount { return []SocketCount{{"chatnio", "alice", 1}} }
func (o *oneSocket) Open() []Socket {
	return []Socket{{ID: "s1", Request: "req_1", Front: "chatnio", Caller: "alice", Address: "192.0.2.0/24", Since: time.UnixMilli(1), Turns: 1, Queued: 2, Heard: time.UnixMilli(5)}}
}
func (o *oneSocket) Close(id string) bool {
	o.closed = id
	return id == "s1"
}

// talk stores a conversation of alice's.
func (d *desk) talk(id string) {
	d.Helper()
	c := &store.Conversation{ID: id, Owner: "alice", Model: "m"}
	err := d.st.Append(d.Context(), c, store.Turn{At: 1, Model: "m", Messages: []store.Message{{Message: translate.TextMessage(translate.RoleUser, "a secret wish"), At: 1}}})
	if err != nil {
		d.Fatal(err)
	}
}

// quoted is v as JSON.
func quoted(v any) string {
	text, _ := json.Marshal(v)
	return string(text)
}

func TestEveryOperationOfTheDocumentAnswersAsItSays(t *testing.T) {
	d := newDesk(t)
	text := d.withFile()
	d.s.playground = stage{}
	d.talk("conv_read")
	d.talk("conv_gone")
	if err := d.ask("first"); err != nil {
		t.Fatal(err)
	}
	key := struct{ ID string }{}
	if err := json.Unmarshal(d.call("POST", "/api/keys", `{"name":"bob"}`).Body.Bytes(), &key); err != nil {
		t.Fatal(err)
	}
	next := quoted(map[string]string{"text": strings.Replace(text, "60/m", "90/m", 1)})
	calls := map[string][2]string{
		"POST /api/channels/{id}/open": {"/api/channels/a/open"}, "POST /api/channels/{id}/close": {"/api/channels/a/close"},
		"POST /api/channels/{id}/drain": {"/api/channels/a/drain"}, "POST /api/channels/{id}/auto": {"/api/channels/a/auto"}, "POST /api/channels/{id}/test": {"/api/channels/a/test", `{"model":"m"}`}, "GET /api/channels/{id}/failures": {"/api/channels/a/failures"}, "PUT /api/channels/{id}/weight": {"/api/channels/a/weight", `{"weight":5}`},
		"DELETE /api/channels/{id}/weight": {"/api/channels/a/weight"}, "GET /api/conversations": {"/api/conversations?caller=alice"},
		"GET /api/conversations/{id}": {"/api/conversations/conv_read?caller=alice"}, "POST /api/conversations/{id}/clear": {"/api/conversations/conv_read/clear?caller=alice"},
		"DELETE /api/conversations/{id}": {"/api/conversations/conv_gone?caller=alice"}, "GET /api/explain/{id}": {"/api/explain/first"},
		"POST /api/explain": {"/api/explain", `{"model":"m"}`}, "POST /api/keys": {"/api/keys", `{"name":"carol"}`}, "DELETE /api/keys/{id}": {"/api/keys/" + key.ID},
		"POST /api/configuration/validate": {"/api/configuration/validate", `{"text":"chanels: []"}`}, "POST /api/configuration/diff": {"/api/configuration/diff", next},
		"POST /api/configuration/apply": {"/api/configuration/apply", next}, "GET /api/configuration/history/{revision}": {"/api/configuration/history/1"},
		"POST /api/configuration/rollback": {"/api/configuration/rollback", `{"revision":1}`}, "POST /api/limits/what-if": {"/api/limits/what-if", `{"model":"m"}`}, "POST /api/sockets/{id}/close": {"/api/sockets/s1/close"}, "POST /api/playground": {"/api/playground", `{"protocol":"openai","text":"hi"}`},
		"POST /api/captures": {"/api/captures", `{"caller":"alice","seconds":60}`}, "DELETE /api/captures/{caller}": {"/api/captures/bob"}, "GET /api/captures/exchanges/{id}": {"/api/captures/exchanges/kept"},
	}
	if w := d.call("POST", "/api/captures", `{"caller":"bob","seconds":60}`); w.Code != 200 {
		t.Error(w.Body)
	}
	d.capturing("kept")
	for _, r := range routes() {
		name := r.method + " " + r.path
		to, ok := calls[name]
		if !ok {
			to[0] = r.path
		}
		w := d.call(r.method, to[0], to[1])
		if w.Code != max(operations[name].status, 200) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		d.fits(r, w)
		if r.needs != mayNothing {
			d.fits(r, d.call(r.method, to[0], to[1], "Authorization", ""))
		}
	}
	d.fits(routes()[0], d.call("POST", "/api/configuration/apply", `{"text":"chanels: []"}`))
}

// fits checks an answer against the document.
func (d *desk) fits(r route, w *httptest.ResponseRecorder) {
	d.Helper()
	s, media := described(d.TB.(*testing.T), r, w.Code)
	if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, media) {
		d.Errorf("%s %s: is %s, want %s", r.method, r.path, got, media)
	}
	if media != "application/json" {
		return
	}
	var v any
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		d.Errorf("%s %s: %v", r.method, r.path, err)
	}
	for _, wrong := range misfits("answer", s, v) {
		d.Errorf("%s %s with %d: %s", r.method, r.path, w.Code, wrong)
	}
}

func TestWeightsAndBreakersOfTheProcessAreShownAsDifferingFromTheFile(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.withFile()
	d.call("PUT", "/api/channels/a/weight", `{"weight":5}`)
	d.call("POST", "/api/channels/b/drain", "")
	d.call("POST", "/api/reload", "")
	for _, at := range []string{"/api/channels", "/api/configuration"} {
		got := d.call("GET", at, "").Body.String()
		if !strings.Contains(got, `"set_at_run_time":[{"channel":"a","what":"weight","file":"1","now":"5"},{"channel":"b","what":"breaker","file":"auto","now":"drain"}]`) {
			t.Errorf("%s: %s", at, got)
		}
	}
	if c := d.channels(); c[0].Weight != 5 || c[1].Keys[0].Models[0].State != "open" {
		t.Errorf("%+v", c)
	}
	d.wants(d.call("PUT", "/api/channels/a/weight", `{"weight":0}`), 400, "VALIDATION_ERROR")
	d.wants(d.call("PUT", "/api/channels/z/weight", `{"weight":1}`), 404, "NOT_FOUND")
	d.call("DELETE", "/api/channels/a/weight", "")
	if c := d.channels(); c[0].Weight != 1 {
		t.Errorf("%+v", c[0])
	}
}

func TestRecentExchangesAreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 5 {
		if err := d.ask(fmt.Sprint("good", i)); err != nil {
			t.Fatal(err)
		}
	}
	d.fails("a", &translate.Error{Code: translate.CodeModel, Fault: translate.FaultRejected, Message: "no"})
	_ = d.ask("bad")
	list := func(query string) (ids []string, next uint64) {
		var body struct {
			Exchanges []journal.Summary
			Next      uint64
		}
		w := d.call("GET", "/api/exchanges?"+query, "")
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
			t.Fatal(err, w.Body)
		}
		for _, x := range body.Exchanges {
			ids = append(ids, x.ID)
		}
		return ids, body.Next
	}
	first, next := list("limit=4")
	rest, end := list(fmt.Sprint("limit=4&before=", next))
	if got := fmt.Sprint(first, rest); got != "[bad good4 good3 good2] [good1 good0]" || end != 0 {
		t.Errorf("%s, next %d", got, end)
	}
	if got, _ := list("outcome=ok&channel=a&front=openai&model=m"); len(got) != 5 {
		t.Errorf("%v", got)
	}
	for _, query := range []string{"outcome=MODEL_ERROR", "channel=b", "caller=nobody", "state=running"} {
		if got, _ := list(query); len(got) > 1 || len(got) == 1 && got[0] != "bad" {
			t.Errorf("%s: %v", query, got)
		}
	}
	for _, query := range []string{"before=x", "state=x", "limit=x"} {
		d.wants(d.call("GET", "/api/exchanges?"+query, ""), 400, "VALIDATION_ERROR")
	}
}

func TestAConversationIsReadAndClearedAndEachReadingIsLogged(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	log := &strings.Builder{}
	d.s.log = slog.New(slog.NewTextHandler(log, nil))
	d.talk("conv_1")
	if list := d.call("GET", "/api/conversations?caller=alice", "").Body.String(); !strings.Contains(list, `"id":"conv_1"`) || strings.Contains(list, "secret wish") {
		t.Errorf("%s", list)
	}
	if log.Len() != 0 {
		t.Errorf("a list is no reading: %s", log)
	}
	if got := d.call("GET", "/api/conversations/conv_1?caller=alice", ""); !strings.Contains(got.Body.String(), `"text":"a secret wish"`) {
		t.Errorf("%s", got.Body)
	}
	if !strings.Contains(log.String(), "has read a conversation") || !strings.Contains(log.String(), "conv_1") || strings.Contains(log.String(), "wish") {
		t.Errorf("%s", log)
	}
	d.wants(d.call("GET", "/api/conversations/conv_1?caller=bob", ""), 404, "CONVERSATION_NOT_FOUND")
	d.wants(d.call("GET", "/api/conversations/conv_1", ""), 400, "VALIDATION_ERROR")
	d.call("POST", "/api/conversations/conv_1/clear?caller=alice", "")
	if got := d.call("GET", "/api/conversations/conv_1?caller=alice", ""); strings.Contains(got.Body.String(), "wish") || got.Code != 200 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	d.call("DELETE", "/api/conversations/conv_1?caller=alice", "")
	d.wants(d.call("POST", "/api/conversations/conv_1/clear?caller=alice", ""), 404, "CONVERSATION_NOT_FOUND")
}

// listening is a stream of events from a real server.
type listening struct {
	*testing.T
	resp *http.Response
	in   *bufio.Scanner
}

// serveEvents starts d's server, which the test stops.
func (d *desk) serveEvents() (base string, stop func()) {
	d.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		d.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.s.Serve(ln) }()
	return "http://" + ln.Addr().String(), func() {
		d.s.Shutdown(d.Context())
		if err := <-served; err != nil {
			d.Error(err)
		}
	}
}

func listen(t *testing.T, base, cursor string, query ...string) *listening {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", base+"/api/events"+strings.Join(query, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+readToken)
	r.Header.Set("Last-Event-ID", cursor)
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	return &listening{t, resp, bufio.NewScanner(resp.Body)}
}

// until returns id and data of the next event of a kind.
func (l *listening) until(kind string) (id, data string) {
	l.Helper()
	is := ""
	for l.in.Scan() {
		key, value, _ := strings.Cut(l.in.Text(), ": ")
		switch key {
		case "id":
			id = value
		case "event":
			is = value
		case "data":
			if is == kind {
				return id, value
			}
		}
	}
	l.Fatalf("the stream ended before %s: %v", kind, l.in.Err())
	return "", ""
}

func (l *listening) close() { _ = l.resp.Body.Close() }

func TestALostStreamOfEventsIsResumedByItsCursor(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	base, stop := d.serveEvents()
	defer stop()
	l := listen(t, base, "")
	if _, data := l.until("overview"); !strings.Contains(data, `"running":0`) {
		t.Errorf("%s", data)
	}
	if _, data := l.until("channels"); !strings.Contains(data, `"id":"a"`) || strings.Contains(data, "secret-host") {
		t.Errorf("%s", data)
	}
	if err := d.ask("one"); err != nil {
		t.Fatal(err)
	}
	cursor, data := l.until("exchange")
	if !strings.Contains(data, `"id":"one"`) {
		t.Errorf("%s", data)
	}
	l.close()
	for _, id := range []string{"two", "three"} {
		if err := d.ask(id); err != nil {
			t.Fatal(err)
		}
	}
	l = listen(t, base, cursor)
	for _, id := range []string{"two", "three"} {
		if _, data := l.until("exchange"); !strings.Contains(data, `"id":"`+id+`"`) {
			t.Errorf("%s", data)
		}
	}
	l.close()
	l = listen(t, base, "other-7")
	if _, data := l.until("missed"); !strings.Contains(data, "started anew") {
		t.Errorf("%s", data)
	}
	l.close()
	d.wants(d.call("GET", "/api/events?cursor=x", ""), 400, "VALIDATION_ERROR")
}

func TestWhoStayedAwayTooLongIsToldHowMuchWasMissed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := d.ask("first"); err != nil {
		t.Fatal(err)
	}
	for i := range 2500 {
		if err := d.ask(fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	base, stop := d.serveEvents()
	defer stop()
	l := listen(t, base, d.s.boot+"-1")
	defer l.close()
	if _, data := l.until("missed"); data != `{"exchanges":452,"why":"they are remembered no longer"}` {
		t.Errorf("%s", data)
	}
	if _, data := l.until("exchange"); !strings.Contains(data, `"id":"452"`) {
		t.Errorf("%s", data)
	}
}

func TestStreamsOfEventsAreBoundedAndEndAtShutdown(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	base, stop := d.serveEvents()
	var all []*listening
	for range eventStreams {
		l := listen(t, base, "")
		defer l.close()
		l.until("overview")
		all = append(all, l)
	}
	d.wants(d.call("GET", "/api/events", ""), 429, "RATE_LIMITED")
	began := time.Now()
	stop()
	for _, l := range all {
		for l.in.Scan() {
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("streams kept the server for %s", took)
	}
}
