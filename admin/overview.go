package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

const (
	lately    = time.Minute      // of which figures are rates and quantiles
	costEvery = 10 * time.Second // that the ledger is asked for the cost of the day
	costRest  = time.Minute      // the same while no exchange ends here: there may be other processes
	flowsTime = 5 * time.Minute
	flowsMost = 500 // links that are told
)

// Overview is how the gateway stands.
type Overview struct {
	Uptime      int               `json:"uptime_seconds"`
	Running     int               `json:"running"` // questions that are open
	Draining    bool              `json:"draining"`
	Revision    int               `json:"revision"` // of the configuration; 0: there is no history
	Connections int               `json:"connections"`
	Streams     int               `json:"streams"`
	Sockets     int               `json:"sockets"`
	Channels    int               `json:"channels"`
	Ready       int               `json:"channels_ready"` // those of which a key and model is
	Drains      []Drain           `json:"drains"`
	Captures    []capture.Capture `json:"captures"`    // callers of whom questions and answers are kept
	Lately      Figures           `json:"lately"`      // the last minute
	Near        []proxy.LimitUse  `json:"limits_near"` // those of which most is used, at most five
	Cost        float64           `json:"cost_today"`
	CostSince   time.Time         `json:"cost_since"` // midnight UTC, or the start of the process where no ledger is kept
}

// Drain is a channel that is drained, and how much of it still runs.
type Drain struct {
	Channel  string `json:"channel"`
	InFlight int    `json:"in_flight"`
}

// Figures are figures of a stretch of time.
type Figures struct {
	Seconds   float64   `json:"seconds"` // that they are of
	Questions float64   `json:"questions_per_second"`
	Failed    Origins   `json:"failed"` // parts of the questions, of 1
	Added     Quantiles `json:"added_ms"`
	First     Quantiles `json:"first_ms"`
	Input     float64   `json:"input_tokens_per_second"`
	Output    float64   `json:"output_tokens_per_second"`
}

// Origins is what failed, by whose side it was on.
type Origins struct {
	Client  float64 `json:"client"`
	Us      float64 `json:"us"`
	Channel float64 `json:"channel"`
	Network float64 `json:"network"`
}

// Quantiles is how long something took, in milliseconds; zeros: it did not happen.
type Quantiles struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// Point is one point of the charts.
type Point struct {
	At time.Time `json:"at"` // its beginning
	Figures
	Spread  []journal.Spread `json:"first_spread"` // of the time to the first content; null: there was none
	Running int              `json:"running"`      // at its end, as Streams and Sockets
	Streams int              `json:"streams"`
	Sockets int              `json:"sockets"`
}

// trafficJSON is where questions went.
type trafficJSON struct {
	Seconds float64          `json:"seconds"`
	Links   []journal.Flowed `json:"links"`
}

// history is what is remembered for the charts beside the journal's activity. Its zero value is
// empty. It is safe for concurrent use.
type history struct {
	mu     sync.Mutex
	gauges [journal.Slots]gauge

	cost      int64 // of the day of asked, in billionths
	asked     time.Time
	endedThen uint64    // exchanges that had ended at asked
	settled   bool      // they had the time before as well
	midnight  time.Time // of the day whose counter stood at base when it began; zero: the process has not seen it begin
	base      uint64

	near   []proxy.LimitUse // at looked
	looked time.Time
}

// gauge is what was open at the end of a slot.
type gauge struct {
	slot                      int64
	running, streams, sockets int
}

// note notes what is open at now.
func (h *history) note(now time.Time, g gauge) {
	g.slot = journal.SlotAt(now)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gauges[g.slot%journal.Slots] = g
}

// at is what was open in the slot that began at t.
func (h *history) at(t time.Time) (g gauge, known bool) {
	n := journal.SlotAt(t)
	h.mu.Lock()
	defer h.mu.Unlock()
	g = h.gauges[n%journal.Slots]
	return g, g.slot == n
}

func quantiles(d *journal.Durations) Quantiles {
	return Quantiles{P50: journal.Rounded(d.Quantile(0.5)), P99: journal.Rounded(d.Quantile(0.99))}
}

// figuresOf are those of s, of a stretch of time of so many seconds.
func figuresOf(s *journal.Slot, seconds float64) Figures {
	n := float64(s.Questions())
	share := func(o journal.Origin) float64 { return journal.Rounded(float64(s.Ended[o]) / max(n, 1)) }
	rate := func(n float64) float64 { return journal.Rounded(n / seconds) }
	return Figures{
		Seconds: journal.Rounded(seconds), Questions: rate(n), Added: quantiles(&s.Added), First: quantiles(&s.First), Input: rate(float64(s.Input)), Output: rate(float64(s.Output)),
		Failed: Origins{Client: share(journal.Client), Us: share(journal.Us), Channel: share(journal.Back), Network: share(journal.Network)},
	}
}

