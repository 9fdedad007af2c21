package upstream

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/iagent"
)

// Settings of a pool of shared connections (docs/rules/iagent.md 5).
const (
	defaultConnections = 4
	pingEvery          = 30 * time.Second
	silentFor          = 75 * time.Second // then the peer is gone
	backoffMin         = 500 * time.Millisecond
	backoffMax         = 30 * time.Second
	deniedFor          = 4 * time.Minute // no dial with a refused token
	youngFor           = 10 * time.Second
)

// errLost is the cause of answers that their connection did not live to bring.
var errLost = errors.New("the connection was lost")

// sharedUpstream is an iagent channel: a pool of WebSockets, each shared by all
// questions. An answer is known by the id of its question alone and may come on
// any connection of the pool.
type sharedUpstream struct {
	at    address
	opts  Options
	key   secret
	agent string // whom to ask where a request names no model
	size  int
	age   time.Duration // of a connection at most; 0: whatever it is

	dropped atomic.Int64
	wg      sync.WaitGroup // the goroutines of all lines

	mu      sync.Mutex
	closed  bool
	lines   []*sharedConn
	dialing chan struct{} // closed when the dial under way has ended; nil: none is
	cancel  func()        // ends that dial
	pending map[string]*waiter
	asked   uint64
	fails   int // dials in a row that brought nothing
	next    time.Time
	refused *translate.Error // why there is none before next
}

// waiter is a question that has not been answered. The pool's lock guards line and
// sent.
type waiter struct {
	id      string
	model   string
	message []byte
	line    *sharedConn
	number  uint64        // of the question, in the order in which they came
	sent    bool          // the writer of line has taken it
	reply   chan reply    // one
	tap     translate.Tap // nil: nobody looks
}

// reply is the result of a question. One with neither answer nor error means that the
// question was never sent and has to go on another connection.
type reply struct {
	answer   iagent.Answer
	answered bool
	err      *translate.Error
}

// newShared returns a channel of kind iagent.
func newShared(conf *config.Channel, key string, o Options) (Upstream, error) {
	at, err := newAddress(conf, "", o)
	if err != nil {
		return nil, err
	}
	if at.url.Path == "" {
		at.url.Path = "/ws/v1/chat"
	}
	token := strings.TrimSpace(strings.TrimPrefix(key, "Bearer "))
	q := at.url.Query() // what is configured
	q.Set("app_token", token)
	at.url.RawQuery = q.Encode()
	size := conf.Connections
	if size <= 0 {
		size = defaultConnections
	}
	return &sharedUpstream{at: at, opts: o, key: secret(token), agent: conf.Agent, size: size, age: conf.MaxAge, pending: map[string]*waiter{}}, nil
}

// Dropped returns how many frames came that answered no question: pushes, second
// replies and answers that nobody waits for any more.
func (u *sharedUpstream) Dropped() int64 { return u.dropped.Load() }

// Open implements Upstream. It returns when the question is on its way.
func (u *sharedUpstream) Open(ctx context.Context, req *translate.Request) (translate.Stream, error) {
	if e := ended(ctx); e != nil {
		return nil, e
	}
	now := time.Now()
	s := &sharedStream{ctx: ctx, up: u}
	w := &s.w
	*w = waiter{id: newID(now), model: req.Model, reply: make(chan reply, 1)}
	message, err := iagent.AppendAsk(nil, req, w.id, now.UnixMilli(), u.agent)
	if err != nil {
		return nil, u.key.typed(err, translate.FaultRejected)
	}
	w.message, w.tap = message, req.Tap
	if e := u.enlist(ctx, w); e != nil {
		return nil, u.key.typed(e, translate.FaultDial)
	}
	s.connecting = time.Since(now)
	u.opts.trace('>', message)
	if w.tap != nil {
		w.tap.Sent(message)
	}
	s.evs = s.room[:0]
	return s, nil
}

// enlist queues w on a connection, dialling when there is none or all are in use.
// Where the last connections were lost it waits for the next dial, no longer than
// a dial may take; where dials fail it does not, since another channel may be there.
func (u *sharedUpstream) enlist(ctx context.Context, w *waiter) *translate.Error {
	until := time.Now().Add(u.at.connect)
	for {
		u.mu.Lock()
		if u.closed {
			u.mu.Unlock()
			return unreachable(ctx, errClosed)
		}
		best := u.idlest()
		if best == nil || best.load > 0 {
			u.grow()
		}
		if best != nil {
			defer u.mu.Unlock()
			return u.assign(w, best)
		}
		dialing, refused, next := u.dialing, u.refused, u.next
		u.mu.Unlock()
		if dialing == nil && (!errors.Is(refused, errLost) || next.After(until)) {
			e := *refused
			e.Retry = max(time.Until(next), 0)
			return &e
		}
		if e := awaited(ctx, dialing, next); e != nil {
			return e
		}
	}
}

