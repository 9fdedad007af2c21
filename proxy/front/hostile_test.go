package front_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// smuggled is what an attacker hides behind a request, for a server that finds its
// end elsewhere.
const smuggled = "GET /info HTTP/1.1\r\nHost: x\r\nX-Request-Id: smuggled\r\n\r\n"

// canary is asked where the connection was kept: whether it still works, and
// whether an answer comes that nobody asked for.
const canary = "GET /info HTTP/1.1\r\nHost: x\r\nX-Request-Id: canary\r\nConnection: close\r\n\r\n"

// ask is the head of a question, up to and with the lines that more has.
func rawAsk(more string) string {
	return "POST /api/chat HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\nContent-Type: application/json\r\n" + more + "\r\n"
}

// body is a question of 28 bytes, and its length in chunks.
const (
	askBody    = `{"message":"hi","userId":"u"}`
	chunkedTE  = "Transfer-Encoding: chunked\r\n"
	askChunked = "1d\r\n" + askBody + "\r\n0\r\n\r\n"
	askLength  = "Content-Length: 29\r\n"
)

// hostile are requests that two servers in a row could read differently, that are
// too large, or that hide something. want is the status and what becomes of the
// connection.
var hostile = []struct{ name, raw, want string }{
	{"two different `Content-Length`", rawAsk(askLength+"Content-Length: 0\r\n") + askBody + smuggled, "400, closed"},
	{"the same `Content-Length` twice", rawAsk(askLength+askLength) + askBody, "400, closed"},
	{"two different values of `Authorization`, or of another header of a credential", rawAsk("Authorization: Bearer sk-bob-caller-key\r\n"+askLength) + askBody + smuggled, "400, closed"},
	{"`Content-Length: 29, 29`", rawAsk("Content-Length: 29, 29\r\n") + askBody, "400, closed"},
	{"`Content-Length: +29`", rawAsk("Content-Length: +29\r\n") + askBody, "400, closed"},
	{"`Content-Length: -1`", rawAsk("Content-Length: -1\r\n") + smuggled, "400, closed"},
	{"`Content-Length: 0x1d`", rawAsk("Content-Length: 0x1d\r\n") + askBody, "400, closed"},
	{"`Content-Length: 2 9`", rawAsk("Content-Length: 2 9\r\n") + askBody, "400, closed"},
	{"an empty `Content-Length`", rawAsk("Content-Length:\r\n") + askBody, "400, closed"},
	{"a `Content-Length` of 30 digits", rawAsk("Content-Length: 999999999999999999999999999999\r\n") + askBody, "400, closed"},
	{"a `Content-Length` above the limit", rawAsk("Content-Length: 40000000\r\n") + askBody, "413, closed"},

	{"`Transfer-Encoding: xchunked`", rawAsk("Transfer-Encoding: xchunked\r\n") + askChunked, "400, closed"},
	{"`Transfer-Encoding: gzip, chunked`", rawAsk("Transfer-Encoding: gzip, chunked\r\n") + askChunked, "400, closed"},
	{"`Transfer-Encoding: chunked, identity`", rawAsk("Transfer-Encoding: chunked, identity\r\n") + askChunked, "400, closed"},
	{"`Transfer-Encoding: identity`", rawAsk("Transfer-Encoding: identity\r\n"+askLength) + askBody, "400, closed"},
	{"`Transfer-Encoding: chunked` twice", rawAsk(chunkedTE+chunkedTE) + askChunked, "400, closed"},
	{"`Transfer-Encoding` with a vertical tab", rawAsk("Transfer-Encoding: \x0bchunked\r\n") + askChunked, "400, closed"},
	{"an empty `Transfer-Encoding` beside a length", rawAsk("Transfer-Encoding:\r\n"+askLength) + askBody, "400, closed"},
	{"`Transfer-Encoding: chunked` on HTTP/1.0", strings.Replace(rawAsk(chunkedTE), "HTTP/1.1", "HTTP/1.0", 1) + askChunked, "400, closed"},
	{"`Content-Length` before `chunked`", rawAsk("Content-Length: 4\r\n"+chunkedTE) + askChunked + smuggled, "400, closed"},
	{"`chunked` before `Content-Length`", rawAsk(chunkedTE+"Content-Length: 4\r\n") + askChunked + smuggled, "400, closed"},
	{"`CONTENT-LENGTH` beside `chunked`", rawAsk(chunkedTE+"CONTENT-LENGTH: 4\r\n") + askChunked + smuggled, "400, closed"},
	{"`Content-Length` and `chunked` in a folded line", rawAsk("X-A: b\r\n Content-Length: 4\r\n"+chunkedTE) + askChunked, "400, closed"},
	{"`chunked` in the name's other case", rawAsk("transfer-encoding: Chunked\r\n") + askChunked, "200, kept"},
	{"`chunked` alone", rawAsk(chunkedTE) + askChunked, "200, kept"},

	{"a space before a header's colon", rawAsk("Content-Length : 29\r\n") + askBody, "400, closed"},
	{"a tab before a header's colon", rawAsk("Content-Length\t: 29\r\n") + askBody, "400, closed"},
	{"a header without a name", rawAsk(askLength+": x\r\n") + askBody, "400, closed"},
	{"a header without a colon", rawAsk(askLength+"nothing\r\n") + askBody, "400, closed"},
	{"lines that end with LF alone, and CR LF CR LF", strings.ReplaceAll(strings.TrimSuffix(rawAsk(askLength), "\r\n\r\n"), "\r\n", "\n") + "\r\n\r\n" + askBody, "400, closed"},
	{"a request line that ends with LF alone", strings.Replace(rawAsk(askLength), "\r\n", "\n", 1) + askBody, "200, kept"},
	{"one line that ends with LF alone", rawAsk("X-A: b\nX-C: d\r\n"+askLength) + askBody, "400, closed"},
	{"a CR within a header", rawAsk("X-A: b\rX-C: d\r\n"+askLength) + askBody, "400, closed"},
	{"a NUL within a header", rawAsk("X-A: b\x00c\r\n"+askLength) + askBody, "400, closed"},
	{"a NUL within a header's name", rawAsk("X-\x00A: b\r\n"+askLength) + askBody, "400, closed"},
	{"a space within a header's name", rawAsk("X A: b\r\n"+askLength) + askBody, "400, closed"},
	{"`Transfer-Encoding x: chunked`", rawAsk("Transfer-Encoding x: chunked\r\n"+askLength) + askBody + smuggled, "400, closed"},
	{"`Content-Length x: 4` beside a length", rawAsk("Content-Length x: 4\r\n"+askLength) + askBody, "400, closed"},
	{"a tab within a header's name", rawAsk("X\tA: b\r\n"+askLength) + askBody, "400, closed"},
	{"a control byte within a header's name", rawAsk("X-\x01A: b\r\n"+askLength) + askBody, "400, closed"},
	{"a DEL within a header's name", rawAsk("X-\x7fA: b\r\n"+askLength) + askBody, "400, closed"},
	{"a CR within a header's name", rawAsk("X-\rA: b\r\n"+askLength) + askBody, "400, closed"},
	{"quotes around a header's name", rawAsk("\"X-A\": b\r\n"+askLength) + askBody, "400, closed"},
	{"brackets in a header's name", rawAsk("X(A): b\r\n"+askLength) + askBody, "400, closed"},
	{"a slash in a header's name", rawAsk("X/A: b\r\n"+askLength) + askBody, "400, closed"},
	{"an `@` in a header's name", rawAsk("X@A: b\r\n"+askLength) + askBody, "400, closed"},
	{"a letter of UTF-8 in a header's name", rawAsk("X-\u00c4: b\r\n"+askLength) + askBody, "400, closed"},
	{"a byte that is no UTF-8 in a header's name", rawAsk("X-\xff: b\r\n"+askLength) + askBody, "400, closed"},
	{"a byte order mark before a header's name", rawAsk("\ufeffX-A: b\r\n"+askLength) + askBody, "400, closed"},
	{"a name of the first header with a space", strings.Replace(rawAsk(askLength), "\r\nHost", "\r\nX A: b\r\nHost", 1) + askBody, "400, closed"},
	{"a name of the last header with a space", rawAsk(askLength+"X A: b\r\n") + askBody, "400, closed"},
	{"every sign that a header's name may have", rawAsk("X!#$%&'*+-.^_`|~09azAZ: b\r\n"+askLength) + askBody, "200, kept"},
	{"a header of one letter", rawAsk("A:\r\n"+askLength) + askBody, "200, kept"},
	{"a control byte within a header's value", rawAsk("X-A: b\x01c\r\n"+askLength) + askBody, "400, closed"},
	{"a letter of UTF-8 in a header's value", rawAsk("X-A: \u00c4\r\n"+askLength) + askBody, "200, kept"},
	{"a folded header", rawAsk("X-A: b\r\n c\r\n"+askLength) + askBody, "400, closed"},
	{"a folded first header", strings.Replace(rawAsk(askLength), "\r\nHost", "\r\n Host", 1) + askBody, "400, closed"},

	{"no `Host`", strings.Replace(rawAsk(askLength), "Host: x\r\n", "", 1) + askBody, "400, closed"},
	{"two `Host`", rawAsk("Host: y\r\n"+askLength) + askBody, "400, closed"},
	{"an address as the target, `Host` another", strings.Replace(rawAsk(askLength), "POST /", "POST http://y/", 1) + askBody, "400, closed"},
	{"an address as the target, `Host` the same", strings.Replace(rawAsk(askLength), "POST /", "POST http://x/", 1) + askBody, "200, kept"},
	{"`CONNECT`", "CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", "400, closed"},
	{"`TRACE`", "TRACE /api/chat HTTP/1.1\r\nHost: x\r\n\r\n", "405, kept"},
	{"`PRI * HTTP/2.0`", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400, closed"},
	{"`PRI *` as HTTP/1.1", "PRI * HTTP/1.1\r\nHost: x\r\n\r\n", "400, closed"},
	{"`get` in lower case", "get /info HTTP/1.1\r\nHost: x\r\n\r\n", "404, kept"},
	{"`post` in lower case", strings.Replace(rawAsk(askLength), "POST", "post", 1) + askBody, "405, kept"},
	{"a method that is no token", "G@T( /info HTTP/1.1\r\nHost: x\r\n\r\n", "400, closed"},
	{"two spaces in the request line", "GET  /info HTTP/1.1\r\nHost: x\r\n\r\n", "400, closed"},
	{"a space in the target", "GET /info /info HTTP/1.1\r\nHost: x\r\n\r\n", "400, closed"},
	{"no version", "GET /info\r\nHost: x\r\n\r\n", "400, closed"},
	{"HTTP/1.2", "GET /info HTTP/1.2\r\nHost: x\r\n\r\n", "400, closed"},
	{"HTTP/3.7", "GET /info HTTP/3.7\r\nHost: x\r\n\r\n", "400, closed"},
	{"bytes of a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400, closed"},
	{"`GET` with a body", "GET /info HTTP/1.1\r\nHost: x\r\nContent-Length: 55\r\n\r\n" + smuggled, "200, kept"},

	{"a chunk's size that is no number", rawAsk(chunkedTE) + "zz\r\n" + askBody + "\r\n0\r\n\r\n", "400, closed"},
	{"`-1d` as a chunk's size", rawAsk(chunkedTE) + "-1d\r\n" + askBody + "\r\n0\r\n\r\n", "400, closed"},
	{"`0x1d` as a chunk's size", rawAsk(chunkedTE) + "0x1d\r\n" + askBody + "\r\n0\r\n\r\n", "400, closed"},
	{"a chunk's size of 64 bits and more", rawAsk(chunkedTE) + "1000000000000001d\r\n" + askBody + "\r\n0\r\n\r\n", "400, closed"},
	{"a chunk's size above the limit", rawAsk(chunkedTE) + "7fffffff\r\n" + askBody, "413, closed"},
	{"an empty chunk's size", rawAsk(chunkedTE) + "\r\n" + askBody + "\r\n0\r\n\r\n", "400, closed"},
	{"a chunk's size that ends with LF alone", rawAsk(chunkedTE) + "1d\n" + askBody + "\r\n0\r\n\r\n", "400, closed"},
	{"a chunk that does not end with CR LF", rawAsk(chunkedTE) + "1d\r\n" + askBody + "XX0\r\n\r\n", "400, closed"},
	{"a chunk that is longer than its size", rawAsk(chunkedTE) + "1c\r\n" + askBody + "\r\n0\r\n\r\n", "400, closed"},
	{"a chunk's extension", rawAsk(chunkedTE) + "1d;a=b\r\n" + askBody + "\r\n0\r\n\r\n", "200, kept"},
	{"a chunk's extension with LF alone", rawAsk(chunkedTE) + "1d;a\n" + askBody + "\r\n0\r\n\r\n", "400, closed"},
	{"a last chunk without its end", rawAsk(chunkedTE) + "1d\r\n" + askBody + "\r\n0\r\n" + smuggled, "400, closed"},
	{"a trailer that repeats `Content-Length`", rawAsk(chunkedTE) + "1d\r\n" + askBody + "\r\n0\r\nContent-Length: 4\r\n\r\n", "400, closed"},

	{"a trailer with a space within its name", rawAsk(chunkedTE) + "1d\r\n" + askBody + "\r\n0\r\nX A: b\r\n\r\n", "400, closed"},
	{"a trailer", rawAsk(chunkedTE) + "1d\r\n" + askBody + "\r\n0\r\nX-A: b\r\n\r\n", "200, kept"},

	{"a header of 20 KiB", rawAsk("X-A: "+strings.Repeat("a", 20<<10)+"\r\n"+askLength) + askBody, "431, closed"},
	{"3,000 headers", rawAsk(strings.Repeat("X-A: b\r\n", 3000)+askLength) + askBody, "431, closed"},
	{"a target of 20 KiB", "GET /" + strings.Repeat("a", 20<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431, closed"},

	{"a request id that would be a header", "GET /info HTTP/1.1\r\nHost: x\r\nX-Request-Id: a%0d%0aX-Evil: 1\r\n\r\n", "200, kept"},
	{"a target that would be a header", "GET /api/conversations/a%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\n\r\n", "404, kept"},
	{"an origin that would be a header", "GET /info HTTP/1.1\r\nHost: x\r\nOrigin: http://a%0d%0aX-Evil: 1\r\n\r\n", "200, kept"},
	{"a body of 30 MiB without a key", sizedHead("/api/chat", "", 30<<20) + askBody, "401, closed"},
	{"a body of 65 KiB with a bad key, after `100 Continue`", sizedHead("/api/chat", "Authorization: Bearer x\r\nExpect: 100-continue\r\n", 65<<10), "401, closed"},
	{"a chunk of 65 KiB with a bad key", postHead("/api/chat", "Authorization: Bearer x\r\n", chunkedTE) + "10400\r\n" + askBody, "401, closed"},
	{"a body of 64 KiB with a bad key", sizedHead("/api/chat", "Authorization: Bearer x\r\n", 64<<10) + strings.Repeat(" ", 64<<10), "401, kept"},
	{"a body of 65 KiB for a path that is not there", sizedHead("/nothing", "Authorization: Bearer "+key+"\r\n", 65<<10) + askBody, "413, closed"},
	{"chunks above the limit together", rawAsk(chunkedTE) + strings.Repeat("10000\r\n"+strings.Repeat(" ", 1<<16)+"\r\n", 15) + "10001\r\n", "413, closed"},
	{"a chunk's extension of 2 KiB", rawAsk(chunkedTE) + "1d;" + strings.Repeat("a", 2<<10) + "\r\n" + askBody + "\r\n0\r\n\r\n", "400, closed"},
	{"a trailer of 20 KiB", rawAsk(chunkedTE) + "1d\r\n" + askBody + "\r\n0\r\nX-A: " + strings.Repeat("a", 20<<10) + "\r\n\r\n", "431, closed"},
	{"a trailer with a key", postHead("/api/chat", "", chunkedTE) + "1d\r\n" + askBody + "\r\n0\r\nX-Api-Key: " + key + "\r\n\r\n", "401, kept"},
	{"a long body and a question behind it", rawAsk("Content-Length: 20029\r\n") + strings.Repeat(" ", 20_000) + askBody + strings.Replace(smuggled, "smuggled", "second", 1), "200, kept"},
	{"two questions, one behind the other", rawAsk(askLength) + askBody + strings.Replace(smuggled, "smuggled", "second", 1), "200, kept"},
}

func TestNoHostileRequestIsTakenForAnother(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	got := make([]string, len(hostile))
	t.Run("each", func(t *testing.T) {
		for i, h := range hostile {
			t.Run(h.name, func(t *testing.T) {
				t.Parallel()
				got[i] = answered(t, w, h.raw)
				if got[i] != h.want {
					t.Errorf("answered with %q, want %q", got[i], h.want)
				}
			})
		}
	})
	if w.Log.String() == "" {
		t.Error("the world has no log")
	}
	var table strings.Builder
	table.WriteString("| input | answer | connection |\n|---|---|---|\n")
	for i, h := range hostile {
		status, connection, _ := strings.Cut(got[i], ", ")
		fmt.Fprintf(&table, "| %s | %s | %s |\n", h.name, status, connection)
	}
	checkTable(t, "requests", table.String())
}

// answered sends raw and returns the status of the answer and whether the
// connection was kept. There must be one answer to it, and none to anything else.
func answered(t *testing.T, w *world.World, raw string) string {
	t.Helper()
	c := w.Dial(t)
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, raw); err != nil {
		t.Logf("writing: %v", err)
	}
	br := bufio.NewReader(c)
	first := readAnswer(t, br)
	if first == nil {
		return "none"
	}
	if strings.Contains(raw, "X-Request-Id: second") {
		if second := readAnswer(t, br); second == nil || second.Header.Get("X-Request-Id") != "second" {
			t.Error("the second question got no answer")
		}
	}
	if !first.Close {
		if _, err := io.WriteString(c, canary); err != nil {
			t.Errorf("the connection should have been kept: %v", err)
		}
		if last := readAnswer(t, br); last == nil || last.Header.Get("X-Request-Id") != "canary" || last.StatusCode != 200 {
			t.Errorf("the next request of the connection was answered with %+v", last)
		}
	}
	if rest, _ := io.ReadAll(br); len(rest) > 0 {
		t.Errorf("another answer: %.200q", rest)
	}
	if first.Close {
		return fmt.Sprint(first.StatusCode, ", closed")
	}
	return fmt.Sprint(first.StatusCode, ", kept")
}

func readAnswer(t *testing.T, br *bufio.Reader) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Errorf("no answer: %v", err)
		return nil
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 && !strings.HasPrefix(string(body), "{") {
		t.Errorf("the answer's body is %.200q, %v", body, err)
	}
	if id := resp.Header.Get("X-Request-Id"); id == "" || id == "smuggled" || resp.Header.Get("X-Evil") != "" {
		t.Errorf("an answer with the headers %v", resp.Header)
	}
	return resp
}

const hardeningPage = "../../docs/hardening.md"

// pageLock is held by the test that reads or writes the page.
var pageLock sync.Mutex

// checkTable compares table with the one of the page that has this name, or writes
// it there.
func checkTable(t *testing.T, name, table string) {
	t.Helper()
	pageLock.Lock()
	defer pageLock.Unlock()
	begin, end := "<!-- "+name+" -->\n\n", "\n<!-- end of "+name+" -->"
	page, err := os.ReadFile(hardeningPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), begin)
	shown, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the table")
	}
	if *update {
		if err := os.WriteFile(hardeningPage, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != table {
		t.Error("the table in docs/hardening.md is another one: run the test with -update")
	}
}
