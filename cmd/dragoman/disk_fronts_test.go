//go:build unix

package main

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// diskFronts are the ways to ask, each in a dialect of its own, and how each says that
// the gateway cannot do what it should. openai and anthropic keep nothing, so that no
// store of ours is needed for them.
var diskFronts = []struct {
	name  string
	keeps bool
	// ask puts text, in a conversation that is the same each time, and returns all that
	// the client is told.
	ask  func(c *child, t *testing.T, text string) string
	good string // is in an answer
	bad  string // is in a failure
	end  string // is in an answer, and never in a failure
}{
	{"rest", true, func(c *child, t *testing.T, text string) string {
		return c.post(t, "/api/chat", fmt.Sprintf(`{"userId":"r","message":%q}`, text))
	}, `200 {"success":true`, `500 {"success":false,"error":"the conversation store failed","code":"INTERNAL_ERROR"`, `you said`},
	{"rest, streamed", true, func(c *child, t *testing.T, text string) string {
		return c.post(t, "/api/chat/stream", fmt.Sprintf(`{"userId":"s","message":%q}`, text))
	}, `200 `, `INTERNAL_ERROR`, `"type":"end"`},
	{"chatnio", true, func(c *child, t *testing.T, text string) string { return c.join(t, 1, text) },
		`"message":"","end":true`, `INTERNAL_ERROR`, `"message":"","end":true`},
	{"iagent", true, func(c *child, t *testing.T, text string) string { return c.agent(t, text) },
		`"resp_code":0`, `"resp_code":50`, `you said`},
	{"openai", false, func(c *child, t *testing.T, text string) string {
		return c.post(t, "/v1/chat/completions", fmt.Sprintf(`{"model":"echo","messages":[{"role":"user","content":%q}]}`, text))
	}, `200 {"id":`, ``, ``},
	{"anthropic", false, func(c *child, t *testing.T, text string) string {
		return c.post(t, "/v1/messages", fmt.Sprintf(`{"model":"echo","max_tokens":99,"messages":[{"role":"user","content":%q}]}`, text))
	}, `200 {"id":`, ``, ``},
}

// patiently has another program wait for a gateway that writes just now.
const patiently = "?_pragma=busy_timeout(60000)"

// post returns the status and all that follows it.
func (c *child) post(t *testing.T, path, body string) string {
	t.Helper()
	status, text, err := c.call("POST", path, body)
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return fmt.Sprint(status, " ", text)
}

// join puts text to the chatnio conversation with this number, which is made if it is
// not there, and returns all frames up to the end.
func (c *child) join(t *testing.T, number int, text string) (frames string) {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+c.addr+"/chat", nil)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer func() { _ = ws.Close() }()
	_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
	for _, frame := range []string{fmt.Sprintf(`{"token":%q,"id":%d}`, childKey, number), fmt.Sprintf(`{"type":"chat","model":"echo","message":%q}`, text)} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			t.Error(err)
		}
	}
	for !strings.Contains(frames, `"end":true`) {
		_, frame, err := ws.ReadMessage()
		if err != nil {
			t.Errorf("chatnio: %v after %s", err, frames)
			return frames
		}
		frames += string(frame) + "\n"
	}
	return frames
}

// told asks in every dialect at once.
func (c *child) told(t *testing.T, text string) []string {
	t.Helper()
	all := make([]string, len(diskFronts))
	var wg sync.WaitGroup
	for i, f := range diskFronts {
		wg.Go(func() { all[i] = f.ask(c, t, text) })
	}
	wg.Wait()
	return all
}

// works checks that every dialect answers text.
func (c *child) works(t *testing.T, when, text string) {
	t.Helper()
	for i, is := range c.told(t, text) {
		if f := diskFronts[i]; !strings.Contains(is, f.good) || !strings.Contains(is, f.end) {
			t.Errorf("%s, %s: %.400s", f.name, when, is)
		}
	}
}