// assign queues w on l. u.mu is held.
func (u *sharedUpstream) assign(w *waiter, l *sharedConn) *translate.Error {
	select {
	case l.out <- w:
	default:
		return &translate.Error{Code: translate.CodeRateLimited, Fault: translate.FaultBusy, Message: "the model is busy", Cause: errFull}
	}
	w.line, w.sent = l, false
	l.load++
	l.used = true
	if w.number == 0 {
		u.asked++
		w.number = u.asked
	}
	u.pending[w.id] = w
	return nil
}

// awaited waits for the end of a dial, or where there is none for the time of the
// next one.
func awaited(ctx context.Context, dialing <-chan struct{}, next time.Time) *translate.Error {
	var clock <-chan time.Time
	if dialing == nil {
		t := time.NewTimer(time.Until(next))
		defer t.Stop()
		clock = t.C
	}
	select {
	case <-dialing:
	case <-clock:
	case <-ctx.Done():
		return ended(ctx)
	}
	return nil
}

// taken marks those of ws that are still wanted as sent, and returns their
// messages, appended to dst. What is sent here is no longer safe to send twice.
func (u *sharedUpstream) taken(dst [][]byte, ws []*waiter) [][]byte {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, w := range ws {
		if u.pending[w.id] == w {
			w.sent = true
			dst = append(dst, w.message)
		}
	}
	return dst
}

// idlest returns the connection with the fewest questions, nil when there is
// none, and lets those go that are too old. u.mu is held.
func (u *sharedUpstream) idlest() (best *sharedConn) {
	if u.age > 0 {
		u.lines = slices.DeleteFunc(u.lines, u.outlived)
	}
	for _, l := range u.lines {
		if best == nil || l.load < best.load {
			best = l
		}
	}
	return best
}

// outlived reports whether l is too old for further questions; it ends with the answers
// that it owes. u.mu is held.
func (u *sharedUpstream) outlived(l *sharedConn) bool {
	if !l.used || time.Since(l.born) < u.age {
		return false // each takes one question at least
	}
	l.old = true
	if l.load == 0 {
		l.cut()
	}
	return true
}

// grow starts one more connection, if there may be one. u.mu is held.
func (u *sharedUpstream) grow() {
	if u.dialing != nil || len(u.lines) >= u.size || time.Now().Before(u.next) {
		return
	}
	u.dialing = make(chan struct{})
	// The dial serves whoever comes, so no question's context bounds it.
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	u.wg.Go(func() { u.run(ctx) })
}

// joined makes l one of the pool, unless that has been closed.
func (u *sharedUpstream) joined(l *sharedConn) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cancel()
	close(u.dialing)
	u.dialing = nil
	if u.closed {
		return false
	}
	u.lines = append(u.lines, l)
	return true
}

// failed notes that a dial brought nothing, and when to try again.
func (u *sharedUpstream) failed(e *translate.Error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.cancel()
	close(u.dialing)
	u.dialing = nil
	u.back(e)
}

// back holds further dials off. u.mu is held.
func (u *sharedUpstream) back(e *translate.Error) {
	wait := min(backoffMin<<min(u.fails, 10), backoffMax)
	wait = wait/2 + time.Duration(u.opts.Chance(int64(wait/2+1)))
	switch e.Fault {
	case translate.FaultDenied:
		wait = deniedFor
	case translate.FaultLocal: // it says nothing about the server
		wait = backoffMin
		u.fails--
	}
	u.fails++
	u.next = time.Now().Add(max(wait, e.Retry))
	u.refused = e
}

