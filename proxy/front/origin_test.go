package front_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// page is where a page of another site comes from.
const page = "https://page.example"

func TestAPageOfAnotherOriginMayReadEveryAnswer(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	question := `{"model":"recall","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	stream := strings.Replace(question, "{", `{"stream":true,`, 1)
	for _, c := range []struct {
		method, path, body string
		status             int
		more               []string
	}{
		{"POST", "/v1/chat/completions", question, 200, nil},
		{"POST", "/v1/chat/completions", stream, 200, nil},
		{"POST", "/v1/chat/completions", "{", 400, nil},
		{"POST", "/v1/chat/completions", strings.Replace(question, `"recall"`, `"none"`, 1), 404, nil},
		{"POST", "/v1/chat/completions", question, 401, []string{"Authorization", "Bearer no"}},
		{"POST", "/v1/chat/completions", question, 415, []string{"Content-Type", "text/plain"}},
		{"POST", "/v1/messages", question, 200, nil},
		{"POST", "/v1/messages", stream, 200, nil},
		{"POST", "/v1/messages", "{", 400, nil},
		{"POST", "/v1/messages", question, 401, []string{"Authorization", "Bearer no"}},
		{"GET", "/v1/models", "", 200, nil},
		{"GET", "/v1/models", "", 200, []string{"anthropic-version", "2023-06-01"}},
		{"GET", "/v1/models", "", 401, []string{"Authorization", "Bearer no"}},
		{"GET", "/v1/models/none", "", 404, nil},
		{"GET", "/api/v1/models", "", 200, nil},
		{"GET", "/v1/chat/completions", "", 405, nil},
		{"GET", "/v1/nothing", "", 404, nil},
		{"POST", "/api/chat", askAs("u", "hi"), 200, nil},
		{"POST", "/api/chat/stream", askAs("u", "hi"), 200, nil},
		{"POST", "/api/chat", "{", 400, nil},
		{"POST", "/api/chat", askAs("u", "hi"), 401, []string{"Authorization", "Bearer no"}},
		{"GET", "/api/conversations", "", 200, nil},
		{"GET", "/api/conversations/none", "", 404, nil},
		{"PUT", "/api/conversations", "", 405, nil},
		{"GET", "/info", "", 200, nil},
		{"GET", "/quota", "", 200, nil},
		{"GET", "/api/quota", "", 401, []string{"Authorization", "sk-no"}},
		{"GET", "/admin/x", "", 401, nil},
		{"GET", "/nothing", "", 404, nil},
		{"GET", "/chat", "", 400, nil},
		{"GET", "/chat", "", 401, []string{"Authorization", "Bearer sk-no"}},
		{"GET", "/ws/v1/chat?app_token=" + key, "", 426, nil},
		{"GET", "/ws/v1/chat", "", 401, nil},
		{"OPTIONS", "/v1/chat/completions", "", 200, nil},
		{"OPTIONS", "/v1/messages", "", 200, nil},
		{"OPTIONS", "/v1/models", "", 200, nil},
		{"OPTIONS", "/api/conversations/x", "", 200, nil},
		{"OPTIONS", "/ws/v1/chat", "", 200, nil},
		{"OPTIONS", "/nothing", "", 200, nil},
	} {
		headers := append([]string{"Origin", page, "Authorization", "Bearer " + key, "X-Api-Key", ""}, c.more...)
		status, h, body := w.Do(t, c.method, c.path, c.body, headers...)
		if status != c.status {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, body, c.status)
		}
		readable(t, c.method+" "+c.path, h)
		if _, h, _ := w.Do(t, c.method, c.path, c.body, headers[2:]...); h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Expose-Headers") != "" {
			t.Errorf("%s %s: a client that is no page is told %v", c.method, c.path, h)
		}
	}
}

func TestAPageMayReadTheRefusalOfWhatIsNoRequest(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	const from = "Host: x\r\nOrigin: " + page + "\r\n"
	for name, raw := range map[string]string{
		"a header's name":  "GET /info HTTP/1.1\r\n" + from + "A B: c\r\n\r\n",
		"two framings":     "POST /v1/messages HTTP/1.1\r\n" + from + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
		"too large a body": "POST /v1/messages HTTP/1.1\r\n" + from + "Authorization: Bearer " + key + "\r\nContent-Length: 99999999\r\n\r\n",
	} {
		c := w.Dial(t)
		_, _ = io.WriteString(c, raw)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if resp.StatusCode/100 != 4 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
		readable(t, name, resp.Header)
		_ = c.Close()
	}
}

// readable: a page of another origin is shown the answer with these headers.
func readable(t *testing.T, of string, h http.Header) {
	t.Helper()
	if got := h.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != page {
		t.Errorf("%s: Access-Control-Allow-Origin %q", of, got)
	}
	if got := h.Values("Vary"); len(got) != 1 || got[0] != "Origin" {
		t.Errorf("%s: Vary %q", of, got)
	}
	if got := h.Get("Access-Control-Expose-Headers"); !strings.Contains(got, "X-Request-Id") || !strings.Contains(got, "Retry-After") {
		t.Errorf("%s: Access-Control-Expose-Headers %q", of, got)
	}
	if got, ok := h["Access-Control-Allow-Credentials"]; ok {
		t.Errorf("%s: Access-Control-Allow-Credentials %q", of, got)
	}
}

// openConf lets callers without a key in; {WEB} stands for what is said of pages.
const openConf = `
callers: {anonymous: {}, keys: [{name: alice, key: ` + key + `}]}
{WEB}
presets: {default: {model: echo}}
channels: [{id: up, kind: mock, models: [echo]}]
`

func startOpen(t *testing.T, web string) *world.World {
	t.Helper()
	return world.Start(t, strings.Replace(openConf, "{WEB}", web, 1))
}

// turns asks twice as the same user and returns what the second answer knows of the
// first question: "n=" and how many messages the model saw.
func turns(t *testing.T, w *world.World, user string, headers ...string) string {
	t.Helper()
	var body string
	for range 2 {
		status, _, got := w.Do(t, "POST", "/api/chat", askAs(user, "hi"), headers...)
		if status != 200 {
			t.Fatalf("%d %s", status, got)
		}
		body = got
	}
	return between(body, "(", ")")
}

// conversationsOf is what the caller sees of its conversations.
func conversationsOf(t *testing.T, w *world.World, headers ...string) (status int, body string) {
	t.Helper()
	status, _, body = w.Do(t, "GET", "/api/conversations", "", headers...)
	return status, body
}

func TestAForeignPageIsAnsweredButSeesKeepsAndChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		web     string
		headers []string
		foreign bool
	}{
		"no page":                                   {"", nil, false},
		"a page of our own":                         {"", []string{"Origin", "http://{ADDR}"}, false},
		"a page of our own in other letters":        {"", []string{"Host", "Chat.Example.com", "Origin", "HTTPS://chat.example.COM"}, false},
		"a page of our own on the usual port":       {"", []string{"Host", "chat.example.com:443", "Origin", "https://chat.example.com"}, false},
		"a page of another site":                    {"", []string{"Origin", page}, true},
		"a page of another port":                    {"", []string{"Host", "localhost:8080", "Origin", "http://localhost:3000"}, true},
		"a page of a longer name":                   {"", []string{"Host", "example.com", "Origin", "https://example.com.evil.example"}, true},
		"a page of a name before ours":              {"", []string{"Host", "example.com", "Origin", "https://evil-example.com"}, true},
		"a page of a subdomain":                     {"", []string{"Host", "example.com", "Origin", "https://a.example.com"}, true},
		"a page without an origin":                  {"", []string{"Origin", "null"}, true},
		"a page of a file":                          {"", []string{"Origin", "file://"}, true},
		"an origin with our name as its user":       {"", []string{"Host", "example.com", "Origin", "https://example.com@evil.example"}, true},
		"an origin with a path":                     {"", []string{"Host", "example.com", "Origin", "https://example.com/x"}, true},
		"an origin that is none":                    {"", []string{"Host", "example.com", "Origin", "example.com"}, true},
		"a page that is named":                      {`origins: ["https://page.example"]`, []string{"Origin", page}, false},
		"a page that is named with its port":        {`origins: ["HTTPS://Page.example:443"]`, []string{"Origin", page}, false},
		"a page of another scheme":                  {`origins: ["http://page.example"]`, []string{"Origin", page}, true},
		"a page of another name":                    {`origins: ["https://other.example"]`, []string{"Origin", page}, true},
		"any page":                                  {`origins: ["*"]`, []string{"Origin", page}, false},
		"any page without an origin":                {`origins: ["*"]`, []string{"Origin", "null"}, false},
		"what a trusted proxy was asked for":        {`trusted_proxies: [127.0.0.1]`, []string{"X-Forwarded-Host", "page.example", "Origin", page}, false},
		"what the nearest trusted proxy was asked":  {`trusted_proxies: [127.0.0.1]`, []string{"X-Forwarded-Host", "x.example, page.example", "Origin", page}, false},
		"what another proxy says it was asked":      {`trusted_proxies: [127.0.0.1]`, []string{"X-Forwarded-Host", "page.example, x.example", "Origin", page}, true},
		"what a proxy says that is not trusted":     {`trusted_proxies: [192.0.2.1]`, []string{"X-Forwarded-Host", "page.example", "Origin", page}, true},
		"what a proxy says where none is trusted":   {"", []string{"X-Forwarded-Host", "page.example", "Origin", page}, true},
		"the Host where a trusted proxy says other": {`trusted_proxies: [127.0.0.1]`, []string{"X-Forwarded-Host", "x.example", "Host", "page.example", "Origin", page}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startOpen(t, c.web)
			for i := range c.headers {
				c.headers[i] = strings.ReplaceAll(c.headers[i], "{ADDR}", w.Addr)
			}
			stranger(t, w, c.headers, c.foreign)
			// Who has a key may do all of it from any page.
			keyed := append([]string{"Authorization", "Bearer " + key}, c.headers...)
			if got := turns(t, w, "k", keyed...); got != "n=3" {
				t.Errorf("with a key: %s", got)
			}
			if status, body := conversationsOf(t, w, keyed...); status != 200 || !strings.Contains(body, `"total":1`) {
				t.Errorf("with a key: %d %s", status, body)
			}
		})
	}
}

// stranger tries what a page may do for a caller without a key, whose headers it sends.
func stranger(t *testing.T, w *world.World, headers []string, foreign bool) {
	t.Helper()
	if got := turns(t, w, "mine"); got != "n=3" { // the reader's own conversation
		t.Fatalf("without a page: %s", got)
	}
	_, mine := conversationsOf(t, w)
	id := between(mine, `"id":"`, `"`)
	if id == "" {
		t.Fatal(mine)
	}
	want, status := "n=7", 200
	if foreign {
		want, status = "n=1", 403
	}
	if got := turns(t, w, "mine", headers...); got != want {
		t.Errorf("the model saw %s, want %s", got, want)
	}
	_, _, streamed := w.Do(t, "POST", "/api/chat/stream", askAs("mine", "hi"), headers...)
	if foreign != strings.Contains(streamed, "(n=1)") || !strings.Contains(streamed, `"type":"end"`) {
		t.Errorf("streamed: %s", streamed)
	}
	for _, call := range [][3]string{
		{"GET", "/api/conversations", ""},
		{"GET", "/api/conversations/" + id, ""},
		{"POST", "/api/conversations/" + id + "/clear", ""},
		{"POST", "/api/chat", `{"message":"hi","userId":"mine","conversationId":"` + id + `"}`},
		{"DELETE", "/api/conversations/" + id, ""},
	} {
		got, _, body := w.Do(t, call[0], call[1], call[2], headers...)
		if got != status || foreign && (!strings.Contains(body, "PERMISSION_DENIED") || !strings.Contains(body, "origins")) {
			t.Errorf("%s %s: %d %s, want %d", call[0], call[1], got, body, status)
		}
	}
	if _, after := conversationsOf(t, w); foreign && after != mine {
		t.Errorf("the conversations were\n%s\nand are\n%s", mine, after)
	}
}

func TestAnIdempotencyKeyShowsAPageNoAnswerOfItsReader(t *testing.T) {
	t.Parallel()
	w := startOpen(t, "")
	ask := func(headers ...string) http.Header {
		status, h, body := w.Do(t, "POST", "/v1/chat/completions", `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`, append(headers, "Idempotency-Key", "1")...)
		if status != 200 {
			t.Errorf("%d %s", status, body)
		}
		return h
	}
	ask()
	if h := ask("Origin", page); h.Get("Idempotent-Replayed") != "" {
		t.Error("a page was given what its reader was answered")
	}
	for _, headers := range [][]string{nil, {"Origin", page}} {
		if h := ask(headers...); h.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%v: the same question was asked again", headers)
		}
	}
}

func TestAPageMayNotSayWhatProxiesSay(t *testing.T) {
	t.Parallel()
	w := startOpen(t, "")
	for names, want := range map[string]bool{"content-type, x-stainless-os": true, "": true, "X-Forwarded-Host": false, "content-type,x-forwarded-for": false, "forwarded": false} {
		_, h, _ := w.Do(t, "OPTIONS", "/api/chat", "", "Origin", page, "Access-Control-Request-Headers", names)
		if got := strings.Contains(h.Get("Access-Control-Allow-Headers"), "*"); got != want {
			t.Errorf("%q: %q", names, h.Get("Access-Control-Allow-Headers"))
		}
	}
}

func TestWithoutAKeyTheHostMustNameThisServer(t *testing.T) {
	t.Parallel()
	w := startOpen(t, "hosts: [chat.example.com]\ntrusted_proxies: [127.0.0.1]")
	free := startOpen(t, "")
	for host, good := range map[string]bool{
		"chat.example.com": true, "CHAT.example.com": true, "chat.example.com:8080": true, "chat.example.com.": true,
		"127.0.0.1": true, "127.0.0.1:8080": true, "192.0.2.7": true, "[::1]": true, "[::1]:8080": true, "localhost": true, "localhost:8080": true, "dragoman:80": true, "a.localhost": true,
		"evil.example": false, "evil.example:8080": false, "chat.example.com.evil.example": false, "a.chat.example.com": false, "127.0.0.1.evil.example": false, "example.com": false,
	} {
		for _, path := range []string{"/api/chat", "/api/chat/stream", "/v1/chat/completions", "/v1/messages", "/api/conversations", "/v1/models", "/v1/models/echo"} {
			method, body := "POST", `{"model":"echo","max_tokens":9,"message":"hi","userId":"u","messages":[{"role":"user","content":"hi"}]}`
			if path == "/api/conversations" || strings.HasPrefix(path, "/v1/models") {
				method, body = "GET", ""
			}
			want := 200
			if !good {
				want = 400
			}
			if status, _, got := w.Do(t, method, path, body, "Host", host); status != want || !good && !strings.Contains(got, "hosts") {
				t.Errorf("%s for %s: %d %s", path, host, status, got)
			}
			if status, _, got := w.Do(t, method, path, body, "Host", host, "Authorization", "Bearer "+key); status != 200 {
				t.Errorf("%s for %s with a key: %d %s", path, host, status, got)
			}
			if status, _, got := w.Do(t, method, path, body, "Host", "localhost", "X-Forwarded-Host", host); status != want {
				t.Errorf("%s for %s by a proxy: %d %s", path, host, status, got)
			}
			if status, _, got := free.Do(t, method, path, body, "Host", host); status != 200 {
				t.Errorf("%s for %s where no hosts are named: %d %s", path, host, status, got)
			}
		}
	}
}

func TestASocketOfAPageIsJudgedByItsHandshake(t *testing.T) {
	t.Parallel()
	w := startOpen(t, "hosts: [chat.example.com]")
	for _, c := range []struct {
		name, host, origin, token string
		fault                     string
	}{
		{"a page of our own", "chat.example.com", "https://chat.example.com", "", ""},
		{"a foreign page", "chat.example.com", page, "", ""},
		{"a page whose name was made to point here", "evil.example", "http://evil.example", "", "hosts"},
		{"the same with a key", "evil.example", "http://evil.example", key, ""},
		{"the same with a key that is none", "evil.example", "http://evil.example", "sk-none", "hosts"},
	} {
		k := &sock{t: t, ws: w.Socket(t, "/chat", "Host", c.host, "Origin", c.origin)}
		k.say(`{"token":"` + c.token + `","id":-1}`)
		for n, want := range []string{"(n=1)", "(n=3)"} {
			p := k.ask("echo", "hi")
			if c.fault != "" {
				if !strings.Contains(p.fault, c.fault) || p.text != "" {
					t.Errorf("%s: question %d: %+v", c.name, n, p)
				}
				continue
			}
			// What was said on the socket itself is its context, whatever page it is of.
			if !strings.Contains(p.text, want) {
				t.Errorf("%s: question %d: %+v", c.name, n, p)
			}
		}
		_ = k.ws.Close()
	}
	if status, body := conversationsOf(t, w); status != 200 || !strings.Contains(body, `"total":0`) {
		t.Errorf("something of callers without a key was stored: %d %s", status, body)
	}
}

func TestBehindAProxyThatIsNotTrustedNobodySeesConversations(t *testing.T) {
	t.Parallel()
	w := startOpen(t, "trusted_proxies: [192.0.2.1]")
	if got := turns(t, w, "mine"); got != "n=3" {
		t.Fatal(got)
	}
	if strings.Contains(w.Log.String(), "trusted_proxies") {
		t.Error("there was no proxy")
	}
	for _, header := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip"} {
		by := []string{header, "192.0.2.9"}
		if status, body := conversationsOf(t, w, by...); status != 403 || !strings.Contains(body, "trusted_proxies") {
			t.Errorf("%s: %d %s", header, status, body)
		}
		if got := turns(t, w, "u"+header, by...); got != "n=3" {
			t.Errorf("%s: %s", header, got)
		}
		if status, body := conversationsOf(t, w, append(by, "Authorization", "Bearer "+key)...); status != 200 {
			t.Errorf("%s with a key: %d %s", header, status, body)
		}
	}
	if n := strings.Count(w.Log.String(), "is not in trusted_proxies"); n != 1 {
		t.Errorf("it was said %d times", n)
	}
	if status, body := conversationsOf(t, w); status != 200 || !strings.Contains(body, `"total":4`) {
		t.Errorf("%d %s", status, body)
	}
	trusting := startOpen(t, "trusted_proxies: [127.0.0.1]")
	if status, body := conversationsOf(t, trusting, "X-Forwarded-For", "192.0.2.9"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
}
