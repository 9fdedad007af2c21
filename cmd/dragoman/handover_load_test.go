//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
)

// crowd are clients of a gateway that is handed over again and again. Each notes what it
// was refused, or got only a part of.
type crowd struct {
	t      *testing.T
	addr   string
	http   *http.Client
	ctx    context.Context // ends when they are to stop
	failed atomic.Int64

	asked, streamed, turns, again atomic.Int64 // again: sockets that were sent away
}

// wrong notes a failure; the first ones are told.
func (c *crowd) wrong(format string, args ...any) {
	if c.failed.Add(1) <= 20 {
		c.t.Errorf(format, args...)
	}
}

// post asks in the openai dialect, and returns what is wrong with the answer; nil: nothing.
func (c *crowd) post(model string, stream bool) error {
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":"hi"}]}`, model, stream)
	req, err := http.NewRequest("POST", "http://"+c.addr+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.GetBody = nil // no second try behind our back
	req.Header.Set("Authorization", "Bearer "+childKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != 200 || stream && !bytes.HasSuffix(text, []byte("data: [DONE]\n\n")) {
		return fmt.Errorf("%d %w: %.300s", resp.StatusCode, err, text)
	}
	return nil
}

// ask asks every so often.
func (c *crowd) ask(every time.Duration) {
	clock := time.NewTicker(every)
	defer clock.Stop()
	for {
		select {
		case <-clock.C:
		case <-c.ctx.Done():
			return
		}
		if err := c.post("echo", false); err != nil {
			c.wrong("a question: %v", err)
		}
		c.asked.Add(1)
	}
}

// listen has one stream open all the time.
func (c *crowd) listen() {
	for c.ctx.Err() == nil {
		if err := c.post("slow", true); err != nil {
			c.wrong("a stream: %v", err)
		}
		c.streamed.Add(1)
	}
}

// talk goes on in one conversation, question after question, each of which is its number.
// It returns how many were answered.
func (c *crowd) talk(put func(n int) error) (answered int) {
	for c.ctx.Err() == nil {
		if err := put(answered); err != nil {
			c.wrong("a turn: %v", err)
			return answered
		}
		answered++
		c.turns.Add(1)
	}
	return answered
}

// rest is talk in the rest dialect.
func (c *crowd) rest(user string) int {
	return c.talk(func(n int) error {
		req, err := http.NewRequest("POST", "http://"+c.addr+"/api/chat", strings.NewReader(fmt.Sprintf(`{"userId":%q,"message":"%d"}`, user, n)))
		if err != nil {
			return err
		}
		req.GetBody = nil
		req.Header.Set("Authorization", "Bearer "+childKey)
		req.Header.Set("Content-Type", "application/json")
		resp, err := c.http.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			return fmt.Errorf("%d %w: %s", resp.StatusCode, err, text)
		}
		return nil
	})
}

// onSocket is talk on sockets, one after the other: whoever is sent away with code comes back
// and asks again what was not answered.
func (c *crowd) onSocket(code int, dial func() (*websocket.Conn, error), put func(ws *websocket.Conn, n int) error) int {
	ws, err := dial()
	if err != nil {
		c.wrong("a socket: %v", err)
		return 0
	}
	defer func() { _ = ws.Close() }()
	return c.talk(func(n int) error {
		for {
			err := put(ws, n)
			if !websocket.IsCloseError(err, code) {
				return err
			}
			c.again.Add(1)
			_ = ws.Close()
			next, err := dial()
			if err != nil {
				return fmt.Errorf("to come back: %w", err)
			}
			ws = next
		}
	})
}

// chatnio is talk in the chatnio dialect; number brings the conversation's.
func (c *crowd) chatnio(number *int64) int {
	dial := func() (*websocket.Conn, error) {
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+c.addr+"/chat", nil)
		if err != nil {
			return nil, err
		}
		_ = ws.SetReadDeadline(time.Now().Add(5 * time.Minute))
		return ws, ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"token":%q,"id":%d}`, childKey, *number))
	}
	*number = -1
	return c.onSocket(websocket.CloseGoingAway, dial, func(ws *websocket.Conn, n int) error {
		if err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"chat","model":"echo","message":"%d"}`, n)); err != nil {
			return closing(ws, err)
		}
		for {
			var f struct {
				Conversation int64
				Message      string
				End          bool
			}
			if err := ws.ReadJSON(&f); err != nil {
				return err
			}
			if f.Conversation > 0 {
				*number = f.Conversation
			}
			if f.End && f.Message != "" {
				return errors.New(f.Message)
			}
			if f.End {
				return nil
			}
		}
	})
}

// closing is what ws was closed with, where a write to it has failed with err.
func closing(ws *websocket.Conn, err error) error {
	for {
		if _, _, end := ws.ReadMessage(); end != nil {
			return errors.Join(err, end)
		}
	}
}

// iagent is talk in the iagent dialect.
func (c *crowd) iagent(sender string) int {
	dial := func() (*websocket.Conn, error) {
		ws, _, err := websocket.DefaultDialer.Dial("ws://"+c.addr+"/ws/v1/chat?app_token="+childKey, nil)
		if err == nil {
			_ = ws.SetReadDeadline(time.Now().Add(5 * time.Minute))
		}
		return ws, err
	}
	return c.onSocket(websocket.CloseServiceRestart, dial, func(ws *websocket.Conn, n int) error {
		m := fmt.Appendf(nil, `{"chat_type":1,"msg_id":"%s-%d","timestamp":1767225600000,"sender_type":1,"sender_id":%q,"receiver_id":"","content_type":1,"content":"%d"}`, sender, n, sender, n)
		if err := ws.WriteMessage(websocket.TextMessage, m); err != nil {
			return closing(ws, err)
		}
		var f struct {
			Code    int    `json:"resp_code"`
			Content string `json:"content"`
		}
		if err := ws.ReadJSON(&f); err != nil {
			return err
		}
		if f.Code != 0 {
			return fmt.Errorf("%d %s", f.Code, f.Content)
		}
		return nil
	})
}

