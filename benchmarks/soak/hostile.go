package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// attack is one hostile client after the other.
func (r *run) attack(ctx context.Context, n int, chance *rand.Rand) {
	for pause(ctx, time.Duration(chance.Int64N(int64(400*time.Millisecond)))) {
		c, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "tcp", r.gateway)
		if err != nil {
			continue
		}
		stop := closeAfter(ctx, c)
		attacks[chance.IntN(len(attacks))](ctx, c, chance, key(n))
		stop()
		_ = c.Close()
		r.refused.Add(1)
	}
}

// attacks are the ways of hostile clients. Each ends by itself within seconds.
var attacks = []func(ctx context.Context, c net.Conn, chance *rand.Rand, key string){
	func(ctx context.Context, _ net.Conn, chance *rand.Rand, _ string) { // says nothing
		pause(ctx, time.Duration(chance.Int64N(int64(5*time.Second))))
	},
	func(ctx context.Context, c net.Conn, chance *rand.Rand, _ string) { // half a head
		say(c, "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Le")
		pause(ctx, time.Duration(chance.Int64N(int64(3*time.Second))))
	},
	func(ctx context.Context, c net.Conn, _ *rand.Rand, _ string) { // a body that is never sent
		say(c, head("/v1/chat/completions", "", 32<<20)+"{")
		pause(ctx, time.Second)
	},
	func(ctx context.Context, c net.Conn, _ *rand.Rand, key string) { // with a key, a body that stalls
		say(c, head("/v1/messages", key, 8<<20)+"{"+strings.Repeat(" ", 256<<10))
		pause(ctx, 2*time.Second)
	},
	func(ctx context.Context, c net.Conn, _ *rand.Rand, key string) { // chunks that stall
		say(c, "POST /v1/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "+key+"\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n"+strings.Repeat(" ", 0x8000))
		pause(ctx, 2*time.Second)
	},
	func(_ context.Context, c net.Conn, chance *rand.Rand, _ string) { // noise
		noise := make([]byte, 1+chance.IntN(5000))
		for i := range noise {
			noise[i] = byte(chance.Uint32())
		}
		say(c, string(noise))
		hear(c)
	},
	func(_ context.Context, c net.Conn, chance *rand.Rand, _ string) { // a wrong key
		ask(c, "/v1/chat/completions", fmt.Sprintf("sk-wrong-%d", chance.Uint64()), question)
	},
	func(_ context.Context, c net.Conn, _ *rand.Rand, _ string) { // beyond the limits of anonymous callers
		ask(c, "/v1/chat/completions", "", question)
	},
	func(ctx context.Context, c net.Conn, chance *rand.Rand, key string) { // leaves in the middle
		body := `{"model":"numbers","stream":true,"messages":[{"role":"user","content":"hi"}]}`
		say(c, head("/v1/chat/completions", key, len(body))+body)
		pause(ctx, time.Duration(chance.Int64N(int64(3*time.Second))))
	},
	func(_ context.Context, c net.Conn, _ *rand.Rand, key string) { // very many messages
		ask(c, "/v1/chat/completions", key, `{"model":"echo","messages":[`+strings.Repeat(`{"role":"user","content":"a"},`, 150000)+`{"role":"user","content":"a"}]}`)
	},
	func(_ context.Context, c net.Conn, _ *rand.Rand, key string) { // very many parts
		ask(c, "/v1/messages", key, `{"model":"echo","max_tokens":9,"messages":[{"role":"user","content":[`+strings.Repeat(`{"type":"text","text":""},`, 120000)+`{"type":"text","text":"a"}]}]}`)
	},
	func(_ context.Context, c net.Conn, _ *rand.Rand, key string) { // a long name
		ask(c, "/api/chat", key, `{"userId":"`+strings.Repeat("u", 500<<10)+`","message":"hi"}`)
	},
	func(_ context.Context, c net.Conn, _ *rand.Rand, key string) { // deep
		ask(c, "/v1/messages", key, strings.Repeat("[", 200000))
	},
	func(ctx context.Context, c net.Conn, chance *rand.Rand, key string) { // a socket that breaks its protocol
		upgrade(c, "/ws/v1/chat?app_token="+key)
		say(c, string([]byte{byte(chance.Uint32()), byte(chance.Uint32()), 1, 2, 3, 4, 5, 6, 7, 8}))
		pause(ctx, time.Duration(chance.Int64N(int64(2*time.Second))))
	},
	func(ctx context.Context, c net.Conn, chance *rand.Rand, _ string) { // a large message without its end
		upgrade(c, "/chat")
		say(c, "\x81\xff\x00\x00\x00\x00\x00\x0f\x00\x00\x00\x00\x00\x00"+strings.Repeat("x", 600<<10))
		pause(ctx, time.Duration(chance.Int64N(int64(2*time.Second))))
	},
	func(ctx context.Context, c net.Conn, chance *rand.Rand, _ string) { // an anonymous socket that asks nothing
		upgrade(c, "/chat")
		pause(ctx, time.Duration(chance.Int64N(int64(5*time.Second))))
	},
}

