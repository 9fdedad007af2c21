package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/fleettest"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
)

// operate makes a call of the operator's side of r, and reads the answer into v unless that is
// nil.
func operate(t *testing.T, r *fleettest.Replica, method, path, body string, v any) {
	t.Helper()
	req, err := http.NewRequest(method, r.Operators()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer operator-token")
	resp, err := childClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode > 299 {
		t.Fatalf("%s %s: %d %v %s", method, path, resp.StatusCode, err, text)
	}
	if v != nil {
		if err := json.Unmarshal(text, v); err != nil {
			t.Fatalf("%s: %v in %s", path, err, text)
		}
	}
}

// soon waits until ok says true, for a minute.
func soon(t *testing.T, what string, ok func() bool) (took time.Duration) {
	t.Helper()
	began := time.Now()
	for deadline := began.Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come about that %s", what)
		}
	}
	return time.Since(began)
}

// What one replica is told holds on all of them.
func TestWhatOneReplicaIsToldHoldsOnAll(t *testing.T) {
	t.Parallel()
	shared := redistest.Start(t)
	f, _ := replicas(t, pgtest.Start(t), shared, fleetConf)
	for name, test := range map[string]func(*testing.T){
		"repeated requests": func(t *testing.T) { repeatedOnAll(t, f) },
		"repeated messages": func(t *testing.T) { messagesOnAll(t, f, shared.URL(0)) },
		"keys":              func(t *testing.T) { keysOnAll(t, f) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
	t.Run("configuration", func(t *testing.T) { configurationOnAll(t, f) })
}

// keysOnAll makes a key on one replica, uses it on all, with sockets that stay open, and
// revokes it on another one.
func keysOnAll(t *testing.T, f *fleettest.Fleet) {
	var made struct{ ID, Key string }
	operate(t, f.Replicas[0], "POST", "/api/keys", `{"name":"carol"}`, &made)
	status := func(r *fleettest.Replica) int {
		req, err := http.NewRequest("GET", "http://"+r.Addr()+"/v1/models", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+made.Key)
		resp, err := childClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	var sockets []*websocket.Conn
	for i, r := range f.Replicas {
		if got := status(r); got != 200 {
			t.Errorf("%s: %d", r.Name, got)
		}
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+r.Addr()+"/chat", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ws.Close() }()
		_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
		if err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"token":%q,"id":-1}`, made.Key)); err != nil {
			t.Fatal(err)
		}
		if fault, err := turn(ws, fmt.Sprint("question ", i)); fault != "" || err != nil {
			t.Errorf("%s: %s %v", r.Name, fault, err)
		}
		sockets = append(sockets, ws)
	}
	operate(t, f.Replicas[1], "DELETE", "/api/keys/"+made.ID, "", nil)
	refused := map[string]bool{} // a replica that has refused it is not asked again: it would slow the address
	took := soon(t, "the key is refused everywhere", func() bool {
		for _, r := range f.Replicas {
			refused[r.Name] = refused[r.Name] || status(r) == 401
		}
		return refused["r1"] && refused["r2"] && refused["r3"]
	})
	for i, ws := range sockets {
		if fault, err := turn(ws, "another question"); fault == "" && err == nil {
			t.Errorf("%s answers on an open socket", f.Replicas[i].Name)
		}
	}
	t.Logf("refused everywhere after %v", took.Round(time.Millisecond))
}

// configurationOnAll has one replica run with another configuration for a while.
func configurationOnAll(t *testing.T, f *fleettest.Fleet) {
	type health struct {
		Configuration string
		Differing     int
	}
	ask := func(r *fleettest.Replica) (h health) {
		operate(t, r, "GET", "/api/health", "", &h)
		return h
	}
	first := ask(f.Replicas[0])
	for _, r := range f.Replicas {
		if h := ask(r); h != first || h.Configuration == "" {
			t.Errorf("%s: %+v, not %+v", r.Name, h, first)
		}
	}
	odd := f.Replicas[2]
	odd.Write(strings.Replace(fleetConf, "long-10-slow-100", "long-11-slow-100", 1))
	operate(t, odd, "POST", "/api/reload", "", nil)
	soon(t, "all say that one differs", func() bool {
		return ask(f.Replicas[0]).Differing == 1 && ask(f.Replicas[1]).Differing == 1 && ask(odd).Differing == 2
	})
	if h := ask(odd); h.Configuration == first.Configuration {
		t.Errorf("another configuration has the same hash: %+v", h)
	}
	odd.Write(fleetConf)
	operate(t, odd, "POST", "/api/reload", "", nil)
	soon(t, "none differs", func() bool {
		return ask(f.Replicas[0]).Differing == 0 && ask(f.Replicas[1]).Differing == 0 && ask(odd) == first
	})
}

// once asks r with an Idempotency-Key.
func once(t *testing.T, r *fleettest.Replica, key, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequest("POST", "http://"+r.Addr()+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+childKey)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := childClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

// repeatedOnAll repeats a request at other replicas than the first one.
func repeatedOnAll(t *testing.T, f *fleettest.Fleet) {
	const question = `{"model":%q,"stream":%t,"messages":[{"role":"user","content":%q}]}`
	whole := func(r *http.Response) string {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		return string(text)
	}
	long := strings.Repeat("a long question ", 20_000) // its answer is read in several parts
	first := whole(once(t, f.Replicas[0], "k1", fmt.Sprintf(question, "echo", false, long)))
	for _, r := range f.Replicas[1:] {
		resp := once(t, r, "k1", fmt.Sprintf(question, "echo", false, long))
		if got := whole(resp); resp.StatusCode != 200 || got != first || resp.Header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: %d %v %.200s of %d bytes, not %d", r.Name, resp.StatusCode, resp.Header, got, len(got), len(first))
		}
		if resp := once(t, r, "k1", fmt.Sprintf(question, "echo", false, "another")); resp.StatusCode != 422 {
			t.Errorf("%s takes another body: %d", r.Name, resp.StatusCode)
		}
	}
	slow := fmt.Sprintf(question, "slower", true, "hi")
	running := once(t, f.Replicas[1], "k2", slow) // its first content has come
	if resp := once(t, f.Replicas[2], "k2", slow); resp.StatusCode != 409 {
		t.Errorf("while it runs: %d %s", resp.StatusCode, whole(resp))
	}
	if text := whole(running); !strings.Contains(text, "[DONE]") {
		t.Errorf("got %s", text)
	}
	soon(t, "another replica repeats it", func() bool {
		resp := once(t, f.Replicas[2], "k2", slow)
		return resp.StatusCode == 200 && resp.Header.Get("Idempotent-Replayed") == "true" && strings.Contains(whole(resp), "[DONE]")
	})
}

// messagesOnAll repeats a message on a socket of another replica while it is answered: the one
// answer goes there.
func messagesOnAll(t *testing.T, f *fleettest.Fleet, shared string) {
	server, err := redis.New(shared)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	dial := func(r *fleettest.Replica) *websocket.Conn {
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+r.Addr()+"/ws/v1/chat?app_token="+childKey, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = ws.Close() })
		_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
		return ws
	}
	say := func(ws *websocket.Conn, id, receiver string) {
		t.Helper()
		m := fmt.Appendf(nil, `{"chat_type":1,"msg_id":%q,"timestamp":1767225600000,"sender_type":1,"sender_id":"u","receiver_id":%q,"content_type":1,"content":"hi"}`, id, receiver)
		if err := ws.WriteMessage(websocket.TextMessage, m); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(ws *websocket.Conn) (whole string, code int, content string) {
		t.Helper()
		var f struct {
			Code    int    `json:"resp_code"`
			Content string `json:"content"`
		}
		_, text, err := ws.ReadMessage()
		if err == nil {
			err = json.Unmarshal(text, &f)
		}
		if err != nil {
			t.Fatal(err)
		}
		return string(text), f.Code, f.Content
	}
	one, two, three := dial(f.Replicas[0]), dial(f.Replicas[1]), dial(f.Replicas[2])
	sum := sha256.Sum256([]byte("message\x00alice\x00m1\x00"))
	key := "{dragoman}:once:" + hex.EncodeToString(sum[:16])
	last := func() string { // who has asked last
		asker, err := server.Run(t.Context(), `return redis.call('HGET', KEYS[1], 'a') or ''`, []string{key}, nil)
		if err != nil {
			t.Log(err)
		}
		return asker
	}
	say(one, "m1", "snail")
	first := ""
	soon(t, "the message is known", func() bool { first = last(); return first != "" })
	say(one, "m1", "snail") // the same process knows it anyhow
	say(one, "m0", "")
	hear(one) // so it was read
	say(two, "m1", "snail")
	soon(t, "it is repeated", func() bool { return last() != first })
	text, code, content := hear(two)
	if code != 0 || content == "" {
		t.Errorf("the second socket: %s", text)
	}
	say(one, "m2", "")
	if other, code, again := hear(one); code != 0 || again == content {
		t.Errorf("the first socket: %s", other)
	}
	say(three, "m1", "snail") // it has an answer
	if got, _, _ := hear(three); got != text {
		t.Errorf("the third socket: %s, not %s", got, text)
	}
}
