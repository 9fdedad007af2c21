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
	ended  []byte // to be sent first: frames that other streams send as well
	buf    bytes.Buffer
	// changes: of channels that are known it takes those that have changed.
	changes bool

	// What was last told: versions, and the slot of the last point.
	overview, channels, traffic int
	slot                        int64
}

// events is everything that happens, as server-sent events: exchange for each one that has
// ended; channels and overview at the beginning and when they have changed; with ?changes=true
// changed in the place of further channels, with those alone that have; point and traffic at
// the end of every five seconds; missed where exchanges were not remembered any more. The id of an event is the cursor to go on with, in
// Last-Event-ID or ?cursor=; without one the stream begins now.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	if s.streams.Add(1) > eventStreams {
		s.streams.Add(-1)
		return &translate.Error{Code: translate.CodeRateLimited, Message: "too many streams of events are open", Retry: eventTime}
	}
	defer s.streams.Add(-1)
	c := &stream{s: s, w: w, out: http.NewResponseController(w), changes: r.URL.Query().Get("changes") == "true"}
	lost, err := c.begin(r)
	if err != nil {
		return err
	}
	// What bounds other calls would end this one. A recorder of tests has no deadlines.
	_ = c.out.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	if lost != "" {
		c.write("missed", s.text("missed", missedExchanges{Why: lost}))
		if !c.flush() {
			return nil
		}
	}
	clock := time.NewTimer(0)
	defer clock.Stop()
	<-clock.C
	for first := true; ; first = false {
		now := time.Now()
		c.look(r.Context(), now, first || looksAt(now)%2 == 0) // how all stands once a second
		if !c.flush() {
			return nil
		}
		// All streams look at the same moments, so that they share what they find.
		clock.Reset(time.Until(time.Unix(0, (looksAt(now)+1)*int64(eventEvery))))
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

// looksAt is the number of the look at now, which a clock may have begun a little too early.
func looksAt(now time.Time) int64 {
	return now.Add(eventEvery/10).UnixNano() / int64(eventEvery)
}

// look writes what is new, with how all stands if that is due.
func (c *stream) look(ctx context.Context, now time.Time, stands bool) {
	c.ended, c.cursor = c.s.ended(c.cursor, looksAt(now))
	if stands {
		c.stands(c.s.stands(ctx, now, c.channels, c.changes))
	}
}

// stands writes what is not as it was told last.
func (c *stream) stands(now stand) {
	if now.overview.version != c.overview {
		c.overview = now.overview.version
		c.write("overview", now.overview.text)
	}
	if now.all != nil {
		c.write("channels", now.all)
	}
	if now.changed != nil {
		c.write("changed", now.changed)
	}
	c.channels = now.channels
	if now.slot == c.slot {
		return
	}
	c.slot = now.slot
	if now.point != nil {
		c.write("point", now.point)
	}
	if now.traffic.version != c.traffic {
		c.traffic = now.traffic.version
		c.write("traffic", now.traffic.text)
	}
}

func (c *stream) write(kind string, text []byte) {
	c.s.frame(&c.buf, c.cursor, kind, text)
}

// frame writes one event; cursor is the one to go on with behind it.
func (s *Server) frame(to *bytes.Buffer, cursor uint64, kind string, text []byte) {
	fmt.Fprintf(to, "id: %s-%d\nevent: %s\ndata: %s\n\n", s.boot, cursor, kind, text)
}

// flush sends what was written; it is false when nobody takes it.
func (c *stream) flush() bool {
	if len(c.ended)+c.buf.Len() == 0 {
		return true
	}
	_ = c.out.SetWriteDeadline(time.Now().Add(eventTime))
	for _, text := range [][]byte{c.ended, c.buf.Bytes()} {
		if _, err := c.w.Write(text); err != nil {
			return false
		}
	}
	c.ended = nil
	c.buf.Reset()
	return c.out.Flush() == nil
}

// newBoot tells the cursors of this process from those of another one.
func newBoot() string { return strings.ToLower(rand.Text()[:8]) }
