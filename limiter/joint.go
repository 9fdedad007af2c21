package limiter

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Times of a Joint.
const (
	jointDeadline = 75 * time.Millisecond // of one call, on the path of a question
	patience      = time.Second           // of a call that nobody waits for, at least
	beatEvery     = 5 * time.Second
	lease         = 15                     // seconds after the last beat until a process counts as dead
	lookEvery     = 500 * time.Millisecond // whether lost counts are back
	lookLatest    = 30 * time.Second       // whether those that gave nonsense are

	// After a fault of its own the goroutine begins anew; the wait before doubles.
	restartFirst = 500 * time.Millisecond
	restartMost  = time.Minute
)

// Counts is a place where several processes count, which runs Lua as Redis does. It is
// safe for concurrent use.
type Counts interface {
	// Run runs script as one step and returns its answer. An error means that
	// nobody knows whether it ran; with [ErrNonsense] the server is not asked again at
	// once.
	Run(ctx context.Context, script string, keys, args []string) (string, error)
}

// JointOptions are the settings of a Joint.
type JointOptions struct {
	// Log is told when the shared counts are lost and when they are back. nil: nobody.
	Log *slog.Logger
	// Deadline is how long a question may wait for the shared counts. Default: 75 ms.
	Deadline time.Duration
	// Now is the clock of the shared counts; nil, which is right outside of tests: the
	// server's own.
	Now func() time.Time
	// Local is for the counts of this process.
	Local Options
}

// Joint is a Limiter whose counts several processes share. It asks for each question
// once, and the answer says whether all bounds have room. Keys are hashes there, and
// every one of them expires.
//
// This process counts for itself besides: what that refuses is refused without a
// call, what the shared counts admit it takes only if it has room itself by then, and
// when they do not answer in time it decides alone until they are back. Whatever becomes of them, P processes therefore never admit more than P
// times what a limit says, and one of them never more than the limit. A question whose
// answer was lost may have been counted twice: once more than it should, never less.
//
// What a question has used is told afterwards, in the background. Until then, usually
// for a millisecond, its estimate stays taken for the other processes. Where it held a place
// under `concurrent`, Settle waits for that, as long as a question would.
// The places of a process that died are free again after 15 seconds.
type Joint struct {
	counts   Counts
	local    *Local
	now      func() time.Time
	log      *slog.Logger
	deadline time.Duration
	base     string // of the names under which the process counts
	unmet    bool   // the log has said that counts could not be reached at the start

	up     atomic.Bool
	lost   atomic.Uint64 // calls without an answer
	alone  atomic.Uint64 // questions that were decided here alone
	missed atomic.Uint64 // settlements that were given up

	mu      sync.Mutex
	since   time.Time
	doubt   time.Duration // how much later than usual lost counts are looked at
	epoch   uint64
	pid     string         // the name that new places are taken under
	running map[string]int // places and estimates to be settled, by name
	queue   []settlement
	sending bool
	waiting []chan struct{} // of Flush

	wake   chan struct{}
	stop   chan struct{}
	worker sync.WaitGroup
}

// StartJoint returns a Joint on counts and starts its one goroutine; Close ends it. It
// waits a second at most for the first answer of counts and begins alone without it.
func StartJoint(counts Counts, o JointOptions) *Joint {
	if o.Deadline <= 0 {
		o.Deadline = jointDeadline
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	j := &Joint{
		counts: counts, local: NewLocal(o.Local), now: o.Now, log: o.Log, deadline: o.Deadline, base: rand.Text(),
		since: time.Now(), running: map[string]int{}, wake: make(chan struct{}, 1), stop: make(chan struct{}),
	}
	if err := j.beat(); err != nil {
		j.unmet = true
		j.log.Warn("the shared limits cannot be reached: this process counts alone", "why", err)
	}
	j.worker.Go(j.run)
	return j
}

// Close tells the shared counts what is still to be told, for a second at most, and
// stops. No question may be admitted or settled after it.
func (j *Joint) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if j.up.Load() {
		_ = j.Flush(ctx)
	}
	close(j.stop)
	j.worker.Wait()
	if j.up.Load() {
		_, _ = j.counts.Run(ctx, scriptLeave, []string{keyAlive}, j.names())
	}
}

