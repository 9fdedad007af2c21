package proxy

import "testing"

func TestWhatBeginsAsEventsOrAsSoundGoesOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw, label string
		shows      bool
	}{
		{"data: {}\n\n", "text/event-stream", true},
		{"\xef\xbb\xbf\n: hi\n\n", "text/event-stream; charset=utf-8", true},
		{`{"error":{}}`, "text/event-stream", false},
		{"\r\n", "text/event-stream", false},
		{"ID3\x04\x00", "", true},
		{"ID", "", false},
		{"ID", "audio/mpeg", true},
		{"\xff\xfb\x90", "", true},
		{"sound?", "Application/Octet-Stream", true},
		{"sound?", "text/plain", false},
		{"h\xc3", "text/plain", false}, // half a rune
		{"{\x00\x01\x00", "audio/pcm", true},
		{`{"audio":"`, "audio/pcm", false},
		{" <html>", "audio/mpeg", false},
		{"<title>\xd6\xd0", "", false}, // a page in another charset
		{"[1]", "audio/mpeg", false},
		{"", "audio/mpeg", false},
	} {
		if got := shows([]byte(c.raw), c.label); got != c.shows {
			t.Errorf("%q under %q: %v", c.raw, c.label, got)
		}
	}
}
