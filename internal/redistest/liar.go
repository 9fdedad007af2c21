package redistest

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/tcptest"
)

// Stage is how far a Liar behaves.
type Stage struct {
	// RESP2: it knows no HELLO, and speaks the older protocol.
	RESP2 bool
	// Lies says what the lie takes the place of: HELLO, EVALSHA or SUBSCRIBE. Empty: it
	// never lies.
	Lies string
	// Good is how many EVALSHA it answers before.
	Good int
	// Beside sends the lie behind the right answer.
	Beside bool
	// Stays keeps the connection open after the lie; else no more comes on it.
	Stays bool
}

// Liar is a server that answers as a Redis would that remembers nothing, up to a point,
// and then lies. It is safe for concurrent use.
type Liar struct {
	at   *tcptest.Server
	told chan struct{}

	mu    sync.Mutex
	stage Stage
	lie   []byte
	dials int
}

// StartLiar starts one, until the test ends.
func StartLiar(t testing.TB, stage Stage, lie []byte) *Liar {
	t.Helper()
	l := &Liar{told: make(chan struct{}, 64), stage: stage, lie: lie}
	l.at = tcptest.Serve(t, l.serve)
	return l
}

// URL is its address.
func (l *Liar) URL() string { return "redis://" + l.at.Addr() + "/0" }

// Say changes what it does on connections that are made from now on.
func (l *Liar) Say(stage Stage, lie []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stage, l.lie = stage, lie
}

// Told gets a value whenever a connection has ended on which it lied; never more than
// 64 wait.
func (l *Liar) Told() <-chan struct{} { return l.told }

// Dials is how many connections there were.
func (l *Liar) Dials() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dials
}

func (l *Liar) serve(_ *tcptest.Server, c net.Conn) {
	l.mu.Lock()
	stage, lie := l.stage, l.lie
	l.dials++
	l.mu.Unlock()
	in := bufio.NewReader(c)
	for {
		request, err := readRequest(in)
		if err != nil {
			return
		}
		word := strings.ToUpper(request[0])
		if word == "EVAL" {
			word = "EVALSHA"
		}
		if word == "EVALSHA" && stage.Lies == word && stage.Good > 0 {
			stage.Good--
		} else if word == stage.Lies {
			l.deceive(c, in, stage, request, lie)
			return
		}
		if _, err := io.WriteString(c, stage.honest(request)); err != nil {
			return
		}
	}
}

func (l *Liar) deceive(c net.Conn, in io.Reader, stage Stage, request []string, lie []byte) {
	if stage.Beside {
		lie = append([]byte(stage.honest(request)), lie...)
	}
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = c.Write(lie)
	if !stage.Stays {
		_ = c.(*net.TCPConn).CloseWrite()
	}
	_, _ = io.Copy(io.Discard, in)
	select {
	case l.told <- struct{}{}:
	default:
	}
}

// honest is the right answer.
func (s *Stage) honest(request []string) string {
	switch strings.ToUpper(request[0]) {
	case "HELLO":
		if s.RESP2 {
			return "-ERR unknown command 'HELLO'\r\n"
		}
		return "%2\r\n$7\r\nversion\r\n$5\r\n7.4.0\r\n$5\r\nproto\r\n:" + request[1] + "\r\n"
	case "PING":
		return "+PONG\r\n"
	case "SUBSCRIBE":
		return string(">*"[b2i(s.RESP2)]) + fmt.Sprintf("3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n", len(request[1]), request[1])
	case "EVAL", "EVALSHA":
		text := evaluate(request)
		return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text)
	}
	return "+OK\r\n"
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// evaluate answers the scripts of limits: there is always room, and nothing is kept.
func evaluate(request []string) string {
	n := 0
	if len(request) > 2 {
		n, _ = strconv.Atoi(request[2])
	}
	if n < 1 || len(request) < 3+n {
		return ""
	}
	keys, args := request[3:3+n], request[3+n:]
	const plenty = 1 << 30
	alive := keys[0] == "{dragoman}:alive"
	switch {
	case alive && n == 1:
		return doubles(0)
	case alive:
		answer := []float64{1}
		for range keys[1:] {
			answer = append(answer, plenty, plenty, 0)
		}
		return doubles(answer...)
	case strings.HasPrefix(keys[0], "{dragoman}:count:") && len(args) != 2+4*n:
		answer := []float64{1}
		for range keys {
			answer = append(answer, plenty)
		}
		return doubles(answer...)
	}
	return ""
}

func doubles(all ...float64) string {
	var b []byte
	for _, v := range all {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return string(b)
}

// readRequest reads an array of strings.
func readRequest(in *bufio.Reader) ([]string, error) {
	n, err := readHead(in, '*')
	if err != nil || n < 1 {
		return nil, io.ErrUnexpectedEOF
	}
	words := make([]string, n)
	for i := range words {
		length, err := readHead(in, '$')
		if err != nil {
			return nil, err
		}
		b := make([]byte, length+2)
		if _, err := io.ReadFull(in, b); err != nil {
			return nil, err
		}
		words[i] = string(b[:length])
	}
	return words, nil
}

func readHead(in *bufio.Reader, kind byte) (int, error) {
	line, err := in.ReadString('\n')
	if err != nil || len(line) < 4 || line[0] != kind {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := strconv.Atoi(line[1 : len(line)-2])
	if err != nil || n < 0 || n > 1<<20 {
		return 0, io.ErrUnexpectedEOF
	}
	return n, nil
}