// Admit implements Limiter.
func (j *Joint) Admit(ctx context.Context, s Subject) (Grant, error) {
	if err := s.usable(ctx); err != nil || s.n == 0 {
		return Grant{}, err
	}
	if s.Place {
		return j.local.Admit(ctx, s)
	}
	if !j.up.Load() {
		j.alone.Add(1)
		return j.local.Admit(ctx, s)
	}
	if err := j.local.look(&s); err != nil {
		return Grant{}, err
	}
	c := newCall(&s)
	c.ticket = j.ticket(c)
	behind := j.behind()
	worst, err := j.ask(ctx, c)
	if err == nil && behind && worst.kind > Requests && !worst.never && j.catchUp(ctx) {
		worst, err = j.ask(ctx, c) // what refused it was given back already, here
	}
	if err != nil {
		c.ticket.drop()
		j.lose(err)
		j.alone.Add(1)
		return j.local.Admit(ctx, s)
	}
	if worst.kind != 0 {
		c.ticket.drop()
		return Grant{}, worst.exceeded(c.tokens)
	}
	g, err := j.local.charge(&s)
	if err != nil { // only when the shared counts have forgotten what others were told
		c.ticket.cancel()
		return Grant{}, err
	}
	c.tell(&g)
	g.ticket = c.ticket
	return g, nil
}

// ask puts c to the shared counts. The time that it may take is its own: a client that
// leaves meanwhile must not leave the answer unknown.
func (j *Joint) ask(ctx context.Context, c *call) (verdict, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), j.deadline)
	defer cancel()
	answer, err := j.counts.Run(ctx, scriptAdmit, c.keys, c.args(j.clock()))
	if err != nil {
		return verdict{}, err
	}
	return c.read(answer)
}

// clock is the time as scripts take it.
func (j *Joint) clock() (sec, nsec string) {
	if j.now == nil {
		return "", ""
	}
	return clockOf(j.now())
}

// lose notes that a call has brought no answer.
func (j *Joint) lose(err error) {
	j.lost.Add(1)
	if !j.up.CompareAndSwap(true, false) {
		return
	}
	j.doubts(err, true)
	j.log.Warn("the shared limits do not answer: this process counts alone", "why", err)
	j.nudge()
}

// turned notes since when the counts answer.
func (j *Joint) turned() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.since = time.Now()
}

// doubts notes a fault that the counts were lost with, now, or that they still have. Those
// that give nonsense are looked at later each time: they may well answer the next look.
func (j *Joint) doubts(err error, now bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if now {
		if time.Since(j.since) > lookLatest {
			j.doubt = 0
		}
		j.since = time.Now()
	}
	if errors.Is(err, ErrNonsense) {
		j.doubt = min(max(2*j.doubt, lookEvery), lookLatest)
	}
}

// nextLook is when counts that are lost are looked at again; tried is when that was last
// done.
func (j *Joint) nextLook(tried time.Time) time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.since.After(tried) {
		tried = j.since
	}
	return tried.Add(max(j.doubt, lookEvery))
}

// JointStats is how a Joint stands, for metrics and for operators.
type JointStats struct {
	Up     bool      // the shared counts answer
	Since  time.Time // for how long that has been so
	Lost   uint64    // calls that had no answer in time
	Alone  uint64    // questions that this process decided alone
	Missed uint64    // settlements that never reached the shared counts
	Queued int       // settlements on their way
	Local  Stats
}

// Stats returns the counts of now.
func (j *Joint) Stats() JointStats {
	t := JointStats{Up: j.up.Load(), Lost: j.lost.Load(), Alone: j.alone.Load(), Missed: j.missed.Load(), Local: j.local.Stats()}
	j.mu.Lock()
	defer j.mu.Unlock()
	t.Since, t.Queued = j.since, len(j.queue)
	return t
}
