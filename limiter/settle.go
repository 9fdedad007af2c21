package limiter

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"strconv"
	"time"
)

// What waits to be told to the shared counts: at most so many questions, and so many
// in one call.
const (
	mostQueued = 8192
	mostAtOnce = 64
)

var errFault = errors.New("limiter: a fault of the gateway")

// ticket is what an admitted question holds of the shared counts.
type ticket struct {
	j      *Joint
	pid    string   // the name that the places were taken under
	keys   []string // of the counts
	rules  [MaxBounds]*Rule
	tokens int
}

// settlement is a ticket on its way back.
type settlement struct {
	*ticket
	used      int
	never     bool          // the question was never there
	sec, nsec string        // when, where tests say
	told      chan struct{} // closed when that is over; nil: nobody waits
}

// ticket notes that c may take places under the present name of the process.
func (j *Joint) ticket(c *call) *ticket {
	t := &ticket{j: j, tokens: c.tokens, keys: c.keys[1:], rules: c.rules}
	j.mu.Lock()
	defer j.mu.Unlock()
	t.pid = j.pid
	j.running[t.pid]++
	return t
}

// touches reports whether the count i has to hear of s.
func (s *settlement) touches(i int) bool {
	r := s.rules[i]
	return s.never || r.tokens.N > 0 || r.concurrent > 0
}

func (s *settlement) anything() bool {
	for i := range s.keys {
		if s.touches(i) {
			return true
		}
	}
	return false
}

// drop gives up a ticket under which nothing was taken, or nobody knows.
func (t *ticket) drop() {
	t.j.mu.Lock()
	defer t.j.mu.Unlock()
	t.j.done(t.pid)
}

// over ends the wait for s.
func (s *settlement) over() {
	if s.told != nil {
		close(s.told)
	}
}

// done is called under the lock.
func (j *Joint) done(pid string) {
	if j.running[pid]--; j.running[pid] <= 0 {
		delete(j.running, pid)
	}
}

// settle tells what the question has used. A place that it held is free for all processes when
// settle returns, or will be soon where that takes longer than a question may wait: the next
// question may come to any of them.
func (t *ticket) settle(used int) {
	s := settlement{ticket: t, used: used}
	if !t.holds() || !t.j.up.Load() {
		t.j.enqueue(s)
		return
	}
	s.told = make(chan struct{})
	t.j.enqueue(s)
	late := time.NewTimer(min(t.j.deadline, patience))
	defer late.Stop()
	select {
	case <-s.told:
	case <-late.C:
	}
}

// unhurried is how long a call may take that nobody waits for.
func (j *Joint) unhurried() time.Duration { return max(patience, j.deadline) }

// holds reports whether the ticket has a place among those that may run at once.
func (t *ticket) holds() bool {
	for _, r := range t.rules[:len(t.keys)] {
		if r.concurrent > 0 {
			return true
		}
	}
	return false
}

func (t *ticket) cancel() { t.j.enqueue(settlement{ticket: t, never: true}) }

// enqueue lets the goroutine tell s. When too much waits it is given up, and the
// process takes another name: the old one's places are free once its last known
// question has ended.
func (j *Joint) enqueue(s settlement) {
	s.sec, s.nsec = j.clock()
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case !s.anything():
		j.done(s.pid)
		s.over()
	case len(j.queue) >= mostQueued:
		j.missed.Add(1)
		j.done(s.pid)
		s.over()
		if s.pid == j.pid {
			j.rename()
		}
	default:
		j.queue = append(j.queue, s)
		j.nudge()
	}
}

// rename gives the process another name; it is called under the lock.
func (j *Joint) rename() {
	j.epoch++
	j.pid = j.base + "." + strconv.FormatUint(j.epoch, 36)
}

// names are those under which the process holds anything.
func (j *Joint) names() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	names := []string{j.pid}
	for pid := range j.running {
		if pid != j.pid {
			names = append(names, pid)
		}
	}
	return names
}

func (j *Joint) nudge() {
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

// behind reports whether something is still to be told.
func (j *Joint) behind() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.sending || len(j.queue) > 0
}

// catchUp waits until what was settled before is told, for no longer than a question
// may wait. It reports whether that is so.
func (j *Joint) catchUp(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, j.deadline)
	defer cancel()
	return j.Flush(ctx) == nil
}

