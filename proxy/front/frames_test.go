package front_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// rawSocket is a WebSocket without a library: it sends any bytes.
type rawSocket struct {
	t    testing.TB
	conn net.Conn
	br   *bufio.Reader
}

// dialRaw upgrades by hand. early is sent in one piece with the handshake.
func dialRaw(t testing.TB, w *world.World, path string, early ...string) *rawSocket {
	t.Helper()
	c := w.Dial(t)
	_, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+strings.Join(early, ""))
	if err != nil {
		t.Fatal(err)
	}
	s := &rawSocket{t, c, bufio.NewReader(c)}
	resp, err := http.ReadResponse(s.br, nil)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatalf("no upgrade: %v %+v", err, resp)
	}
	return s
}

// The first byte of a frame.
const (
	opContinue = 0x0
	opText     = 0x1
	opBinary   = 0x2
	opClose    = 0x8
	opPing     = 0x9
	opPong     = 0xa
	fin        = 0x80
)

// wsFrame is a masked frame with that first byte.
func wsFrame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

// farewellFrame is a close frame.
func farewellFrame(code uint16, why string) string {
	return wsFrame(fin|opClose, string(binary.BigEndian.AppendUint16(nil, code))+why)
}

// send does not fail the test: the server may have closed the connection.
func (s *rawSocket) send(frames ...string) {
	_, _ = io.WriteString(s.conn, strings.Join(frames, ""))
}

// next reads one frame, which must be a plain, whole, unmasked one.
func (s *rawSocket) next() (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(s.br, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1])
	switch n {
	case 126:
		var b [2]byte
		_, err = io.ReadFull(s.br, b[:])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		_, err = io.ReadFull(s.br, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	if op = head[0] &^ fin; err == nil && (head[0]&fin == 0 || op&0x70 != 0 || head[1]&0x80 != 0 || n > 1<<22 || op >= 8 && n > 125) {
		err = fmt.Errorf("the server broke the rules: %x", head)
	}
	if err == nil {
		payload = make([]byte, n)
		_, err = io.ReadFull(s.br, payload)
	}
	return op, payload, err
}

// over reads to the end of the connection: what came, and how it was closed.
func (s *rawSocket) over() (texts []string, pongs []string, end string) {
	s.t.Helper()
	end = "cut"
	for {
		op, payload, err := s.next()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			s.t.Error("the connection does not end")
			return texts, pongs, "hangs"
		case err != nil:
			return texts, pongs, end
		case end != "cut":
			s.t.Errorf("a frame behind the close frame: %x %q", op, payload)
		case op == opText:
			texts = append(texts, string(payload))
		case op == opPong:
			pongs = append(pongs, string(payload))
		case op == opClose && len(payload) == 0:
			end = "closed"
		case op == opClose && len(payload) > 1:
			end = fmt.Sprint("closed with ", binary.BigEndian.Uint16(payload))
		default:
			s.t.Errorf("frame %x %q", op, payload)
		}
	}
}

