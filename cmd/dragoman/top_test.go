package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

// shownTerminal is a screen that remembers what was painted.
type shownTerminal struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // has room for one
}

func newShownTerminal() *shownTerminal { return &shownTerminal{more: make(chan struct{}, 1)} }

func (s *shownTerminal) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.text.Write(p)
}

func (s *shownTerminal) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// until waits for want behind what was painted before, which it returns the end of.
func (s *shownTerminal) until(t *testing.T, from int, want string) (to int) {
	t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for {
		if at := strings.Index(s.String()[from:], want); at >= 0 {
			return from + at + len(want)
		}
		select {
		case <-s.more:
		case <-late.C:
			t.Fatalf("%q was not painted:\n%s", want, s.String()[from:])
		}
	}
}

func TestTopPrintsOneSnapshotWhereThereIsNoTerminal(t *testing.T) {
	t.Parallel()
	r := runServe(t, "m")
	if wrong := r.put("m", false); wrong != "" {
		t.Fatal(wrong)
	}
	var out, said bytes.Buffer
	if code := run(t.Context(), []string{"top", "--url", r.operator, "--token", "operator-token"}, environment{out: &out, err: &said}); code != 0 {
		t.Fatalf("%d %s", code, &said)
	}
	for _, want := range []string{"dragoman  " + r.operator, "All well: ", "1 of 1 channels are ready", "CHANNEL ", "\na                      ready", "openai    alice        m              a ", "  ok\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("a pipe gets what a terminal obeys: %q", &out)
	}
	if code := run(t.Context(), []string{"top", "--once", "--url", r.operator, "--token", "another"}, environment{out: &out, err: &said}); code != 1 || !strings.Contains(said.String(), "operator's token is needed") {
		t.Errorf("%d %s", code, &said)
	}
}

// crowded is a view with more than a small terminal has room for.
func crowded() *topView {
	v := &topView{address: "http://127.0.0.1:8081"}
	v.overview.Channels, v.overview.Ready, v.overview.Lately.Questions = 40, 39, 1234.5
	for i := range 40 {
		c := proxy.ChannelState{ID: fmt.Sprintf("channel-with-a-long-name-%d", i), Forced: "auto", Weight: 1}
		k := proxy.KeyState{}
		for j := range 3 {
			k.Models = append(k.Models, channel.ModelState{Model: fmt.Sprint("model", j), State: "ready", FirstMs: 1234})
		}
		if i == 35 {
			k.Models[1].State, k.Models[1].Why, k.Models[1].Seconds = "open", "breaker open for 12 s\x1b[2J", 11.2
		}
		c.Keys = append(c.Keys, k)
		v.channels.Channels = append(v.channels.Channels, c)
	}
	for i := range topEnded {
		v.ended.Exchanges = append(v.ended.Exchanges, journal.Summary{ID: fmt.Sprint(i), At: "2027-01-01T00:00:00Z", Front: "openai", Caller: "al\u202eice\r\n", Model: strings.Repeat("長", 30), Outcome: "ok", TookMs: 12.3456})
	}
	return v
}

func TestTopFitsIntoASmallTerminal(t *testing.T) {
	t.Parallel()
	v := crowded()
	for _, size := range [][2]int{{80, 24}, {40, 10}, {200, 60}, {1, 1}, {20, 300}} {
		lines := v.lines(time.Now(), size[0], size[1])
		if len(lines) > size[1] {
			t.Errorf("%v: %d lines", size, len(lines))
		}
		for _, l := range lines {
			if n := utf8.RuneCountInString(l); n > size[0] || strings.ContainsAny(l, "\x1b\r\n\u202e") {
				t.Errorf("%v: %d columns: %q", size, n, l)
			}
		}
	}
	text := strings.Join(v.lines(time.Now(), 80, 24), "\n")
	for _, want := range []string{"39 of 40 channels are ready. channel-with-a-long-name-35: breaker open for 12 ", "questions  1,234/s", "2/3 ready", "  key 0 model1         open         12 s  breaker open for 12 s[2J\n", "… and ", "ENDED", "12.3 ms  ok"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if v.overview.Draining = true; !strings.Contains(v.sentence(time.Now()), "It stops") {
		t.Error("a drain is not told")
	}
}

func TestTopSaysNumbersBriefly(t *testing.T) {
	t.Parallel()
	for n, want := range map[float64]string{0: "0", 0.00123456: "0.00123", 0.5: "0.5", 9.999: "10", 42.13: "42.1", 999.9: "1,000", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := three(n); got != want {
			t.Errorf("three(%g) is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{59 * time.Second: "59 s", 61 * time.Second: "1 min 1 s", 3*time.Hour + 2*time.Minute: "3 h 2 min", 50 * time.Hour: "2 d 2 h"} {
		if got := spanOf(d); got != want {
			t.Errorf("spanOf(%s) is %q, want %q", d, got, want)
		}
	}
}

// gatewayOfEvents plays the operator's side of a gateway.
type gatewayOfEvents struct {
	mu      sync.Mutex
	away    bool
	cursors []string // that streams were begun with
	drop    chan struct{}
	ended   chan struct{} // room for one: an exchange that ended behind what was fetched
}

func (g *gatewayOfEvents) set(away bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.away = away
}

func (g *gatewayOfEvents) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	away := g.away
	if r.URL.Path == "/api/events" && !away {
		g.cursors = append(g.cursors, r.Header.Get("Last-Event-ID"))
	}
	n := len(g.cursors)
	g.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer the-token":
		w.WriteHeader(401)
	case away:
		w.WriteHeader(503)
	case r.URL.Path == "/api/events":
		select {
		case <-g.ended: // before this stream began
		default:
		}
		fmt.Fprintf(w, "id: boot-%d\nevent: overview\ndata: {\"running\":%d}\n\n", 6+n, 40+n)
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case <-g.ended:
				fmt.Fprint(w, "id: boot-9\nevent: exchange\ndata: {\"id\":\"1\",\"cursor\":9,\"model\":\"meanwhile\"}\n\nid: boot-9\nevent: overview\ndata: {}\n\n")
				_ = http.NewResponseController(w).Flush()
			case <-g.drop:
				return
			case <-r.Context().Done():
				return
			}
		}
	default:
		if r.URL.Path == "/api/exchanges" && g.ended != nil {
			g.ended <- struct{}{}
		}
		fmt.Fprint(w, `{"overview":{"running":7},"points":[],"channels":[{"id":"vendor","keys":[]}],"exchanges":[]}`)
	}
}

