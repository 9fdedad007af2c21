package admin

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	eventStreams = 16                     // that may be open at once
	eventEvery   = 500 * time.Millisecond // between two looks
	eventsAtOnce = 500                    // exchanges told in one look
	eventTime    = 10 * time.Second       // in which a client has to take what was written
)

// stream is one client of the events.
type stream struct {
	s      *Server
	w      http.ResponseWriter
	out    *http.ResponseController
	cursor uint64
	told   map[string][]byte // what was last told of each kind of state
	buf    bytes.Buffer
	slot   int64 // of the last point
}

// events is everything that happens, as server-sent events: exchange for each one that has
// ended; channels and overview at the beginning and when they have changed; point and traffic at
// the end of every five seconds; missed where exchanges were not remembered any more. The id of an event is the cursor to go on with, in
// Last-Event-ID or ?cursor=; without one the stream begins now.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	if s.streams.Add(1) > eventStreams {
		s.streams.Add(-1)
		return &translate.Error{Code: translate.CodeRateLimited, Message: "too many streams of events are open", Retry: eventTime}
	}
	defer s.streams.Add(-1)
	c := &stream{s: s, w: w, out: http.NewResponseController(w), told: map[string][]byte{}}
	lost, err := c.begin(r)
	if err != nil {
		return err
	}
	// What bounds other calls would end this one. A recorder of tests has no deadlines.
	_ = c.out.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if lost != "" {
		c.event("missed", map[string]any{"exchanges": 0, "why": lost})
	}
	clock := time.NewTicker(eventEvery)
	defer clock.Stop()
	for n := 0; ; n++ {
		c.look(r.Context(), n)
		if !c.flush() {
			return nil
		}
		select {
		case <-clock.C:
		case <-r.Context().Done():
			return nil
		case <-s.stopping:
			return nil
		}
	}
}

// begin sets the cursor; lost says why one that was given means nothing here.
func (c *stream) begin(r *http.Request) (lost string, err error) {
	given := r.Header.Get("Last-Event-ID")
	if given == "" {
		given = r.URL.Query().Get("cursor")
	}
	_, newest, _ := c.s.g.Traces().Since(^uint64(0), 1)
	if c.cursor = newest; given == "" {
		return "", nil
	}
	boot, at, ok := strings.Cut(given, "-")
	n, bad := strconv.ParseUint(at, 10, 64)
	if !ok || bad != nil {
		return "", translate.Invalid("cursor wants the id of an event")
	}
	if boot != c.s.boot || n > newest {
		return "the gateway was started anew since", nil
	}
	c.cursor = n
	return "", nil
}

// look writes what is new; n counts the looks.
func (c *stream) look(ctx context.Context, n int) {
	list, next, missed := c.s.g.Traces().Since(c.cursor, eventsAtOnce)
	if missed > 0 {
		c.event("missed", map[string]any{"exchanges": missed, "why": "they are remembered no longer"})
	}
	for i := range list {
		c.cursor = list[i].Cursor
		c.event("exchange", &list[i])
	}
	c.cursor = next
	if n%2 == 0 { // once a second
		now := time.Now()
		overview, channels := c.s.stands(ctx, now)
		c.changed("overview", overview)
		c.changed("channels", channels)
		c.charts(now)
	}
}

// charts writes the point of the slot that has ended since the last look, and where questions
// went until then.
func (c *stream) charts(now time.Time) {
	slot := journal.SlotAt(now)
	if slot == c.slot {
		return
	}
	c.slot = slot
	before := now.Truncate(journal.SlotTime).Add(-journal.SlotTime)
	c.event("point", c.s.point(before, c.s.g.Traces().Activity.Sum(journal.SlotTime, now)))
	c.changed("traffic", c.s.text("traffic", c.s.traffic(flowsTime, now)))
}

// changed writes a text if it is not as it was told last; it is kept, and must not change.
func (c *stream) changed(kind string, text []byte) {
	if text != nil && !bytes.Equal(text, c.told[kind]) {
		c.told[kind] = text
		c.write(kind, text)
	}
}

func (c *stream) event(kind string, v any) {
	if text := c.s.text(kind, v); text != nil {
		c.write(kind, text)
	}
}

func (c *stream) write(kind string, text []byte) {
	fmt.Fprintf(&c.buf, "id: %s-%d\nevent: %s\ndata: %s\n\n", c.s.boot, c.cursor, kind, text)
}

// flush sends what was written; it is false when nobody takes it.
func (c *stream) flush() bool {
	_ = c.out.SetWriteDeadline(time.Now().Add(eventTime))
	if _, err := c.w.Write(c.buf.Bytes()); err != nil {
		return false
	}
	c.buf.Reset()
	return c.out.Flush() == nil
}

// newBoot tells the cursors of this process from those of another one.
func newBoot() string { return strings.ToLower(rand.Text()[:8]) }
