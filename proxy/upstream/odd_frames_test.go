package upstream

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// oddFrames are what no back end may send on a WebSocket (RFC 6455 5.2 to 5.5, 7.4 and
// 8.1), where an answer is awaited.
var oddFrames = map[string]string{
	"a frame with a mask":               "\x81\x82abcdxx",
	"the first reserved bit":            frame(0xc1, "{}"),
	"the second reserved bit":           frame(0xa1, "{}"),
	"the third reserved bit":            frame(0x91, "{}"),
	"opcode 3":                          frame(0x83, ""),
	"opcode 11":                         frame(0x8b, ""),
	"a ping in fragments":               frame(0x09, "x"),
	"a pong in fragments":               frame(0x0a, "x"),
	"a close in fragments":              frame(0x08, "\x03\xe8"),
	"a ping of 126 bytes":               frame(0x89, strings.Repeat("x", 126)),
	"a pong of 126 bytes":               frame(0x8a, strings.Repeat("x", 126)),
	"a close of 126 bytes":              frame(0x88, "\x03\xe8"+strings.Repeat("x", 124)),
	"a continuation of nothing":         frame(0x80, "x"),
	"a message within a message":        frame(0x01, "{") + frame(0x81, "{}"),
	"a length of 64 bits":               "\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
	"a length of 62 bits":               "\x81\x7f\x3f\xff\xff\xff\xff\xff\xff\xff",
	"a message of 1 MiB and a byte":     frame(0x81, strings.Repeat("x", maxMessage+1)),
	"a message without end":             frame(0x01, "x") + strings.Repeat(frame(0x00, strings.Repeat("x", 60<<10)), 20),
	"a message in fragments of nothing": frame(0x01, "") + strings.Repeat(frame(0x00, ""), 1000) + frame(0x80, "\xff"),
	"invalid UTF-8":                     frame(0x81, "{\xff}"),
	"a surrogate in UTF-8":              frame(0x81, "{\"a\":\"\xed\xa0\x80\"}"),
	"half a character, and no more":     frame(0x81, "\xe6\xbc"),
	"a close of one byte":               frame(0x88, "\x03"),
	"a close with 999":                  frame(0x88, "\x03\xe7"),
	"a close with 1004":                 frame(0x88, "\x03\xec"),
	"a close with 1005":                 frame(0x88, "\x03\xed"),
	"a close with 1006":                 frame(0x88, "\x03\xee"),
	"a close with 65535":                frame(0x88, "\xff\xff"),
	"a close with no UTF-8":             frame(0x88, "\x03\xe8\xff"),
	"a close without a code":            frame(0x88, ""),
	"a close with 1000":                 frame(0x88, "\x03\xe8"),
	"an answer behind a close":          frame(0x88, "\x03\xe8") + text(first) + text(delta) + text(last),
}

func TestABackEndThatBreaksTheRulesOfWebSocketsIsBroken(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"chatnio", "iagent"} {
		for name, odd := range oddFrames {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				gone := make(chan struct{})
				p := listen(t, func(l *link) {
					if !l.upgrade() {
						return
					}
					if l.n > 1 {
						l.gone()
						return
					}
					l.heard("hi")
					l.say(odd)
					l.gone() // the other side has to close the connection
					close(gone)
				})
				a, err := ask(t, open(t, kind, wsURL(p)), question("m", true))
				if err == nil {
					t.Fatalf("it is an answer: %+v", a)
				}
				wantOdd(t, err)
				<-gone
			})
		}
	}
}

// wantOdd: the channel is at fault, and another one may be asked.
func wantOdd(t *testing.T, err error) {
	t.Helper()
	e := fault(t, err)
	if e.Fault != translate.FaultBroken {
		t.Errorf("fault %s: %v", e.Fault, err)
	}
	if e.Code != translate.CodeUnavailable && e.Code != translate.CodeModel {
		t.Errorf("code %s: %v", e.Code, err)
	}
}
