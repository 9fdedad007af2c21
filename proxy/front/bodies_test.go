package front_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// bodyPaths are the paths that take long bodies, with a question of as many bytes as
// wanted.
var bodyPaths = map[string]func(bytes int) string{
	"/v1/chat/completions": func(n int) string {
		return fmt.Sprintf(`{"model":"echo","messages":[{"role":"user","content":%q}]}`, strings.Repeat("x", n))
	},
	"/v1/messages": func(n int) string {
		return fmt.Sprintf(`{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("x", n))
	},
	"/api/chat": func(n int) string { return fmt.Sprintf(`{"userId":"u","message":%q}`, strings.Repeat("x", n)) },
}

const bodyConf = callers + `channels: [{id: up, kind: openai, url: "http://{MODEL}/v1", keys: [` + channelKey + `], models: [echo]}]
`

// credentials are the headers that a key may stand in.
var credentials = map[string]string{
	"bearer": "Authorization: Bearer %s\r\n", "bare": "Authorization: %s\r\n", "x-api-key": "x-api-key: %s\r\n", "X-API-Key": "X-API-Key: %s\r\n",
}

// takes reports whether path looks for a key where the header named as has it.
func takes(path, as string) bool {
	return path != "/v1/chat/completions" || as == "bearer" || as == "bare"
}

// postHead is the head of a request with a body.
func postHead(path, credential, framing string) string {
	return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + credential + framing + "\r\n"
}

// sizedHead is postHead for a body of n bytes.
func sizedHead(path, credential string, n int) string {
	return postHead(path, credential, fmt.Sprintf("Content-Length: %d\r\n", n))
}

// answerTo sends raw, and returns the answer to it.
func answerTo(t *testing.T, w *world.World, raw string) (*http.Response, string) {
	t.Helper()
	c := w.Dial(t)
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(world.Limit))
	if _, err := io.WriteString(c, raw); err != nil {
		t.Logf("writing: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	body, _ := io.ReadAll(resp.Body)
	return resp, string(body)
}

func TestALongBodyOfAStrangerIsRefusedByItsHeadAlone(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "trusted_proxies: [127.0.0.1]\n"+bodyConf)
	strangers := 0
	// somebody is another address each time, as the bad keys of one are bounded.
	somebody := func() string {
		strangers++
		return fmt.Sprintf("X-Forwarded-For: 10.0.%d.%d\r\n", strangers/200, strangers%200)
	}
	wrong := []string{"sk-wrong", "wrong", "a.b.c", key + "x"}
	for path := range bodyPaths {
		credential := []string{""}
		for _, as := range credentials {
			for _, token := range wrong {
				credential = append(credential, fmt.Sprintf(as, token))
			}
		}
		credential = append(credential, "Authorization: Basic "+key+"\r\n")
		for _, with := range credential {
			with += somebody()
			for name, raw := range map[string]string{
				"with its length": sizedHead(path, with, 30<<20) + "{",
				"in chunks":       postHead(path, with, chunkedTE) + "20000\r\n{",
				"who waits":       postHead(path, with, "Content-Length: 100000\r\nExpect: 100-continue\r\n"),
			} {
				resp, body := answerTo(t, w, raw)
				if resp.StatusCode != 401 || !resp.Close || !strings.HasPrefix(body, "{") {
					t.Errorf("%s %q %s: %d, closed %t, %.200s", path, with, name, resp.StatusCode, resp.Close, body)
				}
			}
		}
	}
	for _, path := range []string{"/conversation/mask/save", "/api/conversation/share"} {
		if resp, body := answerTo(t, w, sizedHead(path, "Authorization: wrong\r\n"+somebody(), 1<<20)+"{"); resp.StatusCode != 401 || !resp.Close {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

func TestAPathThatNeedsNoBodyTakesAShortOneOnly(t *testing.T) {
	t.Parallel()
	w := world.Start(t, bodyConf)
	for _, path := range []string{"/nothing", "/v1/nothing", "/ws/v1/chat"} {
		for _, length := range []int{strangersBody + 1, 30 << 20} {
			if resp, body := answerTo(t, w, sizedHead(path, "Authorization: Bearer "+key+"\r\n", length)+"{"); resp.StatusCode != 413 || !resp.Close {
				t.Errorf("%s: %d %s", path, resp.StatusCode, body)
			}
		}
		if resp, body := answerTo(t, w, sizedHead(path, "", strangersBody)+strings.Repeat(" ", strangersBody)); resp.StatusCode == 413 || resp.Close {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
}

// strangersBody is how long a body may be for which no credential is looked for.
const strangersBody = 64 << 10

func TestAShortBodyOfAStrangerIsReadAndItsConnectionKept(t *testing.T) {
	t.Parallel()
	w := world.Start(t, bodyConf)
	for path := range bodyPaths {
		for _, length := range []int{100, 16 << 10, 16<<10 + 1, strangersBody} {
			resp, body := answerTo(t, w, sizedHead(path, "", length)+strings.Repeat(" ", length))
			if resp.StatusCode != 401 || resp.Close {
				t.Errorf("%s, %d bytes: %d, closed %t, %s", path, length, resp.StatusCode, resp.Close, body)
			}
		}
	}
}

func TestALongBodyIsReadForAKeyWhereverItStands(t *testing.T) {
	t.Parallel()
	w := world.Start(t, bodyConf)
	for path, question := range bodyPaths {
		for as, header := range credentials {
			if !takes(path, as) {
				continue
			}
			body := question(200_000)
			resp, got := answerTo(t, w, sizedHead(path, fmt.Sprintf(header, key), len(body))+body)
			if resp.StatusCode != 200 || resp.Close {
				t.Errorf("%s, %s: %d %.200s", path, as, resp.StatusCode, got)
			}
		}
	}
}

func TestAnAnonymousCallersBodyHasABoundOfItsOwn(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "callers: {anonymous: {max_body: 300KiB}, keys: [{name: alice, key: "+key+"}]}\nchannels:\n"+channel("a", "mock", "", "echo"))
	for path, question := range bodyPaths {
		good := question(250_000)
		if resp, got := answerTo(t, w, sizedHead(path, "", len(good))+good); resp.StatusCode != 200 {
			t.Errorf("%s: %d %.200s", path, resp.StatusCode, got)
		}
		if resp, got := answerTo(t, w, sizedHead(path, "", 300<<10+1)+"{"); resp.StatusCode != 413 || !resp.Close {
			t.Errorf("%s, a byte too many: %d %.200s", path, resp.StatusCode, got)
		}
		if resp, got := answerTo(t, w, postHead(path, "", chunkedTE)+"50000\r\n{"); resp.StatusCode != 413 || !resp.Close {
			t.Errorf("%s, a chunk too large: %d %.200s", path, resp.StatusCode, got)
		}
		if resp, got := answerTo(t, w, sizedHead(path, "Authorization: Bearer wrong\r\n", len(good))+"{"); resp.StatusCode != 401 || !resp.Close {
			t.Errorf("%s, a wrong key: %d %.200s", path, resp.StatusCode, got)
		}
		large := question(700_000)
		if resp, got := answerTo(t, w, sizedHead(path, "Authorization: Bearer "+key+"\r\n", len(large))+large); resp.StatusCode != 200 {
			t.Errorf("%s, with a key: %d %.200s", path, resp.StatusCode, got)
		}
	}
}

// What follows a long body on its connection is the next request, however both are cut
// into packets.
func TestWhatFollowsALongBodyIsTheNextRequest(t *testing.T) {
	t.Parallel()
	w := world.Start(t, bodyConf)
	question := bodyPaths["/api/chat"](40_000)
	with := "Authorization: Bearer " + key + "\r\n"
	for name, raw := range map[string]string{
		"length":         sizedHead("/api/chat", with, len(question)) + question,
		"chunks":         postHead("/api/chat", with, chunkedTE) + inChunks(question, 7001) + "0\r\n\r\n",
		"tiny chunks":    postHead("/api/chat", with, chunkedTE) + inChunks(question[:400]+question[39_600:], 1) + "0\r\nX-Trailer: a\r\n\r\n",
		"another length": sizedHead("/nothing", with, 20_000) + strings.Repeat("\r\n\r\n", 5000),
	} {
		want := 200
		if name == "another length" {
			want = 404
		}
		for _, piece := range []int{len(raw) + len(canary), 1000, 4096, 16 << 10, 333} {
			c := w.Dial(t)
			all := raw + raw + canary
			for len(all) > 0 {
				n := min(piece, len(all))
				if _, err := io.WriteString(c, all[:n]); err != nil {
					t.Fatal(err)
				}
				all = all[n:]
				runtime.Gosched()
			}
			br := bufio.NewReader(c)
			first, second := readAnswer(t, br), readAnswer(t, br)
			if last := readAnswer(t, br); first == nil || second == nil || last == nil || first.StatusCode != want || second.StatusCode != want || last.Header.Get("X-Request-Id") != "canary" {
				t.Errorf("%s in pieces of %d: %v, %v, %v", name, piece, first, second, last)
			}
			if rest, _ := io.ReadAll(br); len(rest) > 0 {
				t.Errorf("%s in pieces of %d: another answer: %.200q", name, piece, rest)
			}
			_ = c.Close()
		}
	}
}

// inChunks is text in chunks of n bytes.
func inChunks(text string, n int) string {
	var b strings.Builder
	for len(text) > 0 {
		piece := text[:min(n, len(text))]
		text = text[len(piece):]
		fmt.Fprintf(&b, "%x\r\n%s\r\n", len(piece), piece)
	}
	return b.String()
}

func TestWhoWaitsFor100ContinueGetsItForALongBody(t *testing.T) {
	t.Parallel()
	w := world.Start(t, bodyConf)
	body := bodyPaths["/api/chat"](100_000)
	c := w.Dial(t)
	defer func() { _ = c.Close() }()
	br := bufio.NewReader(c)
	for range 2 {
		_, _ = io.WriteString(c, postHead("/api/chat", "Authorization: Bearer "+key+"\r\n", fmt.Sprintf("Content-Length: %d\r\nExpect: 100-continue\r\n", len(body))))
		if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != 100 {
			t.Fatalf("%v, %v", resp, err)
		}
		_, _ = io.WriteString(c, body)
		if resp := readAnswer(t, br); resp == nil || resp.StatusCode != 200 {
			t.Fatalf("%v", resp)
		}
	}
}

// growth is how many bytes the heap has grown by since before.
func growth(before *runtime.MemStats) int64 {
	var after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&after)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// A head makes room for no more than has come behind it.
func TestLongHeadsTakeNoMemory(t *testing.T) {
	w := world.Start(t, bodyConf)
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 100
	var open []net.Conn
	for i := range n {
		c := w.Dial(t)
		open = append(open, c)
		framing := "Content-Length: 33554432\r\n"
		if i%2 == 1 {
			framing = chunkedTE
		}
		behind := map[bool]string{true: "{", false: "1f00000\r\n{"}[i%2 == 0]
		if _, err := io.WriteString(c, postHead("/v1/chat/completions", "Authorization: Bearer "+key+"\r\n", framing)+behind); err != nil {
			t.Fatal(err)
		}
	}
	w.Eventually(t, "all heads are read", func() bool { return w.BodiesHeld() >= n*16<<10 })
	if grown := growth(&before); grown > n*128<<10 {
		t.Errorf("%d heads took %d bytes", n, grown)
	}
	for _, c := range open {
		_ = c.Close()
	}
	w.Eventually(t, "all is given back", func() bool { return w.BodiesHeld() == 0 })
}

// stall begins an upload with a key, and goes on no further than sent bytes.
func stall(t *testing.T, w *world.World, token string, length, sent int) net.Conn {
	t.Helper()
	c := w.Dial(t)
	raw := sizedHead("/v1/chat/completions", "Authorization: Bearer "+token+"\r\n", length) + strings.Repeat(" ", sent)
	go func() { _, _ = io.WriteString(c, raw) }()
	return c
}

func TestStalledUploadsLeaveOthersServed(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "bodies: 16MiB\n"+bodiesOf("2MiB")+bodyConf)
	for range 8 {
		defer func(c net.Conn) { _ = c.Close() }(stall(t, w, key, 2<<20, 1<<20))
	}
	w.Eventually(t, "the uploads are under way", func() bool { return w.BodiesHeld() >= 3<<20 })
	if held := w.BodiesHeld(); held > 4<<20 {
		t.Errorf("one caller holds %d bytes of 16 MiB", held)
	}
	ask := func(token string, n int) (*http.Response, string) {
		body := bodyPaths["/v1/chat/completions"](n)
		return answerTo(t, w, sizedHead("/v1/chat/completions", "Authorization: Bearer "+token+"\r\n", len(body))+body)
	}
	resp, got := ask(key, 1900<<10)
	if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" || !resp.Close || !strings.Contains(got, "CHANNEL_UNAVAILABLE") {
		t.Errorf("a long question of the same caller: %d %v %.200s", resp.StatusCode, resp.Header, got)
	}
	if resp, got := ask("sk-bob-caller-key", 100_000); resp.StatusCode != 200 {
		t.Errorf("another caller: %d %.200s", resp.StatusCode, got)
	}
	if resp, got := ask(key, 100); resp.StatusCode != 200 {
		t.Errorf("a short question of the same caller: %d %.200s", resp.StatusCode, got)
	}
}

func TestAnAnswerGivesBackWhatItsBodyTook(t *testing.T) {
	t.Parallel()
	w := world.Start(t, "bodies: 4MiB\n"+bodiesOf("2MiB")+bodyConf)
	with := "Authorization: Bearer " + key + "\r\n"
	for path, question := range bodyPaths {
		for i := range 17 { // together more than there is
			body := strings.Replace(question(250_000), `"u"`, fmt.Sprintf(`"u%d"`, i), 1)
			if resp, got := answerTo(t, w, sizedHead(path, with, len(body))+body); resp.StatusCode != 200 {
				t.Fatalf("%s: %d %.200s", path, resp.StatusCode, got)
			}
			streamed := strings.Replace(body, "{", `{"stream":true,`, 1)
			if path == "/api/chat" {
				continue
			}
			if resp, got := answerTo(t, w, sizedHead(path, with, len(streamed))+streamed); resp.StatusCode != 200 {
				t.Fatalf("%s streamed: %d %.200s", path, resp.StatusCode, got)
			}
		}
	}
	w.Eventually(t, "all is given back", func() bool { return w.BodiesHeld() == 0 })
}

// An answer that goes on without its client keeps its question, which counts so long.
func TestABodyCountsUntilAnAnswerWithoutItsClientIsOver(t *testing.T) {
	t.Parallel()
	w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "on_leave: finish", "long-400-slow-20"))
	body := fmt.Sprintf(`{"model":"long-400-slow-20","stream":true,"messages":[{"role":"user","content":%q}]}`, strings.Repeat("x", 500_000))
	c := w.Dial(t)
	if _, err := io.WriteString(c, sizedHead("/v1/chat/completions", "Authorization: Bearer "+key+"\r\n", len(body))+body); err != nil {
		t.Fatal(err)
	}
	if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	w.Eventually(t, "all is given back", func() bool { return w.BodiesHeld() == 0 })
	// The line of an exchange comes at its end.
	if log := w.Log.String(); !strings.Contains(log, "code=ok") {
		t.Errorf("it was given back before the answer was over: %s", log)
	}
}
