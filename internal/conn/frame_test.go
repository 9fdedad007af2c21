//go:build unix

package conn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// frame is a frame of n bytes, with a mask or without.
func frame(first byte, n int, masked bool) []byte {
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	b := []byte{first}
	switch {
	case n < 126:
		b = append(b, bit|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, bit|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, bit|127), uint64(n))
	}
	if masked {
		b = append(b, "mask"...)
	}
	return append(b, bytes.Repeat([]byte{byte(n)}, n)...)
}

func TestNoReadGoesBeyondTheEndOfAFrame(t *testing.T) {
	t.Parallel()
	var all []byte
	ends := map[int]bool{0: true}
	for _, n := range []int{0, 1, 5, 125, 126, 127, 4096, 5000, 65535, 65536, 70000, 0, 0, 3} {
		for _, masked := range []bool{true, false} {
			all = append(all, frame(0x81, n, masked)...)
			ends[len(all)] = true
		}
	}
	for _, piece := range []int{1 << 20, 3000, 17} {
		server, client, _ := pair(t)
		if !server.SplitFrames() {
			t.Fatal("frames cannot be split")
		}
		go func() {
			for rest := all; len(rest) > 0; {
				n := min(piece, len(rest))
				if _, err := client.Write(rest[:n]); err != nil {
					return
				}
				rest = rest[n:]
			}
			_ = client.(*net.TCPConn).CloseWrite()
		}()
		var got []byte
		p := make([]byte, 1000)
		for {
			n, err := server.Read(p)
			for at := len(got) + 1; at < len(got)+n; at++ {
				if ends[at] {
					t.Fatalf("a read of %d bytes at %d goes beyond the end of a frame", n, len(got))
				}
			}
			got = append(got, p[:n]...)
			if server.BetweenFrames() && !ends[len(got)] {
				t.Fatalf("%d is not between two frames", len(got))
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got, all) {
			t.Errorf("in pieces of %d: %d of %d bytes, or others", piece, len(got), len(all))
		}
	}
}

func TestAWaitForAFrameTakesNothingButPongs(t *testing.T) {
	t.Parallel()
	server, client, _ := pair(t)
	if !server.SplitFrames() || !server.BetweenFrames() {
		t.Fatal("frames cannot be split")
	}
	pong, ping, text := frame(0x8a, 4, true), frame(0x89, 4, true), frame(0x81, 4, true)
	send := func(frames ...[]byte) {
		if _, err := client.Write(bytes.Join(frames, nil)); err != nil {
			t.Fatal(err)
		}
	}
	send(pong)
	if got, err := server.AwaitFrame(); !got || err != nil || !server.BetweenFrames() {
		t.Errorf("a pong: %v, %v", got, err)
	}
	for _, one := range [][]byte{ping, text, frame(0x0a, 1, true), frame(0x8a, 126, true), frame(0x8a, 4, false)} {
		send(one)
		if got, err := server.AwaitFrame(); got || err != nil || server.BetweenFrames() {
			t.Errorf("%x: %v, %v", one[:2], got, err)
		}
		got := make([]byte, len(one))
		if _, err := io.ReadFull(server, got); err != nil || !bytes.Equal(got, one) {
			t.Errorf("%x: read %x, %v", one[:2], got[:2], err)
		}
	}
	_ = server.SetReadDeadline(time.Unix(1, 0))
	if _, err := server.AwaitFrame(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("at the deadline: %v", err)
	}
	_ = server.SetReadDeadline(time.Time{})
	_ = client.Close()
	if _, err := server.AwaitFrame(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestHalfAPongIsNoPong(t *testing.T) {
	t.Parallel()
	whole := frame(0x8a, 4, true)
	for n := range whole {
		if got := pongLength(whole[:n]); got != 0 {
			t.Errorf("%d bytes: %d", n, got)
		}
	}
	if got := pongLength(append(whole, "next"...)); got != len(whole) {
		t.Errorf("got %d, want %d", got, len(whole))
	}
}
