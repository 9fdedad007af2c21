//go:build linux

package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/fleettest"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
)

// plight is something that befalls a server for a while.
type plight struct {
	name       string
	begin, end func()
	long       bool // it takes long, and is left to make fleet-failures
}

// redisSays puts a command to the Redis at addr.
func redisSays(t *testing.T, addr, command string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	fmt.Fprintf(conn, "%s\r\n", command)
	if answer, err := bufio.NewReader(conn).ReadString('\n'); err != nil || answer != "+OK\r\n" {
		t.Fatalf("%s: %q %v", command, answer, err)
	}
}

// plights are those of both servers.
func plights(t *testing.T, server *pgtest.Server, db string, pg, redis *fleettest.Cable, redisAddr string) (all []plight) {
	other := fleettest.Plug(t, "127.0.0.1:"+server.Port())
	another := fleettest.Plug(t, redisAddr)
	full := `CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no space left'' USING ERRCODE = ''53100''; END'`
	for name, c := range map[string]*fleettest.Cable{"PostgreSQL": pg, "Redis": redis} {
		all = append(all,
			plight{name: name + " is cut in the middle of calls", begin: c.CutRequests, end: c.Mend},
			plight{name: name + " refuses", begin: c.Refuse, end: c.Mend},
			plight{name: name + " takes 2 s for a call", begin: func() { c.Slow(2 * time.Second) }, end: c.Mend, long: true},
			plight{name: name + " does not answer", begin: c.Mute, end: c.Mend, long: true},
		)
	}
	return append(all,
		plight{name: "PostgreSQL has another address", begin: func() { pg.Move(other.Addr()) }, end: func() {}},
		plight{name: "Redis has another address", begin: func() { redis.Move(another.Addr()) }, end: func() {}},
		plight{name: "PostgreSQL's disk is full", begin: func() {
			server.Exec(t, db, full, `CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON dragoman.conversations FOR EACH ROW EXECUTE FUNCTION full_disk()`)
		}, end: func() { server.Exec(t, db, `DROP TRIGGER full_disk ON dragoman.conversations`) }},
		plight{name: "Redis has no memory left", begin: func() { redisSays(t, redisAddr, "CONFIG SET maxmemory 1") }, end: func() { redisSays(t, redisAddr, "CONFIG SET maxmemory 0") }},
	)
}

// outcomes are what the questions came to since take.
type outcomes struct {
	mu      sync.Mutex
	n       map[string]int
	slowest map[string]time.Duration
}

func (o *outcomes) add(front, outcome string, took time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.n == nil {
		o.n, o.slowest = map[string]int{}, map[string]time.Duration{}
	}
	what := front + ": " + cmp.Or(outcome, "acknowledged")
	o.n[what]++
	o.slowest[what] = max(o.slowest[what], took)
}

func (o *outcomes) take() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all strings.Builder
	for _, what := range slices.Sorted(maps.Keys(o.n)) {
		fmt.Fprintf(&all, "    %5d %.150s, at most %v\n", o.n[what], what, o.slowest[what].Round(time.Millisecond))
	}
	o.n, o.slowest = nil, nil
	return all.String()
}

// stateless asks in the openai dialect with key until ctx ends.
type stateless struct {
	answered, failed atomic.Int64
	slowest          atomic.Int64
}

func (s *stateless) ask(ctx context.Context, t *testing.T, addr, key string) {
	for ctx.Err() == nil {
		req, err := http.NewRequest("POST", "http://"+addr+"/v1/chat/completions", strings.NewReader(`{"model":"echo","messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+key)
		began := time.Now()
		resp, err := childClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if took := int64(time.Since(began)); took > s.slowest.Load() {
			s.slowest.Store(took)
		}
		if err != nil || resp.StatusCode != 200 {
			s.failed.Add(1)
			t.Errorf("a question that keeps nothing: %v %v", resp, err)
			continue
		}
		s.answered.Add(1)
	}
}

// Whatever befalls the two servers, questions that keep nothing are answered, also with a key
// that was made at run time; of those that keep something what was acknowledged is there, once
// and whole; and all goes on by itself when the server is back. DRAGOMAN_TEST_PLIGHTS is how
// many seconds each lasts, the long ones included.
func TestFailuresOfTheServersLoseNothing(t *testing.T) {
	t.Parallel()
	server, shared := pgtest.Start(t), redistest.Start(t)
	redisAddr := strings.TrimSuffix(strings.TrimPrefix(shared.URL(0), "redis://"), "/0")
	pg, redis := fleettest.Plug(t, "127.0.0.1:"+server.Port()), fleettest.Plug(t, redisAddr)
	url := server.Database(t)
	text := strings.NewReplacer(", wait: 2s", "", "models: [echo,", "models: [{name: echo, upstream: echo-first-5},").Replace(fleetConf)
	f := fleettest.Start(t, fleettest.Options{Program: thisProgram, Text: text, Replicas: 2,
		Store: strings.Replace(url, "127.0.0.1:"+server.Port(), pg.Addr(), 1), Shared: "redis://" + redis.Addr() + "/0"})
	var made struct{ ID, Key string }
	operate(t, f.Replicas[0], "POST", "/api/keys", `{"name":"carol"}`, &made)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	var acked atomic.Int64
	talkers, seen := talkersOf(&child{addr: f.Addr}, 9), &outcomes{}
	for _, k := range talkers {
		k.told = seen.add
		all.Go(func() { k.talk(ctx, &acked) })
	}
	loose := &stateless{}
	for range 2 {
		all.Go(func() { loose.ask(ctx, t, f.Addr, made.Key) })
	}
	goesOn := func(what string) time.Duration {
		until, answered := acked.Load()+3*int64(len(talkers)), loose.answered.Load()+20
		return soon(t, what, func() bool { return acked.Load() >= until && loose.answered.Load() >= answered })
	}
	goesOn("all begins")
	seconds := number("DRAGOMAN_TEST_PLIGHTS", 0)
	for _, p := range plights(t, server, pgtest.NameOf(url), pg, redis, redisAddr) {
		if p.long && os.Getenv("DRAGOMAN_TEST_PLIGHTS") == "" {
			continue
		}
		before := loose.answered.Load()
		loose.slowest.Store(0)
		seen.take()
		p.begin()
		began := time.Now()
		soon(t, "questions are answered though "+p.name, func() bool {
			return loose.answered.Load() >= before+60 && time.Since(began) >= time.Duration(seconds)*time.Second
		})
		answered, slowest := loose.answered.Load()-before, time.Duration(loose.slowest.Load())
		p.end()
		back := goesOn(p.name + " no more")
		t.Logf("%s: %d questions that keep nothing were answered, the slowest in %v; all went on %v after it; of the others\n%s", p.name, answered, slowest.Round(time.Millisecond), back.Round(time.Millisecond), seen.take())
	}
	stop()
	all.Wait()
	there, lost := talkers[0].c.stored(t), 0 // and fails for a turn that is torn or doubled
	for _, k := range talkers {
		for _, text := range k.acked {
			if !there[text] {
				lost++
				t.Errorf("%s was acknowledged and is lost", text)
			}
		}
	}
	t.Logf("%d turns acknowledged, %d stored, %d lost; %d questions that keep nothing, %d failed", acked.Load(), len(there), lost, loose.answered.Load(), loose.failed.Load())
}
