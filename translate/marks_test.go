package translate

import "testing"

func TestWhatSaysNothingAndWhatEndsAreKnown(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", " ", "ping", "PING", `"ping"`, "[ping]", "null", "true", "[]", `""`, "17", "1764410000.123", "keep-alive", "Heartbeat"} {
		if !Idle([]byte(s)) || DoneMark([]byte(s)) {
			t.Errorf("%q says something", s)
		}
	}
	for _, s := range []string{"[DONE]", "[done]", `"[DONE]"`, "DONE", " [Done]\t", "'[DONE]'"} {
		if !DoneMark([]byte(s)) || Idle([]byte(s)) {
			t.Errorf("%q is no end", s)
		}
	}
	for _, s := range []string{"{}", `{"a":1}`, "garbage", "error", `[{"error":1}]`, "[DONE] and more", `{"id":"ch`, "[", `"`, "overloaded"} {
		if Idle([]byte(s)) || DoneMark([]byte(s)) {
			t.Errorf("%q says nothing, or ends", s)
		}
	}
}
