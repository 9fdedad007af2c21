package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// agents serves an agent that repeats what it is asked, on every connection.
func agents(t *testing.T) *peer {
	return listen(t, func(l *link) {
		for ok := l.upgrade(); ok; {
			var q asking
			if q, ok = l.agent(); ok {
				l.say(q.reply(0, "re "+q.Content))
			}
		}
	})
}

// idle is a connection of u that nobody reads or writes.
func idle(u *sharedUpstream) *sharedConn {
	l := &sharedConn{out: make(chan *waiter, 8), done: make(chan struct{})}
	l.once.Do(func() {})
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lines = append(u.lines, l)
	return l
}

func TestAQuestionThatWasNeverSentGoesOnTheNextConnection(t *testing.T) {
	t.Parallel()
	up := open(t, "iagent", wsURL(agents(t)), func(c *config.Channel) { c.Connections = 1 })
	u := up.(*sharedUpstream)
	l := idle(u)
	var streams []translate.Stream
	for i := range 3 {
		s, err := up.Open(within(t), named(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
	}
	// The first one is written before the connection is lost.
	if sent := u.taken(nil, []*waiter{<-l.out}); len(sent) != 1 {
		t.Fatalf("%d were taken", len(sent))
	}
	u.left(l, true, io.EOF)
	_, _, err := read(streams[0])
	wantFault(t, err, translate.FaultBroken, translate.CodeUnavailable)
	for i, s := range streams[1:] {
		if a, _, err := read(s); err != nil || a.Text() != fmt.Sprint("re ", i+1) {
			t.Errorf("%d: %+v, %v", i+1, a, err)
		}
	}
}

func TestAQuestionThatNobodyWaitsForIsNotSent(t *testing.T) {
	t.Parallel()
	up := open(t, "iagent", "ws://127.0.0.1:1", func(c *config.Channel) { c.Connections = 1 })
	u := up.(*sharedUpstream)
	l := idle(u)
	s, err := up.Open(within(t), named("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if sent := u.taken(nil, []*waiter{<-l.out}); len(sent) != 0 || l.load != 0 {
		t.Errorf("%q, load %d", sent, l.load)
	}
	u.left(l, true, io.EOF)
}

func TestWhileLostConnectionsHoldTheDialBackAQuestionWaits(t *testing.T) {
	t.Parallel()
	p := agents(t)
	up := open(t, "iagent", wsURL(p))
	u := up.(*sharedUpstream)
	until := time.Now().Add(50 * time.Millisecond)
	lost := unreachable(context.Background(), errors.Join(errLost, io.EOF))
	u.mu.Lock()
	u.next, u.refused = until, lost
	u.mu.Unlock()
	if a, err := ask(t, up, named("x")); err != nil || a.Text() != "re x" || time.Now().Before(until) {
		t.Errorf("%+v, %v", a, err)
	}
	other := open(t, "iagent", wsURL(p))
	u = other.(*sharedUpstream)
	u.mu.Lock()
	u.next, u.refused = time.Now().Add(u.at.connect+time.Hour), lost
	u.mu.Unlock()
	_, err := ask(t, other, named("x"))
	if e := fault(t, err); e.Fault != translate.FaultDial || e.Retry < time.Hour {
		t.Errorf("%v, retry %v", err, e.Retry)
	}
	u.mu.Lock()
	u.next = time.Now().Add(time.Second)
	u.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if e := awaited(ctx, nil, u.next); e == nil || e.Fault != translate.FaultGone {
		t.Errorf("a client that has left waits: %v", e)
	}
}

func TestOneLostConnectionIsOneFaultOfEachModel(t *testing.T) {
	t.Parallel()
	up := open(t, "iagent", "ws://127.0.0.1:1", func(c *config.Channel) { c.Connections = 1 })
	u := up.(*sharedUpstream)
	l := idle(u)
	var streams []translate.Stream
	for i := range 8 {
		req := named("x")
		req.Model = fmt.Sprint("model", i%2)
		s, err := up.Open(within(t), req)
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, s)
		u.taken(nil, []*waiter{<-l.out})
	}
	u.left(l, true, io.EOF)
	echoes := []int{0, 0}
	for i, s := range streams {
		_, err := s.Next()
		wantFault(t, err, translate.FaultBroken, translate.CodeUnavailable)
		e := fault(t, err)
		if !errors.Is(err, errLost) {
			t.Error(err)
		}
		if e.Echo {
			echoes[i%2]++
		}
		_ = s.Close()
	}
	if !slices.Equal(echoes, []int{3, 3}) {
		t.Errorf("%v of 4 were told as echoes", echoes)
	}
}

func TestTheConnectionWithTheFewestQuestionsIsTaken(t *testing.T) {
	t.Parallel()
	u := &sharedUpstream{size: 3, pending: map[string]*waiter{}}
	a, b, c := idle(u), idle(u), idle(u)
	a.load, b.load, c.load = 2, 0, 1
	for i, want := range []*sharedConn{b, b, c, a} {
		w := &waiter{id: fmt.Sprint(i)}
		if e := u.enlist(context.Background(), w); e != nil || w.line != want {
			t.Errorf("%d went on the wrong connection: loads %d %d %d, %v", i, a.load, b.load, c.load, e)
		}
	}
}

func TestAHandshakeThatIsRefusedForItsRateIsNotRepeatedBeforeItsTime(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"429 Too Many Requests", "503 Service Unavailable"} {
		p := listen(t, func(l *link) {
			if _, _, ok := l.request(); ok {
				l.say("HTTP/1.1 " + status + "\r\nRetry-After: 7\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
		})
		up := open(t, "iagent", wsURL(p))
		for range 3 {
			_, err := ask(t, up, named("x"))
			if e := fault(t, err); e.Retry <= 6*time.Second || e.Retry > 7*time.Second {
				t.Errorf("%s: %v, retry %v", status, err, e.Retry)
			}
		}
		if n := p.conns.Load(); n != 1 {
			t.Errorf("%s: %d dials", status, n)
		}
	}
}

func TestATokenThatIsRefusedIsNotTriedAgainAtOnce(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"401 Unauthorized", "403 Forbidden"} {
		p := listen(t, func(l *link) {
			if _, _, ok := l.request(); ok {
				l.say("HTTP/1.1 " + status + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			}
		})
		up := open(t, "iagent", wsURL(p))
		for range 3 {
			_, err := ask(t, up, named("x"))
			wantFault(t, err, translate.FaultDenied, translate.CodeUnavailable)
		}
		if n := p.conns.Load(); n != 1 {
			t.Errorf("%s: %d dials", status, n)
		}
	}
}
