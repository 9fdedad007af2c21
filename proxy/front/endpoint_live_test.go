package front_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// An answer that is used while it comes, and is none: the next channel is asked, and alone it is a failure
// that tells no address.
func TestARefusalInPlaceOfALiveAnswerIsAFailure(t *testing.T) {
	t.Parallel()
	form, kind := formBody("model", "m%d", "@file", "RIFF", "stream", "true", "response_format", "text")
	questions := []struct{ path, body, kind string }{
		{"/v1/completions", `{"model":"m%d","prompt":"hi","stream":true}`, "application/json"},
		{"/v1/audio/speech", `{"model":"m%d","input":"hi"}`, "application/json"},
		{"/v1/embeddings", `{"model":"m%d","input":"hi","stream":true}`, "application/json"},
		{"/v1/images/generations", `{"model":"m%d","prompt":"hi","stream":true}`, "application/json"},
		{"/v1/audio/transcriptions", form, kind},
	}
	for _, mood := range []string{"html", "long-html", "no-label", "as-sound", "fault", "fault-of-events", "fault-of-text", "cut", "half", "cut-unlabelled", "event-error", "event-mislabelled", "data-error", "event-nothing", "prose", "long-prose", "prose-unlabelled", "prose-as-json", "prose-as-events"} {
		t.Run(mood, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			var bad, good string
			for n := range questions { // each asks a channel of its own, which the failures of others have not put out of use
				bad += fmt.Sprintf("  - {id: bad-%d, kind: openai, url: \"%s/%s/v1\", keys: [%s], models: [m%d], tier: 1}\n", n, s.URL, mood, channelKey, n)
				good += fmt.Sprintf("  - {id: good-%d, kind: openai, url: \"%s/good/v1\", keys: [%s], models: [m%d], tier: 2}\n", n, s.URL, channelKey, n)
			}
			w, alone := world.Start(t, callers+"channels:\n"+bad+good), world.Start(t, callers+"channels:\n"+bad)
			for n, q := range questions {
				asText := q.kind == kind // a transcription may be any text
				if asText && (mood == "no-label" || mood == "long-html" || mood == "as-sound" || mood == "cut-unlabelled") {
					continue
				}
				if strings.Contains(mood, "prose") && asText {
					continue
				}
				as := []string{"Authorization", "Bearer " + key, "Content-Type", q.kind}
				ask := fmt.Sprintf(q.body, n)
				before := len(s.asked())
				status, h, body := w.Do(t, "POST", q.path, ask, as...)
				if status != 200 || h.Get("X-Dragoman-Channel") != fmt.Sprint("good-", n) || strings.Contains(body, "10.1.2.3") {
					t.Errorf("%s: %d %v %q", q.path, status, h, body)
				}
				tried := s.asked()[before:]
				if len(tried) < 2 || !strings.HasPrefix(tried[0].path, "/"+mood+"/") || fmt.Sprint(len(tried)) != h.Get("X-Dragoman-Attempts") {
					t.Errorf("%s: %d attempts, %v", q.path, len(tried), h)
				}
				status, _, body = alone.Do(t, "POST", q.path, ask, as...)
				if status != 502 || !strings.HasPrefix(body, `{"error":{"message":`) || strings.Contains(body, "10.1.2.3") {
					t.Errorf("%s alone: %d %q", q.path, status, body)
				}
			}
		})
	}
}

func TestEventsUnderAnotherLabelAreEvents(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	w := world.Start(t, callers+"channels:\n"+s.at("untitled-events", ""))
	status, h, body := w.Do(t, "POST", "/v1/completions", `{"model":"m","prompt":"hi","stream":true}`, asAlice...)
	if status != 200 || body != completions || !strings.HasPrefix(h.Get("Content-Type"), "text/event-stream") {
		t.Errorf("%d %v %q", status, h, body)
	}
	countedAs(t, w, []string{"11 2 true"})
}

// Sound goes out with its first bytes, whatever it is called: the back end waits until the client has them.
func TestSpeechGoesOutWhileItComes(t *testing.T) {
	t.Parallel()
	for kind, first := range map[string]string{"audio/mpeg": "as text", "application/octet-stream": "ID3\x00", "text/plain": "\xff\xfb\x90\x00 and more", "application/json": "OggS\x00\x02\x00\x00", "text/html": "RIFF\x00\x00\x00\x00WAVE", "": "fLaC\x00\x00\x00\x22", "text/event-stream": "\xff\xf3\x84\x00\x01\x02\x03\x04", "audio/pcm": "{\x00\x01\x00"} {
		heard := make(chan struct{})
		back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Type"] = []string{kind}
			_, _ = io.WriteString(w, first)
			w.(http.Flusher).Flush()
			select {
			case <-heard:
				_, _ = io.WriteString(w, "the end")
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}))
		t.Cleanup(back.Close)
		w := world.Start(t, callers+"channels:\n"+oddChannel("up", back.URL, 1))
		c := w.Dial(t)
		const question = `{"model":"echo","input":"hi"}`
		if _, err := fmt.Fprintf(c, "POST /v1/audio/speech HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", key, len(question), question); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != strings.TrimPrefix(kind, asEvents) {
			t.Fatalf("%s: %v %v", kind, resp, err)
		}
		got := make([]byte, len(first))
		_, err = io.ReadFull(resp.Body, got)
		close(heard)
		rest, _ := io.ReadAll(resp.Body)
		if err != nil || string(got)+string(rest) != first+"the end" {
			t.Errorf("%s: %q %q %v", kind, got, rest, err)
		}
		_ = c.Close()
	}
}
