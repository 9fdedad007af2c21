package admin

import (
	"context"
	"encoding/json"
	"sync"
	"time"
)

// standing is how the gateway stands, as the JSON that all streams of events share, so that ten
// open consoles cost little more than one. Its zero value is empty. It is safe for concurrent use.
type standing struct {
	mu                 sync.Mutex
	at                 time.Time
	overview, channels []byte // replaced as a whole, never changed
}

// stands returns how the gateway stands, as it was half a look ago at the most. The caller must
// not change the texts.
func (s *Server) stands(ctx context.Context, now time.Time) (overview, channels []byte) {
	t := &s.standing
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.overview != nil && now.Sub(t.at) < eventEvery {
		return t.overview, t.channels
	}
	t.at = now
	t.overview = s.text("overview", s.overview(ctx, now))
	t.channels = s.text("channels", map[string]any{"channels": s.g.Channels()})
	return t.overview, t.channels
}

// text is v as JSON, or nothing where it cannot be told.
func (s *Server) text(kind string, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		s.log.Error("an event cannot be told", "event", kind, "err", err)
		return nil
	}
	return text
}