// gauge is what is open now.
func (s *Server) gauge() (g gauge, connections int) {
	g.running = s.g.Running()
	if s.clients != nil {
		c := s.clients()
		g.streams, g.sockets, connections = c.Streams, c.Sessions-c.Streams, c.Connections
	}
	return g, connections
}

// overview is how the gateway stands at now.
func (s *Server) overview(ctx context.Context, now time.Time) Overview {
	g, connections := s.gauge()
	up := now.Sub(s.began)
	o := Overview{Uptime: int(up.Seconds()), Running: g.running, Draining: s.health().Stopping, Connections: connections, Streams: g.streams, Sockets: g.sockets, Drains: []Drain{}, Captures: append([]capture.Capture{}, s.g.Captures().Active()...)}
	if s.book != nil {
		o.Revision = s.book.Number()
	}
	seconds := min(max(up, journal.SlotTime), lately).Seconds()
	o.Lately = figuresOf(s.g.Traces().Activity.Sum(lately, now), seconds)
	ready := map[string]bool{} // of those that may not be
	o.Channels = s.g.EachStanding(func(ch *channel.Channel, _ string, b channel.Bar) {
		_, known := ready[ch.ID]
		ready[ch.ID] = ready[ch.ID] || b.State == "ready"
		if !known && ch.Force() == channel.ForceDrain {
			o.Drains = append(o.Drains, Drain{ch.ID, ch.Slots.Taken()})
		}
	})
	slices.SortFunc(o.Drains, func(a, b Drain) int { return cmp.Compare(a.Channel, b.Channel) })
	o.Ready = o.Channels
	for _, is := range ready {
		if !is {
			o.Ready--
		}
	}
	o.Near = s.nearLimits(now)
	o.Cost, o.CostSince = s.costToday(ctx, now)
	return o
}

// costToday is what questions cost since midnight. It is asked for at most every ten seconds;
// while the ledger cannot tell, it stays as it was.
func (s *Server) costToday(ctx context.Context, now time.Time) (cost float64, since time.Time) {
	h := &s.past
	h.mu.Lock()
	defer h.mu.Unlock()
	midnight := now.UTC().Truncate(24 * time.Hour)
	every, ended := costEvery, s.endedSoFar()
	if h.settled && ended == h.endedThen {
		every = costRest
	}
	if now.Sub(h.asked) >= every || h.asked.Before(midnight) {
		h.settled = ended == h.endedThen // twice: a row comes a moment after its exchange has ended
		h.asked, h.endedThen = now, ended
		spent, kept, err := s.g.SpentSince(ctx, midnight)
		switch {
		case err != nil:
			s.log.Debug("the cost of the day is not known", "err", err)
		case kept:
			h.cost, h.midnight = spent, midnight
		default:
			h.cost = s.costCounted(midnight)
		}
	}
	if h.midnight.IsZero() {
		return float64(h.cost) / 1e9, s.began.UTC()
	}
	return float64(h.cost) / 1e9, h.midnight
}

// costCounted is the cost since midnight as this process has counted it; past.mu is held.
func (s *Server) costCounted(midnight time.Time) int64 {
	h, total := &s.past, uint64(0)
	for _, m := range s.g.Metrics() {
		total += m.Cost
	}
	if midnight.After(s.began) && !h.midnight.Equal(midnight) {
		h.midnight, h.base = midnight, total
	}
	return int64(total - h.base)
}

// points are those of the charts, the oldest first.
func (s *Server) points(now time.Time) []Point {
	all := []Point{}
	s.g.Traces().Activity.Each(now, func(at time.Time, slot *journal.Slot) {
		all = append(all, s.point(at, slot))
	})
	return all
}

func (s *Server) point(at time.Time, slot *journal.Slot) Point {
	g, _ := s.past.at(at)
	return Point{At: at.UTC(), Figures: figuresOf(slot, journal.SlotTime.Seconds()), Spread: slot.First.Spread(), Running: g.running, Streams: g.streams, Sockets: g.sockets}
}

// traffic is where questions went in the last d.
func (s *Server) traffic(d time.Duration, now time.Time) trafficJSON {
	links := s.g.Traces().Flows(d, now)
	return trafficJSON{Seconds: d.Seconds(), Links: links[:min(len(links), flowsMost)]}
}

// overviewOf shows how the gateway stands, and the points of the last quarter of an hour.
func (s *Server) overviewOf(w http.ResponseWriter, r *http.Request) error {
	now := time.Now()
	return reply(w, http.StatusOK, map[string]any{"overview": s.overview(r.Context(), now), "point_seconds": journal.SlotTime.Seconds(), "points": s.points(now)})
}

// trafficOf shows where questions went in the last minutes.
func (s *Server) trafficOf(w http.ResponseWriter, r *http.Request) error {
	minutes, err := count(r.URL.Query().Get("minutes"), int(flowsTime.Minutes()), 15)
	if err != nil {
		return err
	}
	if minutes == 0 {
		return translate.Invalid("minutes wants a number from 1 to 15")
	}
	return reply(w, http.StatusOK, s.traffic(time.Duration(minutes)*time.Minute, time.Now()))
}
