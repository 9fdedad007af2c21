package postgres

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store/backend"
)

// channelOf is where a process that gives a ticket back tells the others.
const channelOf = "dragoman_turn"

// leases are those of one process. Its goroutines run until Close of the store.
type leases struct {
	d       *database
	replica string // name of the process, made at random
	stop    context.Context
	cancel  context.CancelFunc
	done    sync.WaitGroup
	log     *slog.Logger
	hears   atomic.Bool // words of the server come through

	mu      sync.Mutex
	waiting map[string]map[*lease]struct{} // by name
	ended   []*lease                       // whose tickets are to be given back
	some    chan struct{}                  // there are ended ones
}

// Tell gives the store a log, before it is used. Without one it says nothing.
func (d *database) Tell(log *slog.Logger) { d.log = log }

// leasing returns the leases of this process, which begin with the first one.
func (d *database) leasing(ctx context.Context) (*leases, error) {
	d.leaseMu.Lock()
	defer d.leaseMu.Unlock()
	if d.leases == nil {
		a := &leases{d: d, replica: rand.Text(), log: d.log, waiting: map[string]map[*lease]struct{}{}, some: make(chan struct{}, 1)}
		if a.log == nil {
			a.log = slog.New(slog.DiscardHandler)
		}
		if err := a.beat(ctx); err != nil {
			return nil, err
		}
		a.stop, a.cancel = context.WithCancel(context.Background())
		for what, do := range map[string]func(){"heartbeats of leases": a.beats, "the return of leases": a.returns, "words about leases": a.listens} {
			a.done.Go(func() {
				for a.stop.Err() == nil {
					a.guard(what, do)
				}
			})
		}
		d.leases = a
	}
	return d.leases, nil
}

// guard lets a goroutine go on after a panic.
func (a *leases) guard(what string, do func()) {
	defer func() {
		if bug := recover(); bug != nil {
			a.log.Error("panic", "where", what, "what", bug)
		}
	}()
	do()
}

// close gives all tickets back.
func (a *leases) close() {
	a.cancel()
	a.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), leaseMost)
	defer cancel()
	b := &pgx.Batch{}
	b.Queue(`WITH t AS (DELETE FROM dragoman.tickets WHERE replica = $1 RETURNING name) SELECT pg_notify($2, name) FROM (SELECT DISTINCT name FROM t) t`, a.replica, channelOf)
	b.Queue(`DELETE FROM dragoman.replicas WHERE replica = $1`, a.replica)
	if err := a.d.pool.SendBatch(ctx, b).Close(); err != nil {
		a.log.Warn("the places of this process in conversations were not given back: others wait some seconds for them", "why", inWords(err))
	}
}

// beats tells the server that the process lives, and removes what dead ones left.
func (a *leases) beats() {
	every := time.NewTicker(beatEvery)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			_ = a.beat(a.stop) // the next one may get through
		case <-a.stop.Done():
			return
		}
	}
}

func (a *leases) beat(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, leaseMost)
	defer cancel()
	b := &pgx.Batch{}
	a.d.queueClock(b, a.log)
	b.Queue(`INSERT INTO dragoman.replicas (replica, seen) VALUES ($1, clock_timestamp()) ON CONFLICT (replica) DO UPDATE SET seen = excluded.seen`, a.replica)
	b.Queue(`DELETE FROM dragoman.replicas WHERE seen < clock_timestamp() - interval '1 minute'`)
	b.Queue(`DELETE FROM dragoman.tickets t WHERE NOT EXISTS (SELECT FROM dragoman.replicas r WHERE r.replica = t.replica)`)
	return a.d.pool.SendBatch(bounded, b).Close()
}

// await notes that l is to hear when a ticket of its conversation is given back.
func (a *leases) await(l *lease) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting[l.name] == nil {
		a.waiting[l.name] = map[*lease]struct{}{}
	}
	a.waiting[l.name][l] = struct{}{}
}

