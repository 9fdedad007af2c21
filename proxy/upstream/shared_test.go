package upstream

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// asked is what a test needs to know of an agent's question.
type asking struct {
	ID      string `json:"msg_id"`
	Sender  string `json:"sender_id"`
	Agent   string `json:"receiver_id"`
	Content string `json:"content"`
}

// agent reads one question.
func (l *link) agent() (q asking, ok bool) {
	for {
		op, payload, err := l.hear()
		if err != nil {
			return q, false
		}
		if op == 1 {
			return q, json.Unmarshal([]byte(payload), &q) == nil
		}
	}
}

func (q asking) reply(code int, content string) string {
	return text(fmt.Sprintf(`{"chat_type":1,"msg_id":"r-%s","ref_msg_id":%q,"timestamp":1,"sender_type":2,"sender_id":"a","resp_code":%d,"content_type":1,"content":%q}`,
		q.ID, q.ID, code, content))
}

func named(content string) *translate.Request {
	req := question("agent-7", true)
	req.Messages[0].Parts[0].Text = content
	return req
}

func TestManyQuestionsShareAFewConnections(t *testing.T) {
	t.Parallel()
	s, addr := fake(t, mockmodel.Options{NoRecord: true})
	up := open(t, "iagent", "ws://"+addr+"/ws/v1/chat", func(c *config.Channel) { c.Connections = 3 })
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Go(func() {
			req := named(fmt.Sprint("question ", i))
			req.Model, req.User = "echo-first-2", fmt.Sprint("u", i)
			a, err := ask(t, up, req)
			if err != nil || !strings.Contains(a.Text(), fmt.Sprintf(`"question %d"`, i)) {
				t.Errorf("%d: %+v, %v", i, a, err)
			}
		})
	}
	wg.Wait()
	if n := s.Conns(); n < 1 || n > 3 {
		t.Errorf("%d connections", n)
	}
	if n := len(up.(*sharedUpstream).pending); n != 0 {
		t.Errorf("%d questions are still pending", n)
	}
}

