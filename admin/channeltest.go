package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxTestTokens is how long an answer a test may ask for.
const maxTestTokens = 16_384

// testChannel puts a question to one channel, and streams what happens as server-sent events:
// each is a [proxy.TestEvent] under its kind.
func (s *Server) testChannel(w http.ResponseWriter, r *http.Request) error {
	var t proxy.ChannelTest
	if err := read(r, &t); err != nil {
		return err
	}
	if t.MaxTokens < 0 || t.MaxTokens > maxTestTokens {
		return translate.Invalid(fmt.Sprintf("max_tokens wants a number from 0 to %d", maxTestTokens))
	}
	t.Channel = r.PathValue("id")
	out, begun := http.NewResponseController(w), false
	err := s.g.TestChannel(r.Context(), t, func(e proxy.TestEvent) {
		if !begun {
			begun = true
			s.log.Info("an operator tests a channel", "channel", t.Channel, "id", e.ID, "by", author(r).Name, "address", author(r).Address)
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(http.StatusOK)
		}
		text, err := json.Marshal(&e)
		if err != nil {
			s.log.Error("an event of a test cannot be told", "event", e.Kind, "err", err)
			return
		}
		_ = out.SetWriteDeadline(time.Now().Add(eventTime)) // a recorder of tests has none
		// A client that has left ends the context of the request, and with it the test.
		_, _ = fmt.Fprintf(w, "event: %s\ndata: %s\n\n", e.Kind, text)
		_ = out.Flush()
	})
	if err != nil {
		return err
	}
	return nil
}
