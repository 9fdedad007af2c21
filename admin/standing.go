package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

// restEvery is how long what was told may stay as it was while nothing happens: no question has
// ended or runs, no operator has acted, and every channel is ready.
const restEvery = 5 * time.Second

// flowsRest is how long traffic may stay as it was while no exchange ends: it is of the last
// minutes, whose beginning goes on.
const flowsRest = 30 * time.Second

// standing is how the gateway stands, as the JSON that all streams of events share, so that ten
// open consoles cost little more than one. Its zero value is empty. It is safe for concurrent use.
type standing struct {
	mu       sync.Mutex
	at       time.Time // of the last look; zero: something has changed since
	instant  instant
	steady   bool // every channel is ready, so that time alone changes nothing
	overview statement
	watch    proxy.Watch
	channels channelTexts
	slot     int64 // of point
	point    []byte
	traffic  statement
	flowed   uint64 // exchanges that had ended when traffic was summed up
	flowedAt time.Time
	newest   endings
}

// endings are the exchanges that ended behind a cursor, as the frames that all streams which
// stand there are told at one look.
type endings struct {
	look        int64
	after, next uint64
	frames      []byte // replaced as a whole, never changed
}

// missedExchanges says that exchanges are missing in a stream.
type missedExchanges struct {
	Exchanges uint64 `json:"exchanges"`
	Why       string `json:"why"`
}

// instant is what is another one when something has happened.
type instant struct {
	ended    uint64 // exchanges
	revision int
}

// statement is a text with a number that is another one when the text is.
type statement struct {
	text    []byte // replaced as a whole, never changed
	version int    // from 1; 0: there is none
}

func (s *statement) say(text []byte) {
	if text != nil && !bytes.Equal(text, s.text) {
		s.text = text
		s.version++
	}
}

// channelTexts are the channels as JSON, one by one.
type channelTexts struct {
	ids     []string // in the order of the configuration, as texts
	texts   []string
	version int
	all     []byte // of version, for those who know nothing; nil: nobody has asked
	changed []byte // the channels that are not as in the version before; nil: there are others
}

// say replaces what is told of the channels that may have changed.
func (t *channelTexts) say(changes proxy.Changes, text func(any) []byte) {
	list := changes.Channels
	if changes.All && !t.lists(list) {
		t.begin(list, text)
		return
	}
	var changed []string
	for i := range list {
		at, one := list[i].At, text(&list[i].ChannelState)
		if t.texts[at] != string(one) {
			t.texts[at] = string(one)
			changed = append(changed, t.texts[at])
		}
	}
	if len(changed) > 0 {
		t.version++
		t.all, t.changed = nil, listed(changed)
	}
}

// lists reports whether t is of the same channels as list.
func (t *channelTexts) lists(list []proxy.ChangedChannel) bool {
	return t.version > 0 && slices.EqualFunc(list, t.ids, func(c proxy.ChangedChannel, id string) bool { return c.ID == id })
}

// begin begins anew with the channels of list.
func (t *channelTexts) begin(list []proxy.ChangedChannel, text func(any) []byte) {
	t.ids, t.texts = make([]string, len(list)), make([]string, len(list))
	for i := range list {
		t.ids[i], t.texts[i] = list[i].ID, string(text(&list[i].ChannelState))
	}
	t.version++
	t.all, t.changed = nil, nil
}

// listed is an object with the channels of texts.
func listed(texts []string) []byte {
	size := 16
	for _, one := range texts {
		size += len(one) + 1
	}
	b := append(make([]byte, 0, size), `{"channels":[`...)
	for i, one := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, one...)
	}
	return append(b, `]}`...)
}

// stand is what a stream may have to tell at one look.
type stand struct {
	overview, traffic statement
	point             []byte
	slot              int64
	channels          int    // the version
	all               []byte // the channels of it; nil: they need not be told
	changed           []byte // those that are not as in the version before; nil: all are to be told
}

// stands returns how the gateway stands, as it was half a look ago at the most, or longer ago
// where nothing has happened since. known is the version of the channels that the caller knows.
func (s *Server) stands(ctx context.Context, now time.Time, known int, changes bool) stand {
	t := &s.standing
	t.mu.Lock()
	defer t.mu.Unlock()
	if age := now.Sub(t.at); age >= restEvery || age >= eventEvery && !s.rests() {
		t.at = now
		t.instant.ended = s.endedSoFar()
		t.instant.revision = s.revisionNumber()
		t.overview.say(s.text("overview", s.overview(ctx, now)))
		changes := s.g.Changed(&t.watch)
		t.steady = changes.Ready
		t.channels.say(changes, func(v any) []byte { return s.text("channels", v) })
	}
	if slot := journal.SlotAt(now); slot != t.slot {
		t.slot = slot
		before := now.Truncate(journal.SlotTime).Add(-journal.SlotTime)
		t.point = s.text("point", s.point(before, s.g.Traces().Activity.Sum(journal.SlotTime, now)))
		if ended := s.endedSoFar(); ended != t.flowed || now.Sub(t.flowedAt) >= flowsRest {
			t.flowed, t.flowedAt = ended, now
			t.traffic.say(s.text("traffic", s.traffic(flowsTime, now)))
		}
	}
	out := stand{overview: t.overview, traffic: t.traffic, point: t.point, slot: t.slot, channels: t.channels.version}
	switch {
	case known == t.channels.version:
	case changes && known > 0 && known == t.channels.version-1 && t.channels.changed != nil:
		out.changed = t.channels.changed
	default:
		if t.channels.all == nil {
			t.channels.all = listed(t.channels.texts)
		}
		out.all = t.channels.all
	}
	return out
}

// ended returns what is told of the exchanges behind cursor after, at a look, and the cursor
// to go on with. Streams look at the same moments, so that the first one asks for all of them.
// The caller does not change frames.
func (s *Server) ended(after uint64, look int64) (frames []byte, next uint64) {
	t := &s.standing
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := &t.newest; e.look == look && e.after == after {
		return e.frames, e.next
	}
	list, next, missed := s.g.Traces().Since(after, eventsAtOnce)
	var buf bytes.Buffer
	if missed > 0 {
		s.frame(&buf, after, "missed", s.text("missed", missedExchanges{missed, "they are remembered no longer"}))
	}
	for i := range list {
		if text := s.text("exchange", &list[i]); text != nil {
			s.frame(&buf, list[i].Cursor, "exchange", text)
		}
	}
	t.newest = endings{look, after, next, buf.Bytes()}
	return buf.Bytes(), next
}

// rests reports whether nothing has happened since the last look; standing.mu is held.
func (s *Server) rests() bool {
	t := &s.standing
	return t.steady && !t.at.IsZero() && s.g.Running() == 0 && t.instant == (instant{s.endedSoFar(), s.revisionNumber()})
}

// endedSoFar is how many exchanges have ended.
func (s *Server) endedSoFar() uint64 {
	_, ended, _ := s.g.Traces().Since(^uint64(0), 1)
	return ended
}

// revisionNumber is that of the configuration; 0: there is no history.
func (s *Server) revisionNumber() int {
	if s.book == nil {
		return 0
	}
	return s.book.Number()
}

// acted has streams look anew, since an operator has acted.
func (t *standing) acted() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.at = time.Time{}
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