// ordered fails unless what is stored of the conversation that user began, or of that number,
// is each question once, from 0 to before n, each with its answer.
func (l *generations) ordered(user string, number int64, n int) {
	l.t.Helper()
	c, query := child{addr: l.addr}, "userId="+user
	if number > 0 {
		query = "groupId=chatnio:" + strconv.FormatInt(number, 10)
	}
	var list struct {
		Data struct{ Conversations []struct{ ID string } }
	}
	c.read(l.t, "/api/conversations?"+query, &list)
	if len(list.Data.Conversations) != 1 {
		l.t.Errorf("%s: there are %d conversations", query, len(list.Data.Conversations))
		return
	}
	var conv struct {
		Data struct {
			Messages []struct{ Role, Content string }
		}
	}
	c.read(l.t, "/api/conversations/"+list.Data.Conversations[0].ID+"?limit=100000", &conv)
	var told []string
	for i, m := range conv.Data.Messages {
		if (m.Role == "user") != (i%2 == 0) {
			l.t.Errorf("%s: message %d is of %s", query, i, m.Role)
			return
		}
		if i%2 == 0 {
			told = append(told, m.Content)
		}
	}
	want := make([]string, n)
	for i := range want {
		want[i] = strconv.Itoa(i)
	}
	if !slices.Equal(told, want) {
		l.t.Errorf("%s: stored are %v, answered were %d", query, told, n)
	}
}

// talks are conversations on the fronts that keep them.
type talks struct {
	answered []int   // turns of each: of rest, chatnio and iagent by turns
	numbers  []int64 // of those on chatnio
}

// converse begins n conversations on each of the fronts; what comes of them is known when all have ended.
func (c *crowd) converse(all *sync.WaitGroup, n int) *talks {
	k := &talks{make([]int, 3*n), make([]int64, n)}
	for i := range n {
		all.Go(func() { k.answered[3*i] = c.rest(fmt.Sprint("rest", i)) })
		all.Go(func() { k.answered[3*i+1] = c.chatnio(&k.numbers[i]) })
		all.Go(func() { k.answered[3*i+2] = c.iagent(fmt.Sprint("agent", i)) })
	}
	return k
}

// orderly makes sure that k are stored as they were answered.
func (l *generations) orderly(k *talks) {
	for i, number := range k.numbers {
		l.ordered(fmt.Sprint("rest", i), 0, k.answered[3*i])
		l.ordered("", number, k.answered[3*i+1])
		l.ordered(fmt.Sprint("agent", i), 0, k.answered[3*i+2])
	}
}

// Handovers under load: nothing fails, nothing is cut, conversations are in order.
// DRAGOMAN_TEST_HANDOVERS, _RATE (questions a second) and _STREAMS (open ones) make it longer.
func TestAHandoverUnderLoadFailsNoQuestionAndCutsNoStream(t *testing.T) {
	t.Parallel()
	handovers, rate, streams := number("DRAGOMAN_TEST_HANDOVERS", 2), number("DRAGOMAN_TEST_RATE", 60), number("DRAGOMAN_TEST_STREAMS", 20)
	const talkers = 4
	askers := max(10, rate/5)
	// A stream takes 2 s; 30 s are for those that a loaded machine delays.
	l := startLine(t, fmt.Sprintf(lineConf, filepath.Join(t.TempDir(), "h.db"), childKey, 100, "30s", true), nil)
	ctx, stop := context.WithCancel(t.Context())
	c := &crowd{t: t, addr: l.addr, ctx: ctx, http: &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 10_000}}}
	var all sync.WaitGroup
	for range askers {
		all.Go(func() { c.ask(time.Duration(askers) * time.Second / time.Duration(rate)) })
	}
	for range streams {
		all.Go(c.listen)
	}
	said := c.converse(&all, talkers)
	began := time.Now()
	for range handovers {
		had := c.streamed.Load()
		l.handOver()
		for c.streamed.Load() < had+int64(streams) && c.failed.Load() == 0 { // one round of streams of the new one
			time.Sleep(10 * time.Millisecond)
		}
	}
	took := time.Since(began)
	stop()
	all.Wait()
	c.http.CloseIdleConnections()
	l.orderly(said)
	l.stop()
	if c.again.Load() < int64(handovers) || c.asked.Load() == 0 || c.streamed.Load() == 0 {
		t.Errorf("%d questions, %d streams, %d sockets came back", c.asked.Load(), c.streamed.Load(), c.again.Load())
	}
	t.Logf("%d handovers in %v: %d questions (%.0f/s), %d streams (%d at once), %d turns of %d conversations, %d sockets came back; %d failures",
		handovers, took.Round(time.Millisecond), c.asked.Load(), float64(c.asked.Load())/took.Seconds(), c.streamed.Load(), streams, c.turns.Load(), len(said.answered), c.again.Load(), c.failed.Load())
}