// Flush waits until the shared counts know what was settled before. It returns nil also
// when they were lost meanwhile; the error is that of ctx.
func (j *Joint) Flush(ctx context.Context) error {
	j.mu.Lock()
	if !j.sending && len(j.queue) == 0 {
		j.mu.Unlock()
		return nil
	}
	told := make(chan struct{})
	j.waiting = append(j.waiting, told)
	j.mu.Unlock()
	select {
	case <-told:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the goroutine of j: it works until Close, and begins anew after a fault of its
// own, ever later while faults follow each other.
func (j *Joint) run() {
	defer func() { _ = recover() }() // works has its own, after which it begins anew
	pause := restartFirst
	for {
		began := time.Now()
		if j.works() {
			return
		}
		if time.Since(began) > restartMost {
			pause = restartFirst
		}
		again := time.NewTimer(pause)
		select {
		case <-j.stop:
			again.Stop()
			return
		case <-again.C:
		}
		pause = min(2*pause, restartMost)
	}
}

// works is work until Close, which it reports, or until a fault: then the process counts
// alone until the next beat, under another name, and nobody waits for what was not told.
func (j *Joint) works() (ended bool) {
	defer func() {
		if bug := recover(); bug != nil {
			j.log.Error("panic", "where", "limiter", "what", bug, "stack", string(debug.Stack()))
			j.lose(errFault)
			j.release()
		}
	}()
	j.work()
	return true
}

// work tells what was settled, says that the process lives, and looks whether counts
// that were lost are back.
func (j *Joint) work() {
	timer := time.NewTimer(beatEvery)
	defer timer.Stop()
	tried := time.Now()
	due := tried.Add(beatEvery)
	for {
		select {
		case <-j.stop:
			return
		case <-j.wake:
		case <-timer.C:
		}
		if now := time.Now(); !now.Before(due) {
			_ = j.beat()
			tried, due = now, now.Add(beatEvery)
		}
		for j.up.Load() && j.send() {
		}
		if !j.up.Load() {
			j.release()
			due = j.nextLook(tried)
		}
		timer.Reset(max(time.Until(due), 0))
	}
}

// send tells the next settlements. It reports whether there may be more.
func (j *Joint) send() (more bool) {
	batch := j.next()
	if len(batch) == 0 {
		j.release()
		return false
	}
	told := false
	defer func() { j.sent(batch, told) }()
	var keys []string
	args := []string{batch[0].sec, batch[0].nsec}
	for i := range batch {
		s := &batch[i]
		for k, key := range s.keys {
			if s.touches(k) {
				keys = append(keys, key)
				args = append(args, s.pid, strconv.Itoa(s.tokens), strconv.Itoa(s.used), map[bool]string{true: "1", false: "0"}[s.never])
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), j.unhurried())
	defer cancel()
	if _, err := j.counts.Run(ctx, scriptSettle, keys, args); err != nil {
		j.lose(err)
		return false
	}
	told = true
	return true
}

// next takes what is to be told together off the queue.
func (j *Joint) next() (batch []settlement) {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := 0
	for n < min(len(j.queue), mostAtOnce) && j.queue[n].sec == j.queue[0].sec && j.queue[n].nsec == j.queue[0].nsec {
		n++
	}
	batch = slices.Clone(j.queue[:n])
	if j.queue = j.queue[n:]; len(j.queue) == 0 {
		j.queue = nil
	}
	j.sending = n > 0
	return batch
}

// sent forgets what was told, or may have been: told twice it would be given back twice.
func (j *Joint) sent(batch []settlement, told bool) {
	if !told {
		j.missed.Add(uint64(len(batch)))
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.sending = false
	for _, s := range batch {
		j.done(s.pid)
		s.over()
	}
}

// release lets those go on that wait for Flush.
func (j *Joint) release() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, told := range j.waiting {
		close(told)
	}
	j.waiting = nil
}

// beat says that the process lives. Where the counts were lost, or have lost their own
// memory, it goes on under another name: nobody knows what the old one holds.
func (j *Joint) beat() error {
	was := j.up.Load()
	if !was {
		j.mu.Lock()
		j.rename()
		j.mu.Unlock()
	}
	fresh, err := j.announce()
	if err != nil {
		if was {
			j.lose(err)
		} else {
			j.doubts(err, false)
		}
		return err
	}
	if was && fresh {
		j.mu.Lock()
		j.rename()
		j.mu.Unlock()
		if _, err = j.announce(); err != nil {
			j.lose(err)
			return err
		}
	}
	if !was && j.up.CompareAndSwap(false, true) {
		j.turned()
		if j.unmet || j.lost.Load() > 0 || j.alone.Load() > 0 {
			j.log.Info("the shared limits answer again")
		}
	}
	return nil
}

// announce reports whether names were unknown.
func (j *Joint) announce() (fresh bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), j.unhurried())
	defer cancel()
	sec, nsec := j.clock()
	answer, err := j.counts.Run(ctx, scriptBeat, []string{keyAlive}, append([]string{sec, nsec, strconv.Itoa(lease)}, j.names()...))
	if err == nil && len(answer) != 8 {
		err = ErrNonsense
	}
	if err != nil {
		return false, err
	}
	return double(answer, 0) > 0, nil
}
