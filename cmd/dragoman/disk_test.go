//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// checkHidden fails t where a client is told what the store is made of.
func (c *child) checkHidden(t *testing.T, db, answer string) {
	t.Helper()
	for _, secret := range []string{filepath.Base(db), "sqlite", "SQLITE", "disk I/O"} {
		if strings.Contains(answer, secret) {
			t.Errorf("a client was told %q: %s", secret, answer)
		}
	}
}

// fill asks until the store takes no more, and returns what was acknowledged and
// the first refusal.
func (c *child) fill(t *testing.T) (acked []string, status int, body string) {
	t.Helper()
	for n := range 2000 {
		text := fmt.Sprintf("fill %d %s", n, strings.Repeat("x", 2000))
		status, body, err := c.ask(fmt.Sprint("f", n), text)
		if err != nil {
			t.Fatal(err)
		}
		if status != 200 {
			return acked, status, body
		}
		acked = append(acked, text)
	}
	t.Fatal("the disk does not get full")
	return nil, 0, ""
}

func TestAFullDiskIsToldInEachDialectAndNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "full.db")
	conf := childConf(t, db)
	c, said := startChild(t, conf, fileLimit+"=1000000")
	if c == nil {
		t.Fatalf("it does not start: %s", said)
	}
	acked, status, body := c.fill(t)
	if status != 500 || !strings.Contains(body, `"code":"INTERNAL_ERROR"`) || !strings.Contains(body, `"success":false`) {
		t.Errorf("rest: %d %s", status, body)
	}
	c.checkHidden(t, db, body)
	big := strings.Repeat("y", 9000)
	_, stream, err := c.call("POST", "/api/chat/stream", fmt.Sprintf(`{"userId":"s","message":%q}`, big))
	if err != nil || !strings.Contains(stream, "INTERNAL_ERROR") || strings.Contains(stream, `"type":"end"`) {
		t.Errorf("rest, streamed: %v %.300s", err, stream)
	}
	c.checkHidden(t, db, stream)
	ws, err := c.chat()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	if fault, err := turn(ws, big); err != nil || fault == "" {
		t.Errorf("chatnio: the end says %q, %v", fault, err)
	} else {
		c.checkHidden(t, db, fault)
	}
	agent := c.agent(t, big)
	if !strings.Contains(agent, `"resp_code":50`) || !strings.Contains(agent, "INTERNAL_ERROR") {
		t.Errorf("iagent: %.300s", agent)
	}
	c.checkHidden(t, db, agent)
	// These two keep nothing, so nothing is wrong for them.
	for path, more := range map[string]string{"/v1/chat/completions": "", "/v1/messages": `"max_tokens":99,`} {
		if status, body, err := c.call("POST", path, `{`+more+`"model":"echo","messages":[{"role":"user","content":"hi"}]}`); status != 200 {
			t.Errorf("%s: %d %s %v", path, status, body, err)
		}
	}
	c.kill()

	c, said = startChild(t, conf)
	if c == nil {
		t.Fatalf("it does not start again: %s", said)
	}
	there := c.stored(t)
	for _, text := range acked {
		if !there[text] {
			t.Errorf("%.20s was acknowledged and is lost", text)
		}
	}
	if status, body, err := c.ask("again", "there is room again"); status != 200 {
		t.Errorf("with room again: %d %s %v", status, body, err)
	}
	c.stop(t)
	checkIntegrity(t, db)
	t.Logf("%d turns were acknowledged before the disk was full, %d are there", len(acked), len(there))
}

// agent puts one question in the iagent dialect and returns the answer.
func (c *child) agent(t *testing.T, text string) string {
	t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+c.addr+"/ws/v1/chat?app_token="+childKey, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	_ = ws.SetReadDeadline(time.Now().Add(time.Minute))
	frame := fmt.Sprintf(`{"chat_type":1,"msg_id":"m%d","timestamp":1767225600000,"sender_type":1,"sender_id":"u","receiver_id":"echo","content_type":1,"content":%q}`, rand.Int64(), text)
	if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
		t.Fatal(err)
	}
	_, msg, err := ws.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(msg)
}

func TestADatabaseThatCannotBeUsedIsSaidAtTheStart(t *testing.T) {
	t.Parallel()
	// One that was used, and was closed in order.
	db := filepath.Join(t.TempDir(), "used.db")
	c := serving(t, childConf(t, db))
	for n := range 50 {
		if status, body, err := c.ask("u", fmt.Sprint("question ", n)); status != 200 {
			t.Fatal(status, body, err)
		}
	}
	c.stop(t)
	whole, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range map[string]func(b []byte) []byte{
		"the head is overwritten":   func(b []byte) []byte { copy(b, strings.Repeat("\xff", 100)); return b },
		"the schema is overwritten": func(b []byte) []byte { copy(b[100:], strings.Repeat("\xff", 3900)); return b },
		"it is cut short":           func(b []byte) []byte { return b[:5000] },
	} {
		path := filepath.Join(t.TempDir(), "damaged.db")
		if err := os.WriteFile(path, damage(append([]byte(nil), whole...)), 0o600); err != nil {
			t.Fatal(err)
		}
		c, said := startChild(t, childConf(t, path))
		if c != nil {
			t.Errorf("%s: it starts", name)
			c.kill()
			continue
		}
		if !strings.Contains(said, "cannot open the store") || !strings.Contains(said, path) || strings.Contains(said, "goroutine") {
			t.Errorf("%s: it says %q", name, said)
		}
	}
}

// Pages inside the file may be damaged where the start does not look.
func TestADamagedPageFailsItsRequestAndNoOther(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "page.db")
	conf := childConf(t, db)
	c := serving(t, conf)
	for n := range 200 {
		if status, body, err := c.ask(fmt.Sprint("u", n%4), fmt.Sprint("question ", n, strings.Repeat("z", 500))); status != 200 {
			t.Fatal(status, body, err)
		}
	}
	c.stop(t)
	b, err := os.ReadFile(db)
	if err != nil {
		t.Fatal(err)
	}
	// Everything behind the first ten pages: rows, not the schema.
	for i := 10 * 4096; i < len(b); i += 7 {
		b[i] ^= 0xa5
	}
	if err := os.WriteFile(db, b, 0o600); err != nil {
		t.Fatal(err)
	}
	c, said := startChild(t, conf)
	if c == nil {
		if !strings.Contains(said, "cannot open the store") {
			t.Errorf("it says %q", said)
		}
		return
	}
	failed := 0
	for n := range 4 {
		status, body, err := c.ask(fmt.Sprint("u", n), "again")
		if err != nil || status != 200 && (status != 500 || !strings.Contains(body, "INTERNAL_ERROR")) {
			t.Errorf("%d %s %v", status, body, err)
		}
		if status == 500 {
			failed++
			c.checkHidden(t, db, body)
		}
	}
	if failed == 0 {
		t.Error("nobody noticed the damage")
	}
	if status, _, err := c.call("GET", "/info", ""); status != 200 {
		t.Errorf("the gateway does not answer any more: %d %v", status, err)
	}
	c.stop(t)
}
