package front_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// The files in testdata/chatnio are what the real server and its clients said to
// each other. Their client side is played to the gateway, whose answers have to
// say what the real ones did: the same status, every key of theirs with the same
// type, and the same words. What may differ are numbers, times, hashes and prices,
// keys that the gateway adds, lists where the real server has null, and what is
// known in lists where it has nothing.
func TestWhatTheRealServerAnsweredIsAnswered(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/chatnio/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			t.Parallel()
			s := openSite(t, siteConf)
			r := &replay{t: t, s: s, socks: make(map[int]*sock), numbers: make(map[int64]int64), jwt: signed(t, "alice", time.Hour)}
			r.play(file)
		})
	}
}

// scene is one line of a trace.
type scene struct {
	Dir     string            `json:"dir"`
	Kind    string            `json:"kind"`
	Conn    int               `json:"conn"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers"`
	Body    json.RawMessage   `json:"body"`
	BodyRaw string            `json:"body_raw"`
	Status  int               `json:"status"`
	Data    string            `json:"data"`
}

type replay struct {
	t       *testing.T
	s       *site
	jwt     string
	socks   map[int]*sock
	numbers map[int64]int64 // of conversations: theirs to ours
	hash    string          // of the newest share, theirs
	ours    string
	loose   bool // frames that have no answer are under way
	asked   *scene
	turn    []wireFrame
}

func (r *replay) play(file string) {
	r.t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	compared := 0
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one scene
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			r.t.Fatalf("%v in %s", err, lines.Text())
		}
		compared += r.act(&one)
	}
	if compared < 2 {
		r.t.Errorf("%d answers were compared", compared)
	}
}

// act plays a client's line, or compares a server's, and counts the latter.
func (r *replay) act(one *scene) int {
	r.t.Helper()
	switch {
	case one.Kind == "ws-dial":
		r.socks[one.Conn] = r.s.dial(r.t, one.Path)
	case one.Kind == "text" && one.Dir == ">":
		r.loose = r.loose || !strings.Contains(one.Data, `"chat"`)
		r.socks[one.Conn].say(r.local(one.Data))
	case one.Kind == "text":
		return r.frame(one)
	case one.Kind == "close" && one.Dir == ">":
		r.socks[one.Conn].leave()
	case one.Kind == "http" && one.Dir == ">":
		r.asked = one
	case one.Kind == "http":
		r.answer(one)
		return 1
	}
	return 0
}

var theirNumber = regexp.MustCompile(`("id":|[?&]id=)(\d+)`)

// local puts this gateway's keys, numbers and hashes in the place of the trace's.
func (r *replay) local(text string) string {
	text = strings.NewReplacer("sk-<64hex>", "sk-alice", "<jwt>", r.jwt).Replace(text)
	if r.hash != "" {
		text = strings.ReplaceAll(text, r.hash, r.ours)
	}
	return theirNumber.ReplaceAllStringFunc(text, func(found string) string {
		m := theirNumber.FindStringSubmatch(found)
		var n int64
		_, _ = fmt.Sscan(m[2], &n)
		if ours, known := r.numbers[n]; known {
			return m[1] + itoa(ours)
		}
		return found
	})
}

// frame gathers the frames of a turn and compares it with ours when it is over.
func (r *replay) frame(one *scene) int {
	r.t.Helper()
	var f wireFrame
	if err := json.Unmarshal([]byte(one.Data), &f); err != nil {
		r.t.Fatal(err)
	}
	r.turn = append(r.turn, f)
	if !*f.End {
		return 0
	}
	theirs := &played{number: *r.turn[0].Conversation, fault: *f.Message}
	for _, f := range r.turn[:len(r.turn)-1] {
		theirs.text += *f.Message
	}
	r.turn, r.loose = nil, false
	ours := r.socks[one.Conn].turn()
	if plain(ours.text) != plain(theirs.text) || ours.fault != theirs.fault || (ours.number == -1) != (theirs.number == -1) {
		r.t.Errorf("a turn differs: got %+v, want %+v", ours, theirs)
	}
	if theirs.number > 0 {
		r.numbers[theirs.number] = ours.number
	}
	return 1
}