const question = `{"model":"echo","messages":[{"role":"user","content":"hi"}]}`

func head(path, key string, length int) string {
	h := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", path, length)
	if key != "" {
		h += "Authorization: Bearer " + key + "\r\n"
	}
	return h + "\r\n"
}

func ask(c net.Conn, path, key, body string) {
	say(c, head(path, key, len(body))+body)
	hear(c)
}

func upgrade(c net.Conn, path string) {
	say(c, "GET "+path+" HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	hear(c)
}

func say(c net.Conn, text string) {
	_ = c.SetWriteDeadline(time.Now().Add(5 * time.Second))
	_, _ = io.WriteString(c, text)
}

// hear waits for the beginning of an answer.
func hear(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, _ = c.Read(make([]byte, 4096))
}

// hostile is a server whose every answer is wrong; the first part of the path says how.
type hostile struct {
	ln   net.Listener
	work sync.WaitGroup
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

func openHostile() (*hostile, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &hostile{ln: ln, open: make(map[net.Conn]struct{})}
	h.work.Go(h.accept)
	return h, nil
}

func (h *hostile) addr() string { return h.ln.Addr().String() }

func (h *hostile) close() {
	_ = h.ln.Close()
	h.mu.Lock()
	for c := range h.open {
		_ = c.Close()
	}
	h.mu.Unlock()
	h.work.Wait()
}

func (h *hostile) accept() {
	defer func() { _ = recover() }()
	for {
		c, err := h.ln.Accept()
		if err != nil {
			return
		}
		h.mu.Lock()
		h.open[c] = struct{}{}
		h.mu.Unlock()
		h.work.Go(func() { h.serve(c) })
	}
}

func (h *hostile) serve(c net.Conn) {
	defer func() {
		_ = recover()
		_ = c.Close()
		h.mu.Lock()
		delete(h.open, c)
		h.mu.Unlock()
	}()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return
	}
	way := 0
	_, _ = fmt.Sscanf(line, "POST /%d/", &way)
	hostileWays[way%len(hostileWays)](c)
}

const events = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

// hostileWays are what the server does after it has read the beginning of a request.
var hostileWays = []func(c net.Conn){
	func(c net.Conn) { say(c, "\x00\x00\x12\x04\x00\x00\x00\x00\x00") }, // HTTP/2
	func(c net.Conn) { say(c, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}") },
	func(c net.Conn) { // a head without end
		say(c, "HTTP/1.1 200 OK\r\n")
		for range 2000 {
			if _, err := io.WriteString(c, "X-Long: "+strings.Repeat("y", 4000)+"\r\n"); err != nil {
				return
			}
		}
	},
	func(c net.Conn) { // comments for ever
		say(c, events)
		for range 10000 {
			if _, err := io.WriteString(c, ": nothing\n\n"); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	},
	func(c net.Conn) { // an event without end
		say(c, events+`data: {"choices":[{"delta":{"content":"`)
		for range 1200 {
			if _, err := io.WriteString(c, strings.Repeat("z", 64<<10)); err != nil {
				return
			}
		}
	},
	func(c net.Conn) { // counts beyond belief
		say(c, events+`data: {"id":"x","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9007199254740991,"completion_tokens":9007199254740991}}`+"\n\ndata: [DONE]\n\n")
	},
	func(c net.Conn) { // a chunk of another length
		say(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n{}")
	},
	func(c net.Conn) { // deep
		say(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"+strings.Repeat("[", 1<<20))
	},
	func(c net.Conn) { // a page
		say(c, "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>"+strings.Repeat("<p>no</p>", 10000))
	},
	func(net.Conn) {}, // closes
	func(c net.Conn) { // one byte a second
		for _, b := range events {
			if _, err := io.WriteString(c, string(b)); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	},
}
