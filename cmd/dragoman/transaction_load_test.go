package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const loadedConf = `
listen: 127.0.0.1:0
admin: {listen: 127.0.0.1:0, token: operator-token}
store: {url: "memory:"}
callers: {keys: [{name: alice, key: sk-alice}]}
channels:
  - {id: a, kind: mock, models: [m, {name: slow, upstream: %[1]s}], weight: %[2]d}
  - {id: b%[3]d, kind: mock, models: [m, {name: slow, upstream: %[1]s}]}
`

// put asks one question and says what was wrong with its answer; empty: nothing.
func (r *running) put(model string, stream bool) string {
	return r.putBy(http.DefaultClient, model, stream)
}

// putBy is put on connections of client.
func (r *running) putBy(client *http.Client, model string, stream bool) string {
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":"hi"}]}`, model, stream)
	req, err := http.NewRequest("POST", r.base+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("Authorization", "Bearer sk-alice")
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || stream && !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
		return fmt.Sprintf("%d %v %s", resp.StatusCode, err, text)
	}
	return ""
}

// fromEnvironment is the number that name says, or a standard one.
func fromEnvironment(t *testing.T, name string, standard int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s wants a number", name)
	}
	return n
}

// reloadLoad is what runs while the configuration changes.
type reloadLoad struct {
	*running
	client   *http.Client
	model    string        // of the streams, by its name at the back end
	every    time.Duration // between two questions; 0: each asker asks as soon as it has an answer
	stop     chan struct{}
	clients  sync.WaitGroup
	asked    atomic.Int64
	streamed atomic.Int64
	open     atomic.Int64 // streams that are
	failed   atomic.Int64
}

// begin begins askers, which share the rate, and streams, each of which begins anew when it has ended.
func (l *reloadLoad) begin(askers, streams int) {
	var due chan struct{} // nil: at once
	if l.every > 0 {
		due = make(chan struct{}, 10_000)
		l.clients.Go(func() { l.tick(due) })
	}
	for range askers {
		l.clients.Go(func() { l.repeat("m", due, &l.asked) })
	}
	for range streams {
		l.clients.Go(func() { l.repeat("slow", nil, &l.streamed) })
	}
}

// tick says when a question is due.
func (l *reloadLoad) tick(due chan<- struct{}) {
	clock := time.NewTicker(10 * time.Millisecond)
	defer clock.Stop()
	began, n := time.Now(), 0
	for {
		select {
		case <-clock.C:
			for ; n < int(time.Since(began)/l.every); n++ {
				select {
				case due <- struct{}{}:
				case <-l.stop:
					return
				}
			}
		case <-l.stop:
			return
		}
	}
}

// repeat asks model until the end, and counts what went well.
func (l *reloadLoad) repeat(model string, due <-chan struct{}, count *atomic.Int64) {
	stream := model == "slow"
	for {
		select {
		case <-l.stop:
			return
		default:
		}
		if due != nil {
			select {
			case <-due:
			case <-l.stop:
				return
			}
		}
		if stream {
			l.open.Add(1)
		}
		wrong := l.putBy(l.client, model, stream)
		if stream {
			l.open.Add(-1)
		}
		if wrong != "" {
			l.failed.Add(1)
			l.t.Errorf("%s: %s", model, wrong)
			return
		}
		count.Add(1)
	}
}

// change makes the nth change of the configuration: every third one is broken.
func (l *reloadLoad) change(n int) (broken bool) {
	text := fmt.Sprintf(loadedConf, l.model, 1+n%7, n%2)
	switch n % 3 {
	case 0:
		l.wants(200)(l.post("/api/configuration/apply", map[string]string{"text": text}))
	case 1:
		l.wants(400, "problems")(l.post("/api/configuration/apply", map[string]string{"text": text + "chanels: []\n"}))
	case 2:
		l.write(text)
		l.wants(200)(l.post("/api/reload", nil))
	}
	return n%3 == 1
}

// TestFiftyChangesUnderLoadFailNoQuestionAndCutNoStream is short here; make soak-reload gives it
// 500 questions a second and 500 open streams.
func TestFiftyChangesUnderLoadFailNoQuestionAndCutNoStream(t *testing.T) {
	t.Parallel()
	rate, streams, changes := fromEnvironment(t, "DRAGOMAN_TEST_RATE", 0), fromEnvironment(t, "DRAGOMAN_TEST_STREAMS", 20), fromEnvironment(t, "DRAGOMAN_TEST_CHANGES", 50)
	l := &reloadLoad{model: "long-20-slow-20", stop: make(chan struct{})}
	askers, pause := 4, time.Duration(0)
	if rate > 0 {
		l.every, askers, pause, l.model = time.Second/time.Duration(rate), 100, time.Second, "long-40-slow-250"
	}
	l.running = runServeOn(t, fmt.Sprintf(loadedConf, l.model, 1, 0))
	transport := &http.Transport{MaxIdleConnsPerHost: askers + streams}
	defer transport.CloseIdleConnections()
	l.client = &http.Client{Transport: transport}
	l.begin(askers, streams)
	for rate > 0 && l.open.Load() < int64(streams) && l.failed.Load() == 0 {
		time.Sleep(100 * time.Millisecond) // the full load is to be there before the first change
	}
	began, before, broken, least := time.Now(), l.asked.Load(), 0, int64(streams)
	for n := range changes {
		if l.change(n) {
			broken++
		}
		if wrong := l.put("m", false); wrong != "" {
			t.Error(wrong)
		}
		least = min(least, l.open.Load())
		time.Sleep(pause)
	}
	took := time.Since(began)
	asked := l.asked.Load() - before
	l.hangups <- syscall.SIGHUP
	close(l.stop)
	l.clients.Wait()
	if l.asked.Load() == 0 || l.streamed.Load() == 0 {
		t.Errorf("%d questions and %d streams went through", l.asked.Load(), l.streamed.Load())
	}
	if rate > 0 && float64(asked) < 0.9*float64(rate)*took.Seconds() {
		t.Errorf("only %.0f questions a second were asked, %d are wanted", float64(asked)/took.Seconds(), rate)
	}
	t.Logf("%d changes in %s, of which %d were broken; %.0f questions/s, %d in all; %d streams, at least %d open at once; %d failed or were cut",
		changes, took.Round(time.Millisecond), broken, float64(asked)/took.Seconds(), l.asked.Load(), l.streamed.Load(), least, l.failed.Load())
}
