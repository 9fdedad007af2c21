package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
)

// pause waits, and reports whether the soak goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// closeAfter closes c when ctx ends, unless stop is called before.
func closeAfter(ctx context.Context, c io.Closer) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		defer func() { _ = recover() }()
		_ = c.Close()
	})
}

// post asks an HTTP front. The body of the answer must be closed.
func (r *run) post(ctx context.Context, path, key, body string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+r.gateway+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("anthropic-version", "2023-06-01")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	return r.client.Do(request)
}

// stream reads one numbered stream after the other; in every dialect that has streams.
func (r *run) stream(ctx context.Context, n int, chance *rand.Rand) {
	ways := []struct{ path, body, end string }{
		{"/v1/chat/completions", `{"model":"numbers","stream":true,"messages":[{"role":"user","content":"hi"}]}`, "[DONE]"},
		{"/v1/messages", `{"model":"numbers","max_tokens":999,"stream":true,"messages":[{"role":"user","content":"hi"}]}`, `"type":"message_stop"`},
		{"/api/chat/stream", fmt.Sprintf(`{"userId":"s%d","preset":"numbers","message":"hi"}`, n), `"type":"end"`},
	}
	way := ways[n%len(ways)]
	pause(ctx, time.Duration(chance.Int64N(int64(min(30*time.Second, r.Settle/4+1)))))
	for ctx.Err() == nil {
		if err := r.readStream(ctx, way.path, key(n), way.body, way.end); err != nil && ctx.Err() == nil {
			r.fail(fmt.Errorf("%s: %w", way.path, err))
			pause(ctx, time.Second)
		}
	}
}

func (r *run) readStream(ctx context.Context, path, key, body, end string) error {
	answer, err := r.post(ctx, path, key, body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(answer.Body, 500))
		return fmt.Errorf("status %d: %s", answer.StatusCode, text)
	}
	lines := bufio.NewReader(answer.Body)
	next, ended := 0, false
	for {
		line, err := lines.ReadBytes('\n')
		if bytes.Contains(line, fmt.Appendf(nil, `"w%d`, next)) {
			next++
		}
		ended = ended || bytes.Contains(line, []byte(end))
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("after %d pieces: %w", next, err)
		}
	}
	if next != r.Pieces || !ended {
		return fmt.Errorf("%d of %d pieces, end %v", next, r.Pieces, ended)
	}
	r.answered.Add(1)
	return nil
}

// asker asks for whole answers, rate a second, of both vendors' dialects.
func (r *run) asker(rate float64) func(context.Context, int, *rand.Rand) {
	return func(ctx context.Context, n int, chance *rand.Rand) {
		every := time.Duration(float64(time.Second) / rate)
		pause(ctx, time.Duration(chance.Int64N(int64(every)+1)))
		tick := time.NewTicker(every)
		defer tick.Stop()
		for serial := 0; ; serial++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			word := fmt.Sprintf("question-%d-%d.", n, serial)
			path, body := "/v1/chat/completions", `{"model":"echo","messages":[{"role":"user","content":"`+word+`"}]}`
			if serial%2 == 1 {
				path, body = "/v1/messages", `{"model":"echo","max_tokens":99,"messages":[{"role":"user","content":"`+word+`"}]}`
			}
			if err := r.whole(ctx, path, key(n), body, word); err != nil && ctx.Err() == nil {
				r.fail(err)
			}
		}
	}
}

// whole asks and looks for a word in the answer.
func (r *run) whole(ctx context.Context, path, key, body, word string) error {
	answer, err := r.post(ctx, path, key, body)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(word)) {
		return fmt.Errorf("%s: status %d: %.300s", path, answer.StatusCode, text)
	}
	r.answered.Add(1)
	return nil
}

// chatnioSocket keeps a socket open and asks now and then.
func (r *run) chatnioSocket(ctx context.Context, n int, chance *rand.Rand) {
	r.socket(ctx, chance, "/chat", func(c *websocket.Conn) error {
		return c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"token":%q,"id":-1}`, key(n)))
	}, func(c *websocket.Conn, word string) error { return r.chatnioTurn(c, word) })
}

func (r *run) chatnioTurn(c *websocket.Conn, word string) error {
	if err := c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"type":"chat","model":"echo","message":%q}`, word)); err != nil {
		return err
	}
	var text strings.Builder
	for {
		_, data, err := c.ReadMessage()
		if err != nil {
			return err
		}
		var frame struct {
			Message string
			End     bool
		}
		if err := json.Unmarshal(data, &frame); err != nil {
			return err
		}
		text.WriteString(frame.Message)
		if frame.End {
			break
		}
	}
	if !strings.Contains(text.String(), word) {
		return fmt.Errorf("chatnio: not the answer to %s: %.300s", word, text.String())
	}
	r.answered.Add(1)
	return nil
}

// iagentSocket keeps a socket open and asks now and then.
func (r *run) iagentSocket(ctx context.Context, n int, chance *rand.Rand) {
	user := fmt.Sprintf("i%d", n)
	r.socket(ctx, chance, "/ws/v1/chat?app_token="+key(n), nil, func(c *websocket.Conn, word string) error { return r.iagentTurn(c, user, word) })
}

