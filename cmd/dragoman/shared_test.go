package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// sharedConf is the configuration of one of several gateways on url.
func sharedConf(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dragoman.yaml")
	text := "store: {url: \"memory:\"}\nshared: {url: \"" + url + "\"}\ncallers: {keys: [{name: alice, key: " + childKey + ", limits: few}]}\n" +
		"limits: {few: {requests: 100/d}}\npresets: {default: {model: echo}}\nchannels: [{id: m, kind: mock, models: [echo]}]\n" +
		"drain: 1s\nadmin: {listen: \"127.0.0.1:0\"}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// crowdOf puts 1,000 questions at once to the gateways and returns how many were
// answered and how many refused for a limit.
func crowdOf(t *testing.T, all []*child) (answered, limited int64) {
	var ok, no atomic.Int64
	var wg sync.WaitGroup
	places := make(chan struct{}, 300) // as many connections as a small machine has room for
	for i := range 1000 {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			status, body, err := all[i%len(all)].ask(fmt.Sprint("u", i), "hello")
			switch {
			case err != nil:
				t.Error(err)
			case status == http.StatusOK:
				ok.Add(1)
			case status == http.StatusTooManyRequests:
				no.Add(1)
			default:
				t.Errorf("%d %s", status, body)
			}
		})
	}
	wg.Wait()
	return ok.Load(), no.Load()
}

// With the server there the three are as strict as one; without it none of them is
// less strict than it would be alone. A machine that is slow enough makes the first
// into the second, which the log then says.
func TestThreeGatewaysAdmitWhatTheLimitSays(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	url := strings.Replace(s.URL(0), "redis://", "valkey://", 1)
	var all []*child
	for range 3 {
		c, said := startChild(t, sharedConf(t, url))
		if c == nil {
			t.Fatal(said)
		}
		all = append(all, c)
	}
	answered, limited := crowdOf(t, all)
	killed := time.Now()
	s.Kill()
	more, _ := crowdOf(t, all)
	alone, early := 0, 0
	for _, c := range all {
		c.stop(t)
		if strings.Contains(c.err.String(), "127.0.0.1:"+strings.Split(strings.TrimPrefix(s.URL(0), "redis://127.0.0.1:"), "/")[0]) {
			t.Errorf("the log has the server's address:\n%s", c.err)
		}
		for line := range strings.Lines(c.err.String()) {
			if !strings.Contains(line, "this process counts alone") {
				continue
			}
			alone++
			stamp, _, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
			if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil && at.Before(killed) {
				early++
			}
		}
	}
	t.Logf("%d of 1000 answered, %d limited; %d more without the server; %d lines of being alone, %d while it was there", answered, limited, more, alone, early)
	if answered < 100 || answered > 100 && early == 0 || answered+limited != 1000 {
		t.Errorf("%d answered and %d limited, want 100 and 900", answered, limited)
	}
	if answered+more > 300 {
		t.Errorf("%d answered in all, want at most three times the limit of 100", answered+more)
	}
	if alone < 3 {
		t.Errorf("%d of three gateways said that they count alone", alone)
	}
}

func TestAnUnreachableServerAtTheStartIsAWarning(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	c, said := startChild(t, sharedConf(t, strings.Replace(s.URL(0), "//", "//someone:s3cr3t@", 1)))
	if c == nil {
		t.Fatal(said)
	}
	if status, body, err := c.ask("u", "hello"); err != nil || status != http.StatusOK {
		t.Errorf("%d %s %v", status, body, err)
	}
	c.stop(t)
	if log := c.err.String(); !strings.Contains(log, "counts alone") || strings.Contains(log, "s3cr3t") || strings.Contains(log, "someone") {
		t.Errorf("the log says\n%s", log)
	}
}

// Whether it lies from the first word on, once it is believed, or to who listens for hints.
func TestAServerThatLiesAtTheStartOrLaterDoesNotEndAGateway(t *testing.T) {
	t.Parallel()
	for when, stage := range map[string]redistest.Stage{
		"at the start": {Lies: "HELLO"}, "in its first answer": {Lies: "EVALSHA"}, "to the first question": {Lies: "EVALSHA", Good: 1}, "to who listens": {Lies: "SUBSCRIBE"},
	} {
		for what, lie := range map[string]string{"a negative length": "*-5\r\n", "three replies": "+a\r\n+b\r\n+c\r\n", "a long string": "$2000000000\r\n"} {
			t.Run(when+" "+what, func(t *testing.T) {
				t.Parallel()
				l := redistest.StartLiar(t, stage, []byte(lie))
				c, said := startChild(t, sharedConf(t, l.URL()))
				if c == nil {
					t.Fatal(said)
				}
				for range 3 {
					if status, body, err := c.ask("u", "hello"); err != nil || status != http.StatusOK {
						t.Errorf("%d %s %v", status, body, err)
					}
				}
				select {
				case <-l.Told():
				case <-time.After(time.Minute):
					t.Error("it had no occasion to lie")
				}
				if status, body, err := c.ask("u", "hello"); err != nil || status != http.StatusOK {
					t.Errorf("after it: %d %s %v", status, body, err)
				}
				c.stop(t)
				if log := c.err.String(); strings.Contains(log, "panic") || strings.Contains(log, strings.TrimPrefix(strings.TrimSuffix(l.URL(), "/0"), "redis://")) {
					t.Errorf("the log says\n%s", log)
				}
			})
		}
	}
}

