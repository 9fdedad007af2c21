//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/internal/fleettest"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
)

// talker goes on in one conversation, question after question.
type talker struct {
	c       *child
	front   string // rest, chatnio or iagent
	name    string
	socket  *websocket.Conn // nil: none is open
	acked   []string
	slowest time.Duration
	// told is told what each question came to; nil: nobody is.
	told func(front, outcome string, took time.Duration)
}

// talkersOf are n of them, of all fronts that keep conversations.
func talkersOf(c *child, n int) (all []*talker) {
	for i := range n {
		all = append(all, &talker{c: c, front: []string{"rest", "chatnio", "iagent"}[i%3], name: fmt.Sprint("t", i)})
	}
	return all
}

// talk asks until ctx ends. What was not acknowledged is not asked again: whether it is
// stored nobody knows.
func (k *talker) talk(ctx context.Context, acked *atomic.Int64) {
	defer func() {
		if k.socket != nil {
			_ = k.socket.Close()
		}
	}()
	for n := 0; ctx.Err() == nil; n++ {
		text, began := fmt.Sprint(k.name, "-", n), time.Now()
		outcome := k.ask(text)
		took := time.Since(began)
		k.slowest = max(k.slowest, took)
		if k.told != nil {
			k.told(k.front, outcome, took)
		}
		if outcome == "" {
			k.acked = append(k.acked, text)
			acked.Add(1)
		}
	}
}

// ask puts one question. It returns what went wrong; empty: it was acknowledged.
func (k *talker) ask(text string) string {
	if k.front == "rest" {
		status, body, err := k.c.ask(k.name, text)
		switch {
		case err != nil:
			return "no answer"
		case status != http.StatusOK:
			return fmt.Sprint(status, " ", codeIn(body))
		}
		return ""
	}
	if k.socket == nil {
		var err error
		if k.front == "chatnio" {
			k.socket, err = k.c.chat()
		} else {
			k.socket, _, err = websocket.DefaultDialer.Dial("ws://"+k.c.addr+"/ws/v1/chat?app_token="+childKey, nil)
		}
		if err != nil {
			k.socket = nil
			return "no socket"
		}
		_ = k.socket.SetReadDeadline(time.Now().Add(10 * time.Minute))
	}
	say := turn
	if k.front == "iagent" {
		say = k.message
	}
	fault, err := say(k.socket, text)
	if err != nil {
		_ = k.socket.Close()
		k.socket = nil
		return "the socket ended"
	}
	return fault
}

var codes = regexp.MustCompile(`"code":"([A-Z_]+)"`)

// codeIn is the code of a failure of the rest front.
func codeIn(body string) string {
	if m := codes.FindStringSubmatch(body); m != nil {
		return m[1]
	}
	return body
}

// message puts one question on an iagent socket.
func (k *talker) message(ws *websocket.Conn, text string) (fault string, err error) {
	m := fmt.Appendf(nil, `{"chat_type":1,"msg_id":%q,"timestamp":1767225600000,"sender_type":1,"sender_id":%q,"receiver_id":"","content_type":1,"content":%q}`, text, k.name, text)
	if err := ws.WriteMessage(websocket.TextMessage, m); err != nil {
		return "", err
	}
	var f struct {
		Code    int    `json:"resp_code"`
		Content string `json:"content"`
	}
	if err := ws.ReadJSON(&f); err != nil {
		return "", err
	}
	if f.Code != 0 {
		return fmt.Sprint(f.Code, " ", f.Content), nil
	}
	return "", nil
}

// kill -9 of one of three replicas, again and again, while all conversations go on: what was
// acknowledged is there, once and whole. DRAGOMAN_TEST_KILLS and _CONVERSATIONS make it longer.
func TestAcknowledgedTurnsOfThreeReplicasSurviveKills(t *testing.T) {
	t.Parallel()
	kills, conversations := number("DRAGOMAN_TEST_KILLS", 1), number("DRAGOMAN_TEST_CONVERSATIONS", 12)
	text := strings.Replace(fleetConf, "models: [echo,", "models: [{name: echo, upstream: echo-first-30},", 1)
	f, _ := replicas(t, pgtest.Start(t), redistest.Start(t), text)
	killed(t, f, kills, conversations)
}

