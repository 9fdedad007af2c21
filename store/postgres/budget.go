package postgres

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/store"
)

// lockAccounts lets those who look at an account and change it do so one after the other. It is
// a statement of its own: the next one sees what was done before.
const lockAccounts = `SELECT pg_advisory_xact_lock(n) FROM unnest($1::bigint[]) AS n`

// notForDisk has the transaction wait for no disk. A crash of the server may forget the last half
// second, but no account: the next call of each process says all of it again.
const notForDisk = `SELECT set_config('synchronous_commit', 'off', true)`

// most keeps sums from running over.
const most = `least(%s, 1152921504606846976)::bigint`

const ofAccount = `rule = $1 AND caller = $2 AND begins = $3 AND ends = $4`

// openAccount makes the account, or adds what the ledger has ($6) beyond what processes have told,
// and returns its number, $7 for a new one, and what the process $5 had spent. What a live process
// holds it may have spent by now, and tells so; a dead one tells no more.
var openAccount = `WITH told AS (
		SELECT coalesce(sum(spent), 0) + coalesce(sum(held) FILTER (WHERE replica = $5 OR replica IN (` + alive + `)), 0) AS sum, coalesce(sum(spent) FILTER (WHERE replica = $5), 0) AS own
		FROM dragoman.accounts WHERE ` + ofAccount + ` AND replica <> ''
	), base AS (
		INSERT INTO dragoman.accounts AS a (rule, caller, begins, ends, replica, seq, spent, held)
		SELECT $1, $2, $3, $4, '', $7, greatest($6::bigint - told.sum, 0)::bigint, 0 FROM told
		ON CONFLICT (rule, caller, begins, ends, replica) DO UPDATE SET spent = greatest(a.spent, excluded.spent)
		RETURNING seq
	) SELECT base.seq, ` + fmt.Sprintf(most, `told.own`) + ` FROM base, told`

// forgetAccounts removes some of the accounts whose period ended more than a day ago.
const forgetAccounts = `DELETE FROM dragoman.accounts WHERE ctid = ANY (ARRAY(SELECT ctid FROM dragoman.accounts
	WHERE ends < (extract(epoch FROM statement_timestamp()) * 1000)::bigint - 86400000 ORDER BY ends LIMIT 100 FOR UPDATE SKIP LOCKED))`

// reserve takes as many of the first wants ($10) as fit into the amount $9, and notes how the
// process $5 stands.
var reserve = `WITH others AS (
		SELECT coalesce(bool_or(replica = '' AND seq = $11), false) AS open, ` + fmt.Sprintf(most, `coalesce(sum(spent), 0)`) + ` AS spent,
			` + fmt.Sprintf(most, `coalesce(sum(held) FILTER (WHERE replica IN (`+alive+`)), 0)`) + ` AS held
		FROM dragoman.accounts WHERE ` + ofAccount + ` AND replica <> $5
	), wants AS (SELECT sum(amount) OVER (ORDER BY ord) AS upto FROM unnest($10::bigint[]) WITH ORDINALITY AS w (amount, ord)
	), taken AS (
		SELECT count(*) AS n, coalesce(max(upto), 0)::bigint AS amount FROM wants, others
		WHERE open AND upto <= $9::bigint - $7::bigint - $8::bigint - spent - held
	), own AS (
		INSERT INTO dragoman.accounts AS a (rule, caller, begins, ends, replica, seq, spent, held)
		SELECT $1, $2, $3, $4, $5, $6, $7, $8::bigint + taken.amount FROM others, taken WHERE open
		ON CONFLICT (rule, caller, begins, ends, replica) DO UPDATE SET seq = excluded.seq, spent = excluded.spent, held = excluded.held WHERE a.seq < excluded.seq
	) SELECT open, n, spent, held FROM others, taken`

// lockOf is the number of the lock of an account.
func lockOf(a *store.Account) int64 {
	sum := sha256.Sum256([]byte("account\x00" + a.Rule + "\x00" + a.Caller))
	return int64(binary.BigEndian.Uint64(sum[:]))
}

// OpenAccount implements [store.Budgeter].
func (d *database) OpenAccount(ctx context.Context, a store.Account, recorded int64) (opened, spent int64, err error) {
	all, err := d.leasing(ctx)
	if err != nil {
		return 0, 0, d.fault(ctx, err)
	}
	err = d.read(ctx, func(ctx context.Context) error {
		b := &pgx.Batch{}
		b.Queue(lockAccounts, []int64{lockOf(&a)})
		b.Queue(openAccount, text(a.Rule), text(a.Caller), a.From, a.To, all.replica, recorded, rand.Int64()).
			QueryRow(func(row pgx.Row) error { return row.Scan(&opened, &spent) })
		b.Queue(forgetAccounts)
		return d.pool.SendBatch(ctx, b).Close()
	})
	return opened, spent, err
}

// Reserve implements [store.Budgeter], in one round trip. A process that was taken for dead may
// go on beside those that have taken what it holds.
func (d *database) Reserve(ctx context.Context, accounts []store.Reserving) (answers []store.Reserved, err error) {
	if len(accounts) == 0 {
		return nil, d.open(ctx)
	}
	all, err := d.leasing(ctx)
	if err != nil {
		return nil, d.fault(ctx, err)
	}
	order := make([]int, len(accounts))
	locks := make([]int64, len(accounts))
	for i := range accounts {
		order[i], locks[i] = i, lockOf(&accounts[i].Account)
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(locks[i], locks[j]) })
	slices.Sort(locks)
	answers = make([]store.Reserved, len(accounts))
	err = d.read(ctx, func(ctx context.Context) error {
		b, seq := &pgx.Batch{}, d.calls.Add(1)
		b.Queue(notForDisk)
		b.Queue(lockAccounts, locks)
		for _, i := range order {
			r, to := &accounts[i], &answers[i]
			b.Queue(reserve, text(r.Rule), text(r.Caller), r.From, r.To, all.replica, seq, r.Spent, r.Held, r.Amount, r.Wants, r.Opened).QueryRow(func(row pgx.Row) error {
				return row.Scan(&to.Open, &to.Taken, &to.Spent, &to.Held)
			})
		}
		return d.pool.SendBatch(ctx, b).Close()
	})
	return answers, err
}
