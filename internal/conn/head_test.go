package conn

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
)

// Whatever is sent, in whatever pieces, and however much is read at once: nothing is
// lost, and no read goes on behind what may be the end of a head.
func TestNoReadGoesOnBehindTheEndOfAHead(t *testing.T) {
	t.Parallel()
	parts := []string{"\r", "\n", "\r\n", "\r\n\r\n", "\r\n\r", "GET / HTTP/1.1", "a", strings.Repeat("b", 5000), strings.Repeat("\r\n", 9)}
	for seed := range uint64(40) {
		chance := rand.New(rand.NewPCG(seed, 1))
		var sent []byte
		for range 30 {
			sent = append(sent, parts[chance.IntN(len(parts))]...)
		}
		server, client, _ := pair(t)
		if seed%2 == 1 {
			server.readAhead.raw = nil // as behind TLS
		}
		go func(pieces []byte) {
			chance := rand.New(rand.NewPCG(seed, 2))
			for len(pieces) > 0 {
				n := min(1+chance.IntN(6000), len(pieces))
				if _, err := client.Write(pieces[:n]); err != nil {
					return
				}
				pieces = pieces[n:]
			}
			_ = client.(*net.TCPConn).CloseWrite()
		}(sent)
		var got []byte
		for {
			p := make([]byte, []int{1, 1, 7, 100, stashSize, stashSize + 9000}[chance.IntN(6)])
			n, err := server.Read(p)
			before := got[max(0, len(got)-3):]
			got = append(got, p[:n]...)
			if n > 0 {
				seen := append(bytes.Clone(before), p[:n]...)
				at := bytes.Index(seen, []byte(headEnd))
				if at >= 0 && at+len(headEnd) < len(seen) && at+len(headEnd) > len(before) {
					t.Fatalf("seed %d: a read of %q behind %q", seed, p[:n], before)
				}
				if ends := bytes.HasSuffix(got, []byte(headEnd)); ends != server.AtHead() {
					t.Fatalf("seed %d: AtHead is %t behind %q", seed, server.AtHead(), got[max(0, len(got)-9):])
				}
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, sent) {
			t.Fatalf("seed %d: %d bytes of %d came, or others", seed, len(got), len(sent))
		}
	}
}

func TestAConnectionThatLingersLetsItsPeerReadTheAnswer(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	server.Linger()
	sent := make(chan error, 1)
	go func() {
		_, err := client.Write(make([]byte, 1<<20))
		sent <- err
	}()
	if _, err := server.Write([]byte("no")); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- server.Close() }()
	if got, err := io.ReadAll(client); err != nil || string(got) != "no" {
		t.Errorf("%q, %v", got, err)
	}
	if err := <-sent; err != nil {
		t.Errorf("what it sent: %v", err)
	}
	_ = client.Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}