// oddFrames are what a client may not send, or only few do, and how the
// connection ends (RFC 6455 5.2 to 5.5, 7.4 and 8.1). A close of the client's own
// follows on each.
var oddFrames = []struct{ name, frames, want string }{
	{"a frame without a mask", "\x81\x05hello", "closed with 1002"},
	{"the first reserved bit", wsFrame(fin|0x40|opText, "hi"), "closed with 1002"},
	{"the second reserved bit", wsFrame(fin|0x20|opText, "hi"), "closed with 1002"},
	{"the third reserved bit", wsFrame(fin|0x10|opText, "hi"), "closed with 1002"},
	{"opcode 3", wsFrame(fin|3, "hi"), "closed with 1002"},
	{"opcode 11", wsFrame(fin|11, "hi"), "closed with 1002"},
	{"a ping in fragments", wsFrame(opPing, "a") + wsFrame(fin|opContinue, "b"), "closed with 1002"},
	{"a ping of 126 bytes", wsFrame(fin|opPing, strings.Repeat("p", 126)), "closed with 1002"},
	{"a close of 126 bytes", farewellFrame(1000, strings.Repeat("p", 124)), "closed with 1002"},
	{"a continuation of nothing", wsFrame(fin|opContinue, "hi"), "closed with 1002"},
	{"a message within a message", wsFrame(opText, "{") + wsFrame(fin|opText, "}"), "closed with 1002"},
	{"a length of 64 bits", "\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", "closed with 1009"},
	{"a length of 62 bits", "\x81\xff\x3f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", "closed with 1009"},
	{"a message of 1 MiB and a byte", wsFrame(fin|opText, strings.Repeat("x", 1<<20+1)), "closed with 1009"},
	{"fragments of 1 MiB and a byte together", strings.Replace(strings.Repeat(wsFrame(opContinue, strings.Repeat("x", 1<<18)), 4), "\x00", "\x01", 1) + wsFrame(fin|opContinue, "x"), "closed with 1009"},
	{"invalid UTF-8", wsFrame(fin|opText, "\xff\xfe"), "closed with 1007"},
	{"a surrogate in UTF-8", wsFrame(fin|opText, "\xed\xa0\x80"), "closed with 1007"},
	{"half a character, and no more", wsFrame(opText, "\xc3") + wsFrame(fin|opContinue, ""), "closed with 1007"},
	{"a close of one byte", wsFrame(fin|opClose, "x"), "closed"},
	{"a close with 999", farewellFrame(999, ""), "closed with 1002"},
	{"a close with 1004", farewellFrame(1004, ""), "closed with 1002"},
	{"a close with 1005", farewellFrame(1005, ""), "closed with 1002"},
	{"a close with 1006", farewellFrame(1006, ""), "closed with 1002"},
	{"a close with 2999", farewellFrame(2999, ""), "closed with 1002"},
	{"a close with 65535", farewellFrame(65535, ""), "closed with 1002"},
	{"a close with a reason that is no UTF-8", farewellFrame(1000, "\xff"), "closed with 1002"},
	{"a close without a code", wsFrame(fin|opClose, ""), "closed"},
	{"a close with 1000", farewellFrame(1000, "bye"), "closed with 1000"},
	{"a close with 4999", farewellFrame(4999, ""), "closed with 4999"},
	{"a question behind a close", farewellFrame(1000, "") + wsFrame(fin|opText, "hi"), "closed with 1000"},
	{"a pong that nobody asked for", wsFrame(fin|opPong, "x"), "closed with 1000"},
	{"a ping between two fragments", wsFrame(opText, " ") + wsFrame(fin|opPing, "between") + wsFrame(fin|opContinue, " "), "closed with 1000"},
	{"a ping with and one without bytes", wsFrame(fin|opPing, strings.Repeat("p", 125)) + wsFrame(fin|opPing, ""), "closed with 1000"},
	{"a message in 300 fragments", wsFrame(opText, " ") + strings.Repeat(wsFrame(opContinue, " "), 300) + wsFrame(fin|opContinue, " "), "closed with 1000"},
}

func TestOddFramesEndTheConnectionAsTheStandardSays(t *testing.T) {
	t.Parallel()
	w := world.Start(t, pair("openai"))
	got := make([]string, len(oddFrames))
	t.Run("each", func(t *testing.T) {
		for i, o := range oddFrames {
			for _, path := range []string{"/chat?token=" + key, agentPath} {
				t.Run(path[:4]+" "+o.name, func(t *testing.T) {
					s := dialRaw(t, w, path)
					defer func() { _ = s.conn.Close() }()
					s.send(o.frames, farewellFrame(1000, ""))
					_, pongs, end := s.over()
					if end != o.want {
						t.Errorf("it is %s, want %s", end, o.want)
					}
					if n := strings.Count(o.frames, wsFrame(fin|opPing, "between")); n > 0 && (len(pongs) != n || pongs[0] != "between") {
						t.Errorf("the pongs are %q", pongs)
					}
					got[i] = end
				})
			}
		}
	})
	var table strings.Builder
	table.WriteString("| frames | the connection is |\n|---|---|\n")
	for i, o := range oddFrames {
		fmt.Fprintf(&table, "| %s | %s |\n", o.name, got[i])
	}
	checkTable(t, "frames", table.String())
}

// session plays a client that a fuzzer writes: each byte of plan is one thing to do.
type session struct {
	*rawSocket
	sent bytes.Buffer // frames that wait to be sent
	n    int          // questions so far
	// broken: nothing that is sent from here on has to be answered.
	broken bool
	more   int // messages that what broke the rules may hold, and that may be answered
}

