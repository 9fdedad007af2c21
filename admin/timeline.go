package admin

import (
	"cmp"
	"context"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
)

const (
	lookEvery     = time.Second
	stripMinutes  = 30
	stripsAtMost  = 10_000 // channels, keys and models that are remembered
	secondsOfCell = 60
)

// cell is one minute of a channel, key and model in which it was not always ready.
type cell struct {
	Minute  time.Time `json:"minute"` // its beginning
	State   string    `json:"state"`  // the worst of the minute, see channel.ModelState
	Why     string    `json:"why"`
	Seconds int       `json:"seconds"` // for how long it was in that state
}

// strip is the last half hour of a channel, key and model.
type strip struct {
	Channel string `json:"channel"`
	Key     int    `json:"key"`
	Model   string `json:"model"`
	Cells   []cell `json:"cells"` // the oldest first
}

// place names a strip.
type place struct {
	channel string
	key     int
	model   string
}

// timeline remembers how channels stood. Its zero value is empty. It is safe for concurrent use.
type timeline struct {
	mu    sync.Mutex
	since time.Time // of the first look
	cells map[place][]cell
}

// severity orders states; 0: nothing is wrong.
func severity(state string) int {
	return slices.Index([]string{"ready", "slow", "full", "throttled", "trial", "aside", "open"}, state)
}

// note notes how a channel, key and model stands at now.
func (t *timeline) note(at place, b channel.Bar, now time.Time) {
	if severity(b.State) <= 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	minute := now.Truncate(time.Minute)
	cells, known := t.cells[at]
	if !known && len(t.cells) >= stripsAtMost {
		return
	}
	if n := len(cells); n > 0 && cells[n-1].Minute.Equal(minute) {
		cells[n-1].add(b)
		return
	}
	if t.cells == nil {
		t.cells = map[place][]cell{}
	}
	t.cells[at] = append(recent(cells, minute), cell{Minute: minute, State: b.State, Why: b.Why, Seconds: 1})
}

// add adds a second to c: a worse state takes the place of a better one.
func (c *cell) add(b channel.Bar) {
	switch was, is := severity(c.State), severity(b.State); {
	case is > was:
		c.State, c.Why, c.Seconds = b.State, b.Why, 1
	case is == was:
		c.Seconds = min(c.Seconds+1, secondsOfCell)
	}
}

// recent are the cells of the half hour that ends with the minute after now, without those
// before it.
func recent(cells []cell, minute time.Time) []cell {
	first := minute.Add(-(stripMinutes - 1) * time.Minute)
	return slices.DeleteFunc(cells, func(c cell) bool { return c.Minute.Before(first) })
}

// looked notes the beginning of a look at now, and forgets what is too old.
func (t *timeline) looked(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() {
		t.since = now
	}
	for at, cells := range t.cells {
		if cells = recent(cells, now.Truncate(time.Minute)); len(cells) == 0 {
			delete(t.cells, at)
		} else {
			t.cells[at] = cells
		}
	}
}

// strips are those of one channel, or of all if only is empty.
func (t *timeline) strips(only string) (all []strip, since time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for at, cells := range t.cells {
		if only == "" || only == at.channel {
			all = append(all, strip{at.channel, at.key, at.model, slices.Clone(cells)})
		}
	}
	slices.SortFunc(all, func(a, b strip) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Model, b.Model))
	})
	return all, t.since
}

// look looks at all channels until ctx ends.
func (s *Server) look(ctx context.Context) {
	defer func() {
		if bug := recover(); bug != nil {
			s.log.Error("panic", "where", "the look at the channels", "what", bug, "stack", string(debug.Stack()))
		}
	}()
	clock := time.NewTicker(lookEvery)
	defer clock.Stop()
	for {
		s.lookOnce(time.Now())
		select {
		case <-clock.C:
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) lookOnce(now time.Time) {
	s.timeline.looked(now)
	g, _ := s.gauge()
	s.past.note(now, g)
	s.g.EachStanding(func(ch *channel.Channel, model string, b channel.Bar) {
		s.timeline.note(place{ch.ID, ch.Key, model}, b, now)
	})
}

// timelineOf shows how channels stood.
func (s *Server) timelineOf(w http.ResponseWriter, r *http.Request) error {
	now := time.Now()
	rows, since := s.timeline.strips(r.URL.Query().Get("channel"))
	if since.IsZero() {
		since = now
	}
	from := now.Truncate(time.Minute).Add(-(stripMinutes - 1) * time.Minute)
	return reply(w, http.StatusOK, map[string]any{"from": from, "minutes": stripMinutes, "since": since, "rows": append([]strip{}, rows...)})
}