// fails checks that every dialect that keeps something says so in its own way, and that
// the others answer.
func (c *child) fails(t *testing.T, when, db, text string) {
	t.Helper()
	for i, is := range c.told(t, text) {
		f := diskFronts[i]
		if !f.keeps && !strings.Contains(is, f.good) || f.keeps && (!strings.Contains(is, f.bad) || strings.Contains(is, f.end)) {
			t.Errorf("%s, %s: %.400s", f.name, when, is)
		}
		c.checkHidden(t, db, strings.ReplaceAll(is, text, ""))
	}
}

// checkKept fails t unless the file at db holds each of texts as a question once in
// each dialect that keeps it, and none of not.
func checkKept(t *testing.T, db string, texts []string, not ...string) {
	t.Helper()
	file, err := sql.Open("sqlite", db)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for i, text := range append(append([]string(nil), texts...), not...) {
		want := 0
		for _, f := range diskFronts {
			if f.keeps && i < len(texts) {
				want++
			}
		}
		var n int
		err := file.QueryRow(`SELECT count(*) FROM messages WHERE role = 'user' AND parts LIKE ?`, "%"+text+"%").Scan(&n)
		if err != nil || n != want {
			t.Errorf("%q is kept %d times, want %d: %v", text, n, want, err)
		}
	}
}

// A store that takes nothing more, for which a full disk and one that has become
// read-only are two names, and that comes back while the gateway runs.
func TestADiskThatTakesNoMoreIsToldInEveryDialectAndServiceComesBackWithIt(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]string{"full": "400000later", "read-only": "0later"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := filepath.Join(t.TempDir(), "limited.db")
			c := serving(t, childConf(t, db), fileLimit+"="+limit)
			c.works(t, "at first", "first words")
			c.signal(t, syscall.SIGUSR2, http.StatusInternalServerError)
			big := "big " + strings.Repeat("z", 500_000)
			c.fails(t, "while nothing can be written", db, big)
			c.fails(t, "and again", db, big)
			if status, body, err := c.call("GET", "/api/conversations", ""); status != 200 || !strings.Contains(body, "first words") {
				t.Errorf("what is there cannot be read: %d %s %v", status, body, err)
			}
			if status, body, err := c.call("POST", "/api/conversations/none/clear", ""); status != 404 {
				t.Errorf("%d %s %v", status, body, err)
			}
			c.signal(t, syscall.SIGUSR1, http.StatusOK)
			c.works(t, "with room again", "second words")
			c.kill()
			checkIntegrity(t, db)
			checkKept(t, db, []string{"first words", "second words"}, "big zzz")
		})
	}
}

// signal takes the child's room on the disk or gives it back, and waits until a long
// question has the status that it has then.
func (c *child) signal(t *testing.T, sig syscall.Signal, want int) {
	t.Helper()
	if err := c.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); ; {
		if status, body, err := c.ask("somebody else", "is there room? "+strings.Repeat("?", 500_000)); status == want {
			return
		} else if time.Now().After(until) {
			t.Fatalf("after %v: %d %.200s %v", sig, status, body, err)
		}
	}
}

func TestALockedDatabaseIsToldInEveryDialectAndServiceComesBack(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "locked.db")
	c := serving(t, childConf(t, db))
	c.works(t, "at first", "first words")
	other, err := sql.Open("sqlite", db+patiently)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	c.fails(t, "while another program writes", db, "lost words")
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	c.works(t, "when it is free again", "second words")
	c.kill()
	checkKept(t, db, []string{"first words", "second words"}, "lost words")
}

