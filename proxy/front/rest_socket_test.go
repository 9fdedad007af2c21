package front_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// A socket on which nobody says anything has no reader with a stack of its own, and
// hears all the same what is said, a pong as well.
func TestASilentSocketRests(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("sockets cannot be waited for there without a reader")
	}
	for path, of := range map[string]struct{ ask, end string }{
		"/chat":         {`{"type":"chat","message":"hi","model":"echo"}`, `"end":true`},
		"/v1/responses": {`{"type":"response.create","input":"hi","model":"echo"}`, `{"type":"response.completed"`},
	} {
		w := world.Start(t, "callers: {anonymous: {}}\nchannels:\n"+channel("up", "openai", "", "echo"))
		restsBetween(t, w, path, of.ask, of.end)
	}
}

// restsBetween has a socket on a path rest before and behind an answer, which a message with end ends.
func restsBetween(t *testing.T, w *world.World, path, ask, end string) {
	t.Helper()
	s := dialRaw(t, w, path)
	rests := func() bool {
		stacks := make([]byte, 4<<20)
		all := string(stacks[:runtime.Stack(stacks, true)])
		return strings.Contains(all, "front.(*session).parkedWait")
	}
	w.Eventually(t, "the socket rests", rests)
	for range 3 {
		s.send(wsFrame(fin|opPong, "late"), wsFrame(fin|opPong, ""))
		w.Eventually(t, "the socket rests behind a pong", rests)
		s.send(wsFrame(fin|opText, ask))
		for ended := false; !ended; {
			op, text, err := s.next()
			if err != nil || op != opText {
				t.Fatalf("%x %q, %v", op, text, err)
			}
			ended = strings.Contains(string(text), end)
		}
	}
	s.send(farewellFrame(1000, "bye"))
	if _, _, end := s.over(); end != "closed with 1000" {
		t.Error(end)
	}
}