// leastMessage is the size of the smallest message of a client: head and mask.
const leastMessage = 6

// breaks sends what keeps to no rules, and may hold so many messages all the same.
func (s *session) breaks(frames string, more int) {
	s.sent.WriteString(frames)
	s.broken, s.more = true, more
}

// text sends one message, in one frame or in three with a ping between.
func (s *session) text(message string, split bool) {
	if !split || len(message) < 3 {
		s.sent.WriteString(wsFrame(fin|opText, message))
		return
	}
	s.sent.WriteString(wsFrame(opText, message[:1]) + wsFrame(opContinue, message[1:2]) + wsFrame(fin|opPing, "p") + wsFrame(fin|opContinue, message[2:]))
}

// odd does what is no message, and reports whether it did.
func (s *session) odd(kind byte, rest []byte) {
	switch kind {
	case 0:
		s.sent.WriteString(wsFrame(fin|opPing, "ping"))
	case 1:
		s.sent.WriteString(wsFrame(fin|opPong, ""))
	case 2:
		s.breaks(oddFrames[len(rest)%len(oddFrames)].frames, 1)
	case 3:
		s.breaks(string(rest), 1+len(rest)/leastMessage)
	case 4:
		s.breaks(farewellFrame(uint16(len(rest))*37+1000, ""), 0)
	}
}

// flush sends what waits.
func (s *session) flush() {
	_, _ = s.conn.Write(s.sent.Bytes())
	s.sent.Reset()
}

// hangUp sends a farewell, closes its own side, and reads to the end.
func (s *session) hangUp() []string {
	s.t.Helper()
	s.sent.WriteString(farewellFrame(1000, ""))
	s.flush()
	// What came before may have announced more than is sent.
	_ = s.conn.(interface{ CloseWrite() error }).CloseWrite()
	texts, _, end := s.over()
	if end == "closed with 1011" {
		s.t.Error("something panicked")
	}
	return texts
}

// forget leaves, and takes along what was said: a fuzzer plays a million sessions.
func (s *session) forget(w *world.World) {
	_ = s.conn.Close()
	if err := w.Store.Delete(context.Background(), "alice", ""); err != nil {
		s.t.Error(err)
	}
}

// planLimit bounds a plan: fewer things than the queue of a connection holds.
const planLimit = 40

func FuzzChatnioSessionHasOneEndForEachChat(f *testing.F) {
	w := world.Start(f, pair("openai"))
	for _, seed := range []string{"", "0", "00000", "0102030", "4444", "0a0b0c0d", "0\x80\x81\x82", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b", "012\x0c\x00\x00", "01\x0d\x81\x05hello", "0\x0e"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, plan []byte) {
		s := &session{rawSocket: dialRaw(t, w, "/chat?token="+key)}
		defer s.forget(w)
		ends, bad := 0, 0
		for i, b := range plan[:min(len(plan), planLimit)] {
			split, wait := b&0x80 != 0, b&0x40 != 0
			if bad > 15 {
				b = 0
			}
			switch kind := b & 0x0f; kind {
			case 0, 1, 2:
				s.n++
				s.text(chatFrame([]string{"echo", "unicode", "nope"}[kind], fmt.Sprint("q", s.n)), split)
				ends++
			case 3:
				s.text(`{"type":"restart","model":"echo"}`, split)
				ends++
			case 4:
				s.text(`{"type":"stop"}`, split)
			case 5:
				s.text(`{"type":"remove","message":"0"}`, split)
			case 6:
				s.text(`{"type":"edit","message":"0:x"}`, split)
			case 7:
				s.text(`{"type":"ping"}`, split)
			case 8:
				s.text(`{"type":"chat",`, split)
				bad++
				ends++
			case 9:
				s.text(`{"type":"mask","message":"[{\"role\":\"user\",\"content\":\"m\"}]"}`, split)
			default:
				s.odd(kind-10, plan[i+1:])
			}
			if s.broken {
				break
			}
			if wait {
				s.flush()
			}
		}
		if s.broken {
			// What breaks the rules may hold texts, which are answered as bad messages.
			if got := countEnds(s.hangUp()); got > ends+s.more {
				t.Errorf("%d ends for %d chats", got, ends)
			}
			return
		}
		// Everything is answered before a last question is.
		s.text(chatFrame("echo", "last"), false)
		s.flush()
		for got := 0; got <= ends; {
			op, payload, err := s.next()
			if err != nil {
				t.Fatalf("%d ends of %d, then %v", got, ends+1, err)
			}
			if op == opText {
				got += countEnds([]string{string(payload)})
			}
		}
		if more := s.hangUp(); len(more) > 0 {
			t.Errorf("frames behind the last end: %q", more)
		}
	})
}