// Rows that cannot be read any more fail the questions that need them, and no other.
func TestDamagedConversationsAreToldInEveryDialectAndServiceComesBackWithThem(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "damaged.db")
	conf := childConf(t, db)
	c := serving(t, conf)
	c.works(t, "at first", "first words")
	c.stop(t)
	file, err := sql.Open("sqlite", db+patiently)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	exec := func(query string) {
		t.Helper()
		if _, err := file.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	exec(`UPDATE messages SET parts = '{' || parts`)
	c = serving(t, conf)
	c.fails(t, "with damaged rows", db, "lost words")
	if status, body, err := c.ask("somebody else", "hello"); status != 200 {
		t.Errorf("a new conversation: %d %s %v", status, body, err)
	}
	for path, want := range map[string]string{
		"/api/conversations/" + c.ids(t)[len(c.ids(t))-1]: `"INTERNAL_ERROR"`,
		"/conversation/load?id=1":                         `"status":false`,
		"/api/conversations":                              `"success":true`,
		"/conversation/list":                              `"status":true`,
	} {
		_, body, err := c.call("GET", path, "")
		if err != nil || !strings.Contains(body, want) {
			t.Errorf("%s: %s %v, want %s", path, body, err, want)
		}
		c.checkHidden(t, db, body)
	}
	exec(`UPDATE messages SET parts = substr(parts, 2) WHERE parts LIKE '{[%'`)
	c.works(t, "when they are mended", "second words")
	c.kill()
	checkKept(t, db, []string{"first words", "second words"}, "lost words")
}

// TestAcknowledgedTurnsOnAFullDiskSurviveKill is the test of kill -9 on a disk that is
// full at that moment: what a client saw the end of is there, and nothing is half.
// DRAGOMAN_TEST_KILLS makes it longer.
func TestAcknowledgedTurnsOnAFullDiskSurviveKill(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "full.db")
	conf := childConf(t, db)
	var acked []string
	var refused atomic.Int64
	rounds := number("DRAGOMAN_TEST_KILLS", 3)
	for round := range rounds {
		room := max(size(db), size(db+"-wal")) + 150_000 + rand.Int64N(300_000)
		c, said := startChild(t, conf, fmt.Sprint(fileLimit, "=", room))
		if c == nil {
			t.Fatalf("round %d: it does not start again: %s", round, said)
		}
		at := refused.Load() + 1 + rand.Int64N(200)
		acked = append(acked, c.untilFull(round, func() {
			if refused.Add(1) == at {
				_ = c.cmd.Process.Kill()
			}
		})...)
		c.kill()
	}
	c, said := startChild(t, conf)
	if c == nil {
		t.Fatalf("it does not start again: %s", said)
	}
	there := c.stored(t)
	for _, text := range acked {
		if !there[text] {
			t.Errorf("%s was acknowledged and is lost", text)
		}
	}
	if status, body, err := c.ask("again", "there is room again"); status != http.StatusOK {
		t.Errorf("with room again: %d %s %v", status, body, err)
	}
	c.stop(t)
	checkIntegrity(t, db)
	if len(acked) < 10*rounds || refused.Load() < int64(rounds) {
		t.Errorf("only %d turns were acknowledged and %d refused", len(acked), refused.Load())
	}
	t.Logf("%d kills on a full disk, %d turns acknowledged, %d refused, %d stored", rounds, len(acked), refused.Load(), len(there))
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// untilFull asks from 8 clients, half of them in the rest dialect and half on chatnio
// sockets, until the gateway is gone, and returns what was acknowledged. refuse is
// called for each refusal.
func (c *child) untilFull(round int, refuse func()) (acked []string) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			ask := func(text string) (bool, error) {
				status, _, err := c.ask(fmt.Sprintf("u%d-%d", round, i), text)
				return status == http.StatusOK, err
			}
			if i%2 == 1 {
				ws, err := c.chat()
				if err != nil {
					return
				}
				defer func() { _ = ws.Close() }()
				ask = func(text string) (bool, error) {
					fault, err := turn(ws, text)
					return fault == "", err
				}
			}
			for n := 0; ; n++ {
				text := fmt.Sprintf("%d-%d-%d %s", round, i, n, strings.Repeat("w", 200))
				ok, err := ask(text)
				if err != nil {
					return
				}
				if !ok {
					refuse()
					continue
				}
				mu.Lock()
				acked = append(acked, text)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return acked
}