func (r *run) iagentTurn(c *websocket.Conn, user, word string) error {
	id := r.serial.Add(1)
	err := c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil,
		`{"chat_type":1,"msg_id":"m%d","timestamp":1767225600000,"sender_type":1,"sender_id":%q,"receiver_id":"echo","resp_code":0,"content_type":1,"content":%q}`, id, user, word))
	if err != nil {
		return err
	}
	_, data, err := c.ReadMessage()
	if err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(word)) || !bytes.Contains(data, []byte(`"resp_code":0`)) {
		return fmt.Errorf("iagent: not the answer to %s: %.300s", word, data)
	}
	r.answered.Add(1)
	return nil
}

// socket dials, signs in, and asks once in about a minute until the soak ends. Pings
// are answered while it waits, since somebody always reads.
func (r *run) socket(ctx context.Context, chance *rand.Rand, path string, first func(*websocket.Conn) error, turn func(*websocket.Conn, string) error) {
	pause(ctx, time.Duration(chance.Int64N(int64(min(30*time.Second, r.Settle/4+1)))))
	for serial := 0; ctx.Err() == nil; {
		c, err := r.dial(ctx, path, first)
		if err != nil {
			if ctx.Err() == nil {
				r.fail(fmt.Errorf("%s: %w", path[:5], err))
			}
			pause(ctx, time.Second)
			continue
		}
		stop := closeAfter(ctx, c)
		for ; ctx.Err() == nil; serial++ {
			if err := turn(c, fmt.Sprintf("word-%d.", serial)); err != nil {
				if ctx.Err() == nil {
					r.fail(err)
				}
				break
			}
			if !idle(ctx, c, 30*time.Second+time.Duration(chance.Int64N(int64(30*time.Second)))) {
				break
			}
		}
		stop()
		_ = c.Close()
	}
}

func (r *run) dial(ctx context.Context, path string, first func(*websocket.Conn) error) (*websocket.Conn, error) {
	c, _, err := websocket.DefaultDialer.DialContext(ctx, "ws://"+r.gateway+path, nil)
	if err != nil || first == nil {
		return c, err
	}
	return c, first(c)
}

// idle waits. Nobody reads meanwhile, so no ping is answered; a pong that nobody asked
// for tells the gateway as well that its client is there.
func idle(ctx context.Context, c *websocket.Conn, d time.Duration) bool {
	for ; d > 0; d -= 10 * time.Second {
		if !pause(ctx, min(d, 10*time.Second)) {
			return false
		}
		if err := c.WriteControl(websocket.PongMessage, nil, time.Now().Add(5*time.Second)); err != nil {
			return false
		}
	}
	return true
}

// grow lets one conversation grow, evenly over the whole soak: on chatnio, rest and iagent.
func (r *run) grow(ctx context.Context, n int, chance *rand.Rand) {
	every := r.For / time.Duration(r.Turns+1)
	pause(ctx, time.Duration(chance.Int64N(int64(every)+1)))
	var c *websocket.Conn
	defer func() {
		if c != nil {
			_ = c.Close()
		}
	}()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for serial := range r.Turns {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		word := fmt.Sprintf("turn-%d-of-a-conversation-that-grows %s.", serial, strings.Repeat("x", 100))
		if err := r.growTurn(ctx, n, &c, word); err != nil && ctx.Err() == nil {
			r.fail(fmt.Errorf("growing: %w", err))
		}
	}
}

func (r *run) growTurn(ctx context.Context, n int, c **websocket.Conn, word string) error {
	user := fmt.Sprintf("growing-%d", n)
	if n%3 == 0 {
		return r.whole(ctx, "/api/chat", key(n), fmt.Sprintf(`{"userId":%q,"preset":"echo","message":%q}`, user, word), word)
	}
	path, first := "/ws/v1/chat?app_token="+key(n), (func(*websocket.Conn) error)(nil)
	if n%3 == 1 {
		path, first = "/chat", func(c *websocket.Conn) error {
			return c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, `{"token":%q,"id":-1}`, key(n)))
		}
	}
	if *c == nil {
		var err error
		if *c, err = r.dial(ctx, path, first); err != nil {
			return err
		}
	}
	if n%3 == 1 {
		return r.chatnioTurn(*c, word)
	}
	return r.iagentTurn(*c, user, word)
}

// sufferer asks for models of hostile back ends. Any answer in time is well: what counts
// is what it costs the gateway, and that a bad end is never told as a good one is tested elsewhere.
func (r *run) sufferer(rate float64) func(context.Context, int, *rand.Rand) {
	models := badModels()
	return func(ctx context.Context, n int, chance *rand.Rand) {
		for pause(ctx, time.Duration(chance.ExpFloat64()*float64(time.Second)/rate)) {
			model := models[chance.IntN(len(models))]
			path := []string{"/v1/chat/completions", "/v1/messages"}[chance.IntN(2)]
			body := fmt.Sprintf(`{"model":%q,"max_tokens":99,"stream":%v,"messages":[{"role":"user","content":"hi"}]}`, model, chance.IntN(2) == 0)
			brief, cancel := context.WithTimeout(ctx, time.Second+time.Duration(chance.Int64N(int64(4*time.Second))))
			if answer, err := r.post(brief, path, key(n), body); err == nil {
				_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 8<<20))
				_ = answer.Body.Close()
			}
			cancel()
			r.refused.Add(1)
		}
	}
}