// watched is a view that follows a gateway.
type watched struct {
	out     *shownTerminal
	painter *painter
	view    *topView
	to      *explainCommand
	conf    *config.Config
	stop    context.CancelFunc
	over    chan error // of following
}

func watch(t *testing.T, g *gatewayOfEvents) *watched {
	t.Helper()
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	w := &watched{out: newShownTerminal(), view: &topView{address: server.URL}, to: &explainCommand{operators: operators{URL: server.URL, Token: "the-token"}}, over: make(chan error, 1)}
	w.painter = newPainter(w.out)
	var err error
	if w.conf, err = w.to.configuration(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	t.Cleanup(stop)
	go func() { w.over <- w.view.follow(ctx, w.to, w.conf, w.painter) }()
	return w
}

// end stops following.
func (w *watched) end(t *testing.T) {
	t.Helper()
	w.stop()
	if err := <-w.over; err != nil {
		t.Error(err)
	}
}

func TestTopSaysThatTheGatewayIsGoneAndGoesOnFromItsCursor(t *testing.T) {
	t.Parallel()
	g := &gatewayOfEvents{drop: make(chan struct{})}
	w := watch(t, g)
	out := w.out
	at := out.until(t, 0, "running 41")
	g.set(true)
	g.drop <- struct{}{}
	at = out.until(t, at, "THE GATEWAY IS GONE for")
	at = out.until(t, at, "status 503")
	g.set(false)
	out.until(t, at, "running 42")
	w.end(t)
	w.painter.leave()
	if text := out.String(); !strings.HasPrefix(text, "\x1b[?1049h\x1b[?25l") || !strings.HasSuffix(text, "\x1b[?7h\x1b[?25h\x1b[?1049l") {
		t.Errorf("the terminal is not as it was before: %q", text[len(text)-40:])
	}
	g.mu.Lock()
	got := fmt.Sprint(g.cursors)
	g.mu.Unlock()
	if got != "[ boot-7]" {
		t.Errorf("the streams began at %s", got)
	}
	w.to.Token = "another"
	if err := w.view.follow(t.Context(), w.to, w.conf, w.painter); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a wrong token: %v", err)
	}
}

func TestTopMissesNothingBetweenTheFirstLookAndTheStream(t *testing.T) {
	t.Parallel()
	w := watch(t, &gatewayOfEvents{ended: make(chan struct{}, 1)})
	w.out.until(t, 0, "meanwhile")
	w.end(t)
}

func TestTopSaysThatQuestionsFailThoughEveryChannelIsReady(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		failed admin.Origins
		want   string
	}{
		{admin.Origins{}, "All well: 12 questions/s, 5 of 5 channels are ready."},
		{admin.Origins{Client: 1}, "All well: 12 questions/s, 5 of 5 channels are ready."}, // that is theirs to mend
		{admin.Origins{Channel: 1}, "Of the questions of the last minute 100 % failed (channel 100 %). 5 of 5 channels are ready."},
		{admin.Origins{Client: 0.5, Us: 0.125, Channel: 0.25, Network: 0.0625}, "Of the questions of the last minute 43.8 % failed (us 12.5 %, channel 25 %, network 6.25 %). 5 of 5 channels are ready."},
	} {
		v := &topView{}
		v.overview.Channels, v.overview.Ready, v.overview.Lately.Questions, v.overview.Lately.Failed = 5, 5, 12, c.failed
		if got := v.sentence(time.Now()); got != c.want {
			t.Errorf("%+v: %s", c.failed, got)
		}
	}
}
