package front_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// bombs are values of a member that no client means: members holds what is put into
// an otherwise good question, and want the answer of each front in the order openai,
// anthropic, rest, chatnio, iagent: the HTTP status, what the turn says, or
// resp_code.
var bombs = []struct {
	name, members string
	want          [5]string
}{
	{"arrays 100,000 deep", `"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), [5]string{"400", "400", "400", "error", "40"}},
	{"objects 100,000 deep", `"x":` + strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), [5]string{"400", "400", "400", "error", "40"}},
	{"arrays 100,000 deep that never end", `"x":` + strings.Repeat("[", 100_000), [5]string{"400", "400", "400", "error", "40"}},
	{"arrays 9,000 deep", `"x":` + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000), [5]string{"200", "200", "200", "ok", "0"}},
	{"100,000 members", `"x":{` + members(50_000) + `}`, [5]string{"200", "200", "200", "ok", "0"}},
	{"a number of 400 digits", `"x":` + strings.Repeat("9", 400), [5]string{"200", "200", "200", "ok", "0"}},
	{"`1e999999999`", `"temperature":1e999999999`, [5]string{"400", "400", "200", "error", "0"}},
	{"`NaN`", `"temperature":NaN`, [5]string{"400", "400", "400", "error", "40"}},
	{"a number with a leading zero", `"temperature":01`, [5]string{"400", "400", "400", "error", "40"}},
	{"the same name twice", `"x":1,"x":2`, [5]string{"200", "200", "200", "ok", "0"}},
	{"a NUL in a string", "\"x\":\"\x00\"", [5]string{"400", "400", "400", "error", "40"}},
	{"half a surrogate pair", `"x":"\ud800"`, [5]string{"200", "200", "200", "ok", "0"}},
	{"a byte that is no UTF-8", "\"x\":\"\xff\"", [5]string{"200", "200", "200", "1007", "1007"}},
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"m%d":%d`, i, i)
	}
	return b.String()
}

func TestNoValueBringsAFrontDown(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("mock"))
	var table strings.Builder
	table.WriteString("| a question with | openai | anthropic | rest | chatnio | iagent |\n|---|---|---|---|---|---|\n")
	for _, b := range bombs {
		got := [5]string{
			bomb(t, w, "/v1/chat/completions", chatBody, b.members),
			bomb(t, w, "/v1/messages", messageBody, b.members),
			bomb(t, w, "/api/chat", restBody, b.members),
			bombSocket(t, w, "/chat?token="+key, chatFrame("echo", "hi"), b.members),
			bombSocket(t, w, agentPath, good("m"+b.name), b.members),
		}
		if got != b.want {
			t.Errorf("%s: %v, want %v", b.name, got, b.want)
		}
		fmt.Fprintf(&table, "| %s | %s |\n", b.name, strings.Join(got[:], " | "))
	}
	checkTable(t, "values", table.String())
}

// bomb puts members into a question and returns the status of the answer.
func bomb(t *testing.T, w *world.World, path, body, members string) string {
	t.Helper()
	status, _, got := w.Do(t, "POST", path, "{"+members+","+body[1:], "Content-Type", "application/json", "Authorization", "Bearer "+key)
	if !json.Valid([]byte(got)) || !utf8.ValidString(got) || len(got) > 10_000 && status != 200 {
		t.Errorf("%s: the answer is %.200s", path, got)
	}
	return fmt.Sprint(status)
}

// bombSocket does so on a socket, and checks that a connection which was not
// closed goes on serving.
func bombSocket(t *testing.T, w *world.World, path, frame, members string) string {
	t.Helper()
	s := dialRaw(t, w, path)
	defer func() { _ = s.conn.Close() }()
	s.send(wsFrame(fin|opText, "{"+members+","+frame[1:]))
	first := s.settled()
	if strings.HasPrefix(first, "10") {
		return first
	}
	s.send(wsFrame(fin|opText, strings.Replace(frame, `"msg_id":"m`, `"msg_id":"n`, 1)))
	if again := s.settled(); again != "ok" && again != "0" {
		t.Errorf("%s: the next question: %s", path, again)
	}
	return first
}

// settled reads the one answer that is due: what the last frame of a turn says,
// the resp_code of a reply, or the code of a close.
func (s *rawSocket) settled() string {
	s.t.Helper()
	for {
		op, payload, err := s.next()
		if err != nil {
			return err.Error()
		}
		text := string(payload)
		switch {
		case op == opClose && len(payload) > 1:
			return fmt.Sprint(int(payload[0])<<8 | int(payload[1]))
		case strings.Contains(text, `"resp_code":`):
			return between(text, `"resp_code":`, ",")
		case strings.Contains(text, `"message":"","end":true`):
			return "ok"
		case strings.Contains(text, `"end":true`):
			return "error"
		}
	}
}