// left takes l out of the pool and fails what waits for an answer that it was to
// bring; what was never sent goes on another connection. Of the questions that fail
// one for each model is told that its channel is to blame: one connection is one
// fault, however many shared it. lasted: the connection had been of use.
func (u *sharedUpstream) left(l *sharedConn, lasted bool, cause error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, other := range u.lines {
		if other == l {
			u.lines = append(u.lines[:i], u.lines[i+1:]...)
			break
		}
	}
	e := &translate.Error{Code: translate.CodeUnavailable, Fault: translate.FaultBroken, Message: "the connection to the model was lost", Cause: errors.Join(errLost, cause)}
	switch {
	case lasted || l.old:
		u.fails = 0
	case u.fails == 0:
		u.fails = 1 // a server may be restarting: the first dial need not wait
	default:
		u.back(unreachable(context.Background(), e.Cause))
	}
	echo := *e
	echo.Echo = true
	told := map[string]bool{}
	for _, w := range u.inOrder(l) {
		delete(u.pending, w.id)
		r := reply{}
		if w.sent {
			if r.err = e; told[w.model] {
				r.err = &echo
			}
			told[w.model] = true
		}
		w.reply <- r
	}
}

// inOrder returns what waits on l, the oldest first: those that asked first are also
// the first to ask elsewhere. u.mu is held.
func (u *sharedUpstream) inOrder(l *sharedConn) []*waiter {
	var all []*waiter
	for _, w := range u.pending {
		if w.line == l {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b *waiter) int { return cmp.Compare(a.number, b.number) })
	return all
}

// answered gives frame, which r has read, to the question with the id ref.
func (u *sharedUpstream) answered(ref []byte, r *iagent.Reader, frame []byte) {
	if len(ref) == 0 {
		u.dropped.Add(1)
		return
	}
	u.mu.Lock()
	w := u.pending[string(ref)]
	if w != nil {
		u.drop(w)
	}
	u.mu.Unlock()
	if w == nil {
		u.dropped.Add(1)
		return
	}
	if w.tap != nil {
		w.tap.Came(frame)
	}
	w.reply <- reply{answer: r.Answer(), answered: true}
}

// forget removes w, whose answer nobody waits for any more.
func (u *sharedUpstream) forget(w *waiter) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.pending[w.id] == w {
		u.drop(w)
	}
}

// drop removes w and ends its connection if that is idle and the pool closed.
// u.mu is held.
func (u *sharedUpstream) drop(w *waiter) {
	delete(u.pending, w.id)
	w.line.load--
	if (u.closed || w.line.old) && w.line.load == 0 {
		w.line.cut()
	}
}

// Close implements Upstream. When no answer is under way it returns after the
// last goroutine of the pool; otherwise these end with the answers.
func (u *sharedUpstream) Close() error {
	u.mu.Lock()
	u.closed = true
	if u.dialing != nil {
		u.cancel()
	}
	for _, l := range u.lines {
		if l.load == 0 {
			l.cut()
		}
	}
	idle := len(u.pending) == 0
	u.mu.Unlock()
	if idle {
		u.wg.Wait()
	}
	return nil
}

// sharedStream is the one answer to a question.
type sharedStream struct {
	queue
	ctx context.Context // of the exchange, whose life this is
	up  *sharedUpstream
	w   waiter

	came       bool // the answer has
	room       [3]translate.Event
	connecting time.Duration
}

// Connecting is how long the question waited for a connection of the pool: next to
// nothing where there was one.
func (s *sharedStream) Connecting() time.Duration { return s.connecting }

// Next implements translate.Stream.
func (s *sharedStream) Next() (translate.Event, error) { return s.next(s) }

// Ready implements translate.Stream.
func (s *sharedStream) Ready() bool { return s.waiting() || s.came || len(s.w.reply) > 0 }

func (s *sharedStream) more() error {
	if s.finished {
		return io.EOF
	}
	r, failed := s.reply()
	if failed != nil {
		return failed
	}
	s.came = true
	evs, err := r.answer.Events(s.evs)
	s.took(evs)
	if err != nil {
		return s.up.key.typed(err, translate.FaultBroken)
	}
	if !s.finished {
		return translate.Broken("the answer is empty", nil)
	}
	return nil
}

// reply waits for the answer, on one connection after the other as long as the
// question was sent on none of them.
func (s *sharedStream) reply() (reply, error) {
	for {
		select {
		case r := <-s.w.reply:
			if r.err != nil {
				return r, r.err
			}
			if r.answered {
				return r, nil
			}
		case <-s.ctx.Done():
			s.up.forget(&s.w)
			return reply{}, ended(s.ctx)
		}
		if e := s.up.enlist(s.ctx, &s.w); e != nil {
			return reply{}, s.up.key.typed(e, translate.FaultDial)
		}
	}
}

// Close implements translate.Stream.
func (s *sharedStream) Close() error {
	s.up.forget(&s.w)
	s.end()
	return nil
}