// throttled starts a back end that refuses every question for five minutes, and counts
// them.
func throttled(t *testing.T) (back *httptest.Server, asked *atomic.Int64) {
	asked = new(atomic.Int64)
	back = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "300")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	t.Cleanup(back.Close)
	return back, asked
}

func TestOneGatewaysCoolDownSparesTheOther(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	back, asked := throttled(t)
	second := hinted(t, s, back.URL, "b")
	state := func(g *proxy.Gateway) string { return g.Channels()[0].Keys[0].Models[0].State }
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	deadline := time.After(time.Minute)
	for state(second) != "throttled" {
		// One after the other, since the second may not listen yet when the first tells.
		putOne(t, hinted(t, s, back.URL, "a"))
		select {
		case <-look.C:
		case <-deadline:
			t.Fatal("the second gateway has heard nothing for a minute")
		}
	}
	before := asked.Load()
	putOne(t, second)
	if asked.Load() != before {
		t.Error("the second gateway asked the back end all the same")
	}
}

// Who starts later hears nothing, and knows all the same.
func TestAGatewayThatStartsLaterKnowsOfACoolDown(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	back, asked := throttled(t)
	putOne(t, hinted(t, s, back.URL, "a"))
	watch, err := redis.New(s.URL(0))
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	late := time.After(time.Minute)
	wait := func(what string, there func() bool) {
		for !there() {
			select {
			case <-look.C:
			case <-late:
				t.Fatal("after a minute there is no ", what)
			}
		}
	}
	const kept = `local all = redis.call('KEYS', '{dragoman}:cool:*')
if #all ~= 1 then return '' end
return all[1] .. ' ' .. redis.call('PTTL', all[1])`
	var key string
	wait("key", func() bool { key, _ = watch.Run(t.Context(), kept, nil, nil); return key != "" })
	_, ttl, _ := strings.Cut(key, " ")
	if ms, err := strconv.Atoi(ttl); err != nil || ms < 1 || ms > 300_000 || strings.Contains(key, "127.0.0.1") {
		t.Errorf("what is kept is %q", key)
	}
	second := hinted(t, s, back.URL, "b")
	wait("cool-down", func() bool { return second.Channels()[0].Keys[0].Models[0].State == "throttled" })
	before := asked.Load()
	putOne(t, second)
	if asked.Load() != before {
		t.Error("it asked the back end all the same")
	}
}

// putOne asks g a question that is going to fail.
func putOne(t *testing.T, g *proxy.Gateway) {
	t.Helper()
	who, bad := g.Identify("", "127.0.0.1")
	if bad != nil {
		t.Fatal(bad)
	}
	m, bad := g.Resolve(who, "m")
	if bad != nil {
		t.Fatal(bad)
	}
	_, err := g.Open(t.Context(), proxy.Question{ID: "q", Front: "openai", Caller: who, Model: m, Request: &translate.Request{
		Model: "m", Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "hi")},
	}})
	if err == nil {
		t.Error("a back end that refuses everything has answered")
	}
}

// hinted is a gateway with one channel to url that shares on s.
func hinted(t *testing.T, s *redistest.Server, url, id string) *proxy.Gateway {
	t.Helper()
	text := "store: {url: \"memory:\"}\ncallers: {anonymous: {}}\nchannels: [{id: " + id + ", kind: openai, url: \"" + url + "\", keys: [k], models: [m]}]\n"
	conf, err := config.Load([]byte(text), "test.yaml", os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	st, err := embedded.Open(conf.Store.URL)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil))
	common, err := openShared(config.Shared{URL: s.URL(0)}, log)
	if err != nil {
		t.Fatal(err)
	}
	g, err := proxy.New(conf, st, openUpstream, log, common.options())
	if err != nil {
		t.Fatal(err)
	}
	common.start(g, &digest{config: func() *config.Config { return conf }})
	t.Cleanup(func() {
		_ = g.Close()
		common.close()
		_ = st.Close()
	})
	return g
}