func countEnds(frames []string) (n int) {
	for _, f := range frames {
		if strings.Contains(f, `"end":true`) {
			n++
		}
	}
	return n
}

func FuzzIAgentSessionAnswersEachMessageOnce(f *testing.F) {
	w := world.Start(f, pair("openai"))
	for _, seed := range []string{"", "0", "00000", "0102030", "4444", "0a0b0c0d", "0\x80\x81\x82", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b", "012\x0c\x00\x00", "01\x0d\x81\x05hello", "0\x0e"} {
		f.Add([]byte(seed))
	}
	run := 0
	f.Fuzz(func(t *testing.T, plan []byte) {
		run++
		s := &session{rawSocket: dialRaw(t, w, agentPath)}
		defer s.forget(w)
		sent, illegal := map[string]int{}, 0
		id := func(n int) string { return fmt.Sprint("r", run, "-", n) }
		user, last := fmt.Sprint("u", run), ""
		for i, b := range plan[:min(len(plan), planLimit)] {
			split, wait := b&0x80 != 0, b&0x40 != 0
			if illegal > 15 {
				b = 0
			}
			switch kind := b & 0x0f; kind {
			case 0, 1, 2:
				s.n++
				last = frame(id(s.n), "hi", "receiver_id", []string{"echo", "unicode", "fail-500"}[kind], "sender_id", user)
				sent[id(s.n)]++
				s.text(last, split)
			case 3: // the same once more
				if s.n > 0 {
					sent[id(s.n)]++
					s.text(last, split)
				}
			case 4, 5:
				s.text(frame(id(99), "hi", "sender_type", 9), split)
				illegal++
			case 6, 7:
				s.text(`{"chat_type":`, split)
				illegal++
			case 8, 9:
				s.sent.WriteString(wsFrame(fin|opPing, ""))
			default:
				s.odd(kind-10, plan[i+1:])
			}
			if s.broken {
				break
			}
			if wait {
				s.flush()
			}
		}
		var replies []string
		if !s.broken {
			replies = s.untilLast(id(1000), user, len(sent), illegal)
		}
		checkReplies(t, append(replies, s.hangUp()...), sent, illegal, s)
	})
}

// untilLast asks a last question in each conversation that there is, and reads until
// all that is due has come.
func (s *session) untilLast(id, user string, due, illegal int) (replies []string) {
	s.t.Helper()
	s.text(frame(id, "hi", "receiver_id", "echo", "sender_id", user), false)
	s.flush()
	seen := map[string]bool{}
	for len(seen) < due+1 || illegal > 0 {
		op, payload, err := s.next()
		if err != nil {
			s.t.Fatalf("%d answers of %d, then %v", len(seen), due+1, err)
		}
		if op != opText {
			continue
		}
		if strings.Contains(string(payload), `"resp_code":40`) {
			illegal--
		} else {
			seen[between(string(payload), `"ref_msg_id":"`, `"`)] = true
		}
		replies = append(replies, string(payload))
	}
	return replies
}

// checkReplies counts the answers to each message: as many as it was sent, at
// most, and one at least where the connection was not broken.
func checkReplies(t *testing.T, replies []string, sent map[string]int, illegal int, s *session) {
	t.Helper()
	got, wrong := map[string]int{}, 0
	for _, r := range replies {
		if strings.Contains(r, `"resp_code":40`) {
			wrong++
			continue
		}
		got[between(r, `"ref_msg_id":"`, `"`)]++
	}
	for id, n := range sent {
		if got[id] > n || got[id] == 0 && !s.broken {
			t.Errorf("%s was sent %d times and answered %d times", id, n, got[id])
		}
	}
	if wrong > illegal+s.more || wrong < illegal && !s.broken {
		t.Errorf("%d of %d illegal messages were answered", wrong, illegal)
	}
}
