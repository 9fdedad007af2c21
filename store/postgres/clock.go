package postgres

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// The clock of a process is taken as right while it is off by no more than clockNear; a
// server that took longer than clockLate to say its time is not believed.
const (
	clockNear = time.Second
	clockLate = time.Second
)

const serverTime = `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint`

// clock turns the time of this process into that of the server, by which conversations are
// listed: others put theirs into the same list. It is safe for concurrent use.
type clock struct{ ahead atomic.Int64 } // how far the server is ahead, in milliseconds

// at is when t, Unix milliseconds of this process, was for the server.
func (c *clock) at(t int64) int64 { return max(t+c.ahead.Load(), 0) }

// heard notes the time that the server has told when it was asked at began. It reports whether
// the process was not known to be off.
func (c *clock) heard(server int64, began time.Time) (news bool) {
	took := time.Since(began)
	if took > clockLate {
		return false
	}
	ahead := server - began.Add(took/2).UnixMilli()
	if max(ahead, -ahead) <= (clockNear + took/2).Milliseconds() {
		ahead = 0
	}
	return c.ahead.Swap(ahead) == 0 && ahead != 0
}

// askClock asks the server for its time.
func (d *database) askClock(ctx context.Context) error {
	began, server := time.Now(), int64(0)
	err := d.pool.QueryRow(ctx, serverTime).Scan(&server)
	if err == nil {
		d.clock.heard(server, began)
	}
	return err
}

// queueClock has the server tell its time with b, which is sent at once. log is told of a
// clock that is off.
func (d *database) queueClock(b *pgx.Batch, log *slog.Logger) {
	began := time.Now()
	b.Queue(serverTime).QueryRow(func(row pgx.Row) error {
		var server int64
		err := row.Scan(&server)
		if err == nil && d.clock.heard(server, began) {
			log.Warn("the clock of this process and that of the database differ: conversations are listed by that of the database",
				"behind", (time.Duration(d.clock.ahead.Load()) * time.Millisecond).Round(time.Second))
		}
		return err
	})
}