// killed kills replicas of f under conversations, and looks for the acknowledged turns.
func killed(t *testing.T, f *fleettest.Fleet, kills, conversations int) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	var acked atomic.Int64
	talkers := talkersOf(&child{addr: f.Addr}, conversations)
	for _, k := range talkers {
		all.Go(func() { k.talk(ctx, &acked) })
	}
	for range kills {
		until := acked.Load() + int64(2*conversations)
		soon(t, "conversations go on", func() bool { return acked.Load() >= until })
		r := f.Replicas[rand.IntN(len(f.Replicas))]
		r.Kill()
		until = acked.Load() + int64(conversations)
		soon(t, "conversations go on without "+r.Name, func() bool { return acked.Load() >= until })
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	all.Wait()
	there := talkers[0].c.stored(t) // and fails for a turn that is torn or doubled
	lost, slowest, asked := 0, time.Duration(0), 0
	for _, k := range talkers {
		for _, text := range k.acked {
			if !there[text] {
				lost++
				t.Errorf("%s was acknowledged and is lost", text)
			}
		}
		asked += len(k.acked)
		slowest = max(slowest, k.slowest)
	}
	t.Logf("%d kills under %d conversations: %d turns acknowledged, %d stored, %d lost; the longest turn took %v", kills, conversations, asked, len(there), lost, slowest.Round(time.Millisecond))
}

// streamed are questions of the fronts that stream, and what their answers end with.
var streamed = []struct{ path, body, end string }{
	{"/v1/chat/completions", `{"model":"slow","stream":true,"messages":[{"role":"user","content":"hi"}]}`, "data: [DONE]"},
	{"/v1/messages", `{"model":"slow","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, `"message_stop"`},
	{"/v1/responses", `{"model":"slow","stream":true,"store":false,"input":"hi"}`, `response.completed`},
	{"/v1beta/models/slow:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"hi"}]}]}`, `"finishReason"`},
	{"/api/chat/stream", `{"message":"hi","userId":"USER","preset":"sloth"}`, `"type":"end"`},
}

// stream has one stream of a front open all the time.
func (c *crowd) stream(i int) {
	s := streamed[i%len(streamed)]
	for c.ctx.Err() == nil {
		req, err := http.NewRequest("POST", "http://"+c.addr+s.path, strings.NewReader(strings.Replace(s.body, "USER", fmt.Sprint("stream", i), 1)))
		if err != nil {
			c.wrong("%v", err)
			return
		}
		req.GetBody = nil
		req.Header.Set("Authorization", "Bearer "+childKey)
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.http.Do(req)
		if err != nil {
			c.wrong("a stream of %s: %v", s.path, err)
			continue
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || !bytes.Contains(text, []byte(s.end)) {
			c.wrong("a stream of %s: %d %v: …%s", s.path, resp.StatusCode, err, text[max(0, len(text)-300):])
		}
		c.streamed.Add(1)
	}
}

// One replica after the other ends in order and comes back, under streams of all fronts,
// sockets and conversations: nothing fails, nothing is cut. DRAGOMAN_TEST_STREAMS makes it longer.
func TestARollingRestartOfThreeReplicasFailsNothing(t *testing.T) {
	t.Parallel()
	streams := number("DRAGOMAN_TEST_STREAMS", 15)
	const talkers = 3
	f, _ := replicas(t, pgtest.Start(t), redistest.Start(t), strings.Replace(fleetConf, "long-10-slow-100", "long-10-slow-50", 1))
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	c := &crowd{t: t, addr: f.Addr, ctx: ctx, http: &http.Client{Timeout: 5 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 10_000}}}
	var all sync.WaitGroup
	for i := range streams {
		all.Go(func() { c.stream(i) })
	}
	said := c.converse(&all, talkers)
	began := time.Now()
	for _, r := range f.Replicas {
		had := c.streamed.Load()
		soon(t, "streams end", func() bool { return c.streamed.Load() > had+int64(streams)/3 || c.failed.Load() > 0 })
		if err := r.Stop(); err != nil {
			t.Errorf("%s ended with %v", r.Name, err)
		}
		if err := r.Start(); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(began)
	stop()
	all.Wait()
	c.http.CloseIdleConnections()
	if t.Failed() {
		t.Logf("what they have logged:\n%s", f.Log())
	}
	l := &generations{t: t, addr: f.Addr}
	l.orderly(said)
	t.Logf("three replicas restarted in %v under %d streams: %d streams ended, %d turns, %d sockets came back; %d failures", took.Round(time.Millisecond), streams, c.streamed.Load(), c.turns.Load(), c.again.Load(), c.failed.Load())
}