var counted = regexp.MustCompile(` \(n=\d+\)`)

// plain is a scripted answer without the number of messages it was given, which
// the two scripts count differently.
func plain(text string) string { return counted.ReplaceAllString(text, "") }

func (r *replay) answer(one *scene) {
	r.t.Helper()
	var wrong []string
	deadline := time.Now().Add(world.Limit / 2)
	for {
		status, body := r.put()
		wrong = nil
		if status != one.Status {
			wrong = append(wrong, fmt.Sprintf("status %d, want %d", status, one.Status))
		}
		var text string
		_ = json.Unmarshal(one.Body, &text)
		r.same(&wrong, "", decoded(r.t, text), decoded(r.t, body))
		if len(wrong) == 0 || !r.loose || time.Now().After(deadline) {
			break
		}
	}
	if len(wrong) > 0 {
		r.t.Errorf("%s %s: %s", r.asked.Method, r.asked.Path, strings.Join(wrong, "; "))
	}
	r.loose = false
}

func (r *replay) put() (int, string) {
	r.t.Helper()
	var headers []string
	for k, v := range r.asked.Headers {
		headers = append(headers, k, r.local(v))
	}
	body := r.asked.BodyRaw
	if body == "" {
		body = string(r.asked.Body)
	}
	resp, got := r.s.call(r.t, r.asked.Method, r.local(r.asked.Path), r.local(body), headers...)
	return resp.StatusCode, got
}

// decoded reads the first JSON value: the real server sends two of them once.
func decoded(t *testing.T, text string) (v any) {
	t.Helper()
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&v); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return v
}

// words are the keys whose text has to be the same.
var words = map[string]bool{"message": true, "error": true, "name": true, "role": true, "content": true, "model": true, "username": true, "user": true, "expired_at": true, "object": true}

// same notes what theirs says and ours does not.
func (r *replay) same(wrong *[]string, key string, theirs, ours any) {
	note := func() { *wrong = append(*wrong, fmt.Sprintf("%s is %v, want %v", key, ours, theirs)) }
	switch want := theirs.(type) {
	case map[string]any:
		got, ok := ours.(map[string]any)
		if !ok {
			note()
			return
		}
		for k, v := range want {
			if _, there := got[k]; !there {
				*wrong = append(*wrong, "no "+k)
				continue
			}
			r.same(wrong, k, v, got[k])
		}
	case []any:
		got, ok := ours.([]any)
		counts := key == "message" || key == "messages" || key == "data" && len(want) == 0
		if !ok || len(want) > 0 && len(got) == 0 || counts && len(want) != len(got) {
			note()
			return
		}
		for i := range min(len(want), len(got)) {
			if key != "models" {
				r.same(wrong, key, want[i], got[i])
			}
		}
	case string:
		got, ok := ours.(string)
		if key == "data" && len(want) == 32 && ok {
			r.hash, r.ours = want, got
		}
		if !ok || words[key] && want != "" && plain(got) != plain(want) {
			note()
		}
	case bool:
		if got, ok := ours.(bool); !ok || key == "status" && got != want {
			note()
		}
	case float64:
		if _, ok := ours.(float64); !ok {
			note()
		}
	}
}

func TestABinaryFrameIsAsGoodAsText(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.dial(t, "/chat")
	for _, f := range []string{`{"token":"sk-alice","id":-1}`, chatFrame("mock-echo", "binary")} {
		if err := k.ws.WriteMessage(websocket.BinaryMessage, []byte(f)); err != nil {
			t.Fatal(err)
		}
	}
	if p := k.turn(); p.number != 1 || p.text != `Hello, you said "binary" (n=1)` {
		t.Errorf("got %+v", p)
	}
	k.leave()
}
