package mockmodel

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/fasthttp/websocket"
)

// benchServer serves without a record and returns its address.
func benchServer(b *testing.B) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := New(Options{NoRecord: true})
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	b.Cleanup(func() { s.Close(); <-done })
	return ln.Addr().String()
}

// openaiLoad sends one request again and again on one connection per worker,
// and reads each answer up to mark.
func openaiLoad(b *testing.B, model string, stream bool, mark string) {
	addr := benchServer(b)
	body := chatBody(model, "hello there", stream)
	req := []byte("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		br := bufio.NewReaderSize(c, 64<<10)
		for pb.Next() {
			if _, err := c.Write(req); err != nil {
				b.Error(err)
				return
			}
			for {
				line, err := br.ReadSlice('\n')
				if err != nil {
					b.Error(err)
					return
				}
				if bytes.Contains(line, []byte(mark)) {
					break
				}
				if size, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
					n, _ := strconv.Atoi(string(bytes.TrimSpace(size)))
					_, _ = br.Discard(n + 2)
					break
				}
			}
			if stream { // the end of the chunk and the last chunk
				if _, err := br.Discard(len("\n\r\n0\r\n\r\n")); err != nil {
					b.Error(err)
					return
				}
			}
		}
	})
}

func BenchmarkOpenAIWhole(b *testing.B)     { openaiLoad(b, "echo", false, "\x00") }
func BenchmarkOpenAIStream100(b *testing.B) { openaiLoad(b, "long-100", true, "[DONE]") }
func BenchmarkOpenAIBurst100Per10(b *testing.B) {
	openaiLoad(b, "long-100-per-10", true, "[DONE]")
}

func BenchmarkIagent(b *testing.B) {
	addr := benchServer(b)
	b.RunParallel(func(pb *testing.PB) {
		c, _, err := websocket.DefaultDialer.Dial("ws://"+addr+agentPath, nil)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		for i := 0; pb.Next(); i++ {
			if err := c.WriteMessage(websocket.TextMessage, []byte(agentMessage("m", strconv.Itoa(i%1000), "forget", "hi"))); err != nil {
				b.Error(err)
				return
			}
			if _, _, err := c.ReadMessage(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	req := ask("hello there")
	b.ReportAllocs()
	for b.Loop() {
		s, err := Open(context.Background(), "long-100", req)
		if err != nil {
			b.Fatal(err)
		}
		for {
			if _, err := s.Next(); err == io.EOF {
				break
			}
		}
		_ = s.Close()
	}
}