// wake lets those who wait for a conversation look; empty: all.
func (a *leases) wake(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for at, those := range a.waiting {
		if name != "" && name != at {
			continue
		}
		for l := range those {
			select {
			case l.woken <- struct{}{}:
			default:
			}
		}
	}
}

func (a *leases) giveBack(l *lease) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.waiting[l.name], l)
	if len(a.waiting[l.name]) == 0 {
		delete(a.waiting, l.name)
	}
	a.ended = append(a.ended, l)
	select {
	case a.some <- struct{}{}:
	default:
	}
}

// returns gives tickets back, all that wait for it at once, until the server has taken them.
func (a *leases) returns() {
	for {
		select {
		case <-a.some:
		case <-a.stop.Done():
			return
		}
		a.mu.Lock()
		ended := a.ended
		a.ended = nil
		a.mu.Unlock()
		for len(ended) > 0 {
			n := min(len(ended), backend.Batch)
			for a.remove(ended[:n]) != nil {
				pause := time.NewTimer(againMost)
				select {
				case <-pause.C:
				case <-a.stop.Done():
					pause.Stop()
					return
				}
			}
			ended = ended[n:]
		}
	}
}

// remove takes tickets away and tells those who wait behind them.
func (a *leases) remove(ended []*lease) error {
	ctx, cancel := context.WithTimeout(a.stop, leaseMost)
	defer cancel()
	names, nonces := make([]string, len(ended)), make([]int64, len(ended))
	for i, l := range ended {
		names[i], nonces[i] = l.name, l.nonce
	}
	b := &pgx.Batch{}
	b.Queue(`SELECT pg_advisory_xact_lock(h) FROM (SELECT DISTINCT hashtextextended(name, 7367266) AS h FROM unnest($1::text[]) AS n (name) ORDER BY 1) h`, names)
	b.Queue(`WITH t AS (DELETE FROM dragoman.tickets t USING unnest($1::text[], $2::bigint[]) AS e (name, nonce) WHERE t.name = e.name AND t.nonce = e.nonce RETURNING t.name, t.ticket)
		SELECT pg_notify($3, name) FROM (SELECT DISTINCT name FROM t WHERE EXISTS (
			SELECT FROM dragoman.tickets w WHERE w.name = t.name AND w.ticket > t.ticket AND (w.name, w.ticket) NOT IN (SELECT name, ticket FROM t))) t`, names, nonces, channelOf)
	return a.d.pool.SendBatch(ctx, b).Close()
}

// pause is for how long whoever waits hears nothing before it looks.
func (a *leases) pause() time.Duration {
	if a.hears.Load() {
		return lookEvery
	}
	return lookOften
}

// listens hears what other processes give back, on a connection of its own. Behind a pooler
// that gives it away after each statement no word comes: then those who wait look often.
func (a *leases) listens() {
	told := false
	for a.stop.Err() == nil {
		err := a.listen()
		if a.hears.Swap(false) {
			told = false
		}
		if a.stop.Err() == nil && !told {
			a.log.Warn("no word of the database comes through: turns that wait for other processes look for their place five times a second", "why", inWords(err))
			told = true
		}
		pause := time.NewTimer(lookEvery)
		select {
		case <-pause.C:
		case <-a.stop.Done():
			pause.Stop()
		}
	}
}

func (a *leases) listen() error {
	begun, cancel := context.WithTimeout(a.stop, leaseMost)
	defer cancel()
	conn, err := pgx.ConnectConfig(begun, a.d.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		ended, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ended) // it only listened
	}()
	if _, err := conn.Exec(begun, "LISTEN "+channelOf); err != nil {
		return err
	}
	// What is told on another connection must come through on this one.
	if _, err := a.d.pool.Exec(begun, `SELECT pg_notify($1, $2)`, channelOf, a.replica); err != nil {
		return err
	}
	for waiting := begun; ; {
		word, err := conn.WaitForNotification(waiting)
		if err != nil {
			return err
		}
		if word.Payload != a.replica {
			a.wake(word.Payload)
			continue
		}
		waiting = a.stop
		a.hears.Store(true)
		a.wake("") // something may have been told before
	}
}