func TestAnAnswerIsTakenFromAnyConnectionAndOnlyOnce(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var links []*link
	var qs []asking
	p := listen(t, func(l *link) {
		if !l.upgrade() {
			return
		}
		mu.Lock()
		links = append(links, l)
		mu.Unlock()
		for {
			q, ok := l.agent()
			if !ok {
				return
			}
			mu.Lock()
			qs = append(qs, q)
			if len(qs) == 3 && len(links) == 2 {
				// The newest first, each on the connection that it did not come on first.
				for i := 2; i >= 0; i-- {
					r := qs[i].reply(0, "re "+qs[i].Content)
					links[i&1].say(text(`{"content":"a push"}`) + text("nonsense") + text(`{"ref_msg_id":"unknown"}`) + r + r)
				}
			}
			mu.Unlock()
		}
	})
	up := open(t, "iagent", wsURL(p), func(c *config.Channel) { c.Connections = 2 })
	var wg sync.WaitGroup
	streams := make([]translate.Stream, 3)
	for i := range streams {
		s, err := up.Open(within(t), named(fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		streams[i] = s
		if i == 1 { // the second question made the pool grow
			for n := 0; n < 2; {
				mu.Lock()
				n = len(links)
				mu.Unlock()
				runtime.Gosched()
			}
		}
	}
	for i, s := range streams {
		wg.Go(func() {
			a, evs, err := read(s)
			if err != nil || a.Text() != fmt.Sprint("re ", i) || len(evs) != 3 {
				t.Errorf("%d: %+v, %v", i, a, err)
			}
		})
	}
	wg.Wait()
	counted := up.(interface{ Dropped() int64 })
	for counted.Dropped() < 12 { // three of no use and one second reply for each of the three
		runtime.Gosched()
	}
}

func TestEventsOfASharedAnswerAreReadyTogether(t *testing.T) {
	t.Parallel()
	p := listen(t, func(l *link) {
		for ok := l.upgrade(); ok; {
			var q asking
			if q, ok = l.agent(); ok {
				l.say(q.reply(0, "re "+q.Content))
			}
		}
	})
	s, err := open(t, "iagent", wsURL(p)).Open(within(t), named("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, k := range []translate.Kind{translate.KindStart, translate.KindText, translate.KindFinish} {
		ev, err := s.Next()
		if err != nil || ev.Kind != k || !s.Ready() {
			t.Fatalf("%+v, %v, ready %v", ev, err, s.Ready())
		}
	}
}

func TestAnAgentThatDecidesNotToReplyIsNoFailure(t *testing.T) {
	t.Parallel()
	_, addr := fake(t, mockmodel.Options{NoRecord: true})
	a, err := ask(t, open(t, "iagent", "ws://"+addr+"/ws/v1/chat"), question("silent", true))
	if err != nil || a.Finish != translate.FinishSilent {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestACancelledQuestionIsForgotten(t *testing.T) {
	t.Parallel()
	goOn, got := make(chan struct{}), make(chan struct{})
	p := listen(t, func(l *link) {
		if !l.upgrade() {
			return
		}
		old, _ := l.agent()
		close(got)
		<-goOn
		q, _ := l.agent()
		l.say(old.reply(0, "too late") + q.reply(0, "in time"))
		l.gone()
	})
	up := open(t, "iagent", wsURL(p), func(c *config.Channel) { c.Connections = 1 })
	ctx, cancel := context.WithCancel(within(t))
	s, err := up.Open(ctx, named("old"))
	if err != nil {
		t.Fatal(err)
	}
	<-got // what was not sent yet would not be sent at all
	cancel()
	_, _, err = read(s)
	wantFault(t, err, translate.FaultGone, translate.CodeCanceled)
	close(goOn)
	if a, err := ask(t, up, named("new")); err != nil || a.Text() != "in time" {
		t.Errorf("%+v, %v", a, err)
	}
	if n := up.(*sharedUpstream).Dropped(); n != 1 {
		t.Errorf("%d dropped", n)
	}
}

func TestALostConnectionFailsWhatItOwesAndNothingElse(t *testing.T) {
	t.Parallel()
	p := listen(t, func(l *link) {
		if !l.upgrade() {
			return
		}
		for n := 1; ; n++ {
			q, ok := l.agent()
			if !ok || l.n == 1 && n == 2 {
				return
			}
			l.say(q.reply(0, "re "+q.Content))
		}
	})
	up := open(t, "iagent", wsURL(p), func(c *config.Channel) { c.Connections = 1 })
	if a, err := ask(t, up, named("one")); err != nil || a.Text() != "re one" {
		t.Fatal(a, err)
	}
	_, err := ask(t, up, named("two"))
	wantFault(t, err, translate.FaultBroken, translate.CodeUnavailable)
	if !errors.Is(err, errLost) {
		t.Error(err)
	}
	if a, err := ask(t, up, named("three")); err != nil || a.Text() != "re three" {
		t.Fatal(a, err)
	}
}

func TestFailedDialsAreSpacedOut(t *testing.T) {
	t.Parallel()
	p := listen(t, func(*link) {})
	up := open(t, "iagent", wsURL(p))
	_, err := ask(t, up, named("x"))
	wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
	n := p.conns.Load()
	for range 20 {
		_, err = ask(t, up, named("x"))
		if e := fault(t, err); e.Fault != translate.FaultDial || e.Retry <= 0 || e.Retry > backoffMin {
			t.Fatalf("%v, retry %v", err, e.Retry)
		}
	}
	if p.conns.Load() != n {
		t.Error("it dialled again at once")
	}
	u := &sharedUpstream{opts: Options{Chance: rand.Int64N}}
	for range 20 {
		u.back(&translate.Error{})
	}
	if left := time.Until(u.next); left < backoffMax/3 || left > backoffMax {
		t.Errorf("after 20 failures: %v", left)
	}
}

func TestPingsAreAnsweredWhileNothingElseComes(t *testing.T) {
	t.Parallel()
	ponged := make(chan string, 2)
	p := listen(t, func(l *link) {
		if !l.upgrade() {
			return
		}
		q, _ := l.agent()
		l.say(frame(0x89, "are you there"))
		for {
			op, payload, err := l.hear()
			if err != nil {
				return
			}
			if op == opPong {
				ponged <- payload
				l.say(q.reply(0, "re "+q.Content))
			}
		}
	})
	if a, err := ask(t, open(t, "iagent", wsURL(p)), named("x")); err != nil || a.Text() != "re x" {
		t.Fatal(a, err)
	}
	if got := <-ponged; got != "are you there" {
		t.Errorf("pong %q", got)
	}
}

func TestClosingASharedPoolLetsItsAnswersEnd(t *testing.T) {
	t.Parallel()
	goOn, gone := make(chan struct{}), make(chan struct{})
	p := listen(t, func(l *link) {
		if !l.upgrade() {
			return
		}
		q, _ := l.agent()
		<-goOn
		l.say(q.reply(0, "re "+q.Content))
		l.gone()
		close(gone)
	})
	up := open(t, "iagent", wsURL(p), func(c *config.Channel) { c.Connections = 1 })
	s, err := up.Open(within(t), named("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = up.Close()
	_, err = up.Open(within(t), named("y"))
	wantFault(t, err, translate.FaultDial, translate.CodeUnavailable)
	close(goOn)
	if a, _, err := read(s); err != nil || a.Text() != "re x" {
		t.Error(a, err)
	}
	<-gone
	up.(*sharedUpstream).wg.Wait()
}

func TestIdsAreUUIDsAndDiffer(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(0x0123456789ab)
	a, b := newID(now), newID(now)
	if a == b || len(a) != 36 || !strings.HasPrefix(a, "01234567-89ab-7") || !strings.ContainsAny(a[19:20], "89ab") {
		t.Errorf("%s, %s", a, b)
	}
}

// inBubble connects a line to script through a pipe, on a fake clock.
func inBubble(t *testing.T, script func(*link)) *sharedConn {
	t.Helper()
	here, there := net.Pipe()
	go func() {
		defer there.Close()
		l := &link{Conn: there, r: bufio.NewReader(there)}
		l.upgrade()
		script(l)
	}()
	under := &frameConn{Conn: here, socket: here}
	d := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return under, nil }}
	ws, _, err := d.Dial("ws://pipe/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return &sharedConn{ws: ws, under: under, out: make(chan *waiter), done: make(chan struct{})}
}

func TestASilentPeerIsPingedAndThenGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pings := 0
		l := inBubble(t, func(l *link) {
			for {
				op, _, err := l.hear()
				if err != nil {
					return
				}
				if op == opPing {
					pings++
				}
			}
		})
		begun := time.Now()
		useful, err := (&sharedUpstream{}).read(l)
		if took := time.Since(begun); useful || !errors.Is(err, os.ErrDeadlineExceeded) || took < silentFor || took > silentFor+pingEvery {
			t.Errorf("useful %v, %v after %v", useful, err, took)
		}
		l.cut()
		synctest.Wait()
		if pings != 2 {
			t.Errorf("%d pings", pings)
		}
	})
}

func TestAPeerThatAnswersPingsIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := inBubble(t, func(l *link) {
			for n := 0; n < 10; n++ {
				if op, _, err := l.hear(); err != nil || op != opPing {
					return
				}
				l.say(frame(0x8a, ""))
			}
		})
		begun := time.Now()
		_, err := (&sharedUpstream{}).read(l)
		if took := time.Since(begun); errors.Is(err, os.ErrDeadlineExceeded) || took != 10*pingEvery {
			t.Errorf("%v after %v", err, took)
		}
		l.cut()
		synctest.Wait()
	})
}

func BenchmarkShared(b *testing.B) {
	_, addr := fake(b, mockmodel.Options{NoRecord: true})
	up := open(b, "iagent", "ws://"+addr+"/ws/v1/chat")
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		req := question("say-forget", true)
		req.User = newID(time.Now())
		for pb.Next() {
			s, err := up.Open(context.Background(), req)
			if err != nil {
				b.Fatal(err)
			}
			if _, _, err := read(s); err != nil {
				b.Fatal(err)
			}
		}
	})
}
