package postgres

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
)

// Each caller goes on only from what was acknowledged, so a turn that was stored twice, or
// stored and not told, would be seen in its conversation.
func TestNothingAcknowledgedIsLostOrDoubledWhileTheServerCrashes(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	s := must(t, url)
	defer func() { _ = s.Close() }()
	var all sync.WaitGroup
	var stored, failed atomic.Int64
	var stop atomic.Bool
	convs := make([]store.Conversation, 16)
	turns := make([]int, len(convs))
	for i := range convs {
		all.Go(func() {
			c := &convs[i]
			*c = store.Conversation{ID: fmt.Sprint("conv_", i), Owner: "o"}
			for !stop.Load() {
				err := s.Append(t.Context(), c, said(turns[i]))
				switch {
				case err == nil:
					turns[i]++
					stored.Add(1)
				case errors.Is(err, ErrUnreachable):
					failed.Add(1)
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	for round := int64(1); round <= 3; round++ {
		for stored.Load() < 200*round && !t.Failed() {
			if err := t.Context().Err(); err != nil {
				t.Fatal(err)
			}
			_, _ = s.Version(t.Context(), "o", "conv_0")
		}
		server.Kill()
		server.Run()
	}
	stop.Store(true)
	all.Wait()
	for i := range convs {
		c, err := s.Load(t.Context(), "o", store.Ref{ID: convs[i].ID}, store.Window{})
		if err != nil {
			t.Fatal(err)
		}
		for n := range len(c.Messages) / 2 {
			if got, want := c.Messages[2*n].Text()+", "+c.Messages[2*n+1].Text(), fmt.Sprintf("question %d, answer %d", n, n); got != want {
				t.Fatalf("%s: turn %d is %q", c.ID, n, got)
			}
		}
		if len(c.Messages) != 2*turns[i] {
			t.Errorf("%s has %d messages after %d turns that were acknowledged", c.ID, len(c.Messages), turns[i])
		}
	}
	t.Logf("%d turns, %d refused", stored.Load(), failed.Load())
}

func TestADatabaseThatTakesNoChangesIsTold(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	c := &store.Conversation{ID: "conv_1", Owner: "o"}
	s := must(t, url)
	if err := errors.Join(s.Append(t.Context(), c, said(0)), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = must(t, url+"&default_transaction_read_only=on")
	defer func() { _ = s.Close() }()
	if _, err := s.Load(t.Context(), "o", store.Ref{ID: "conv_1"}, store.Window{}); err != nil {
		t.Error(err)
	}
	if err := s.Append(t.Context(), c, said(1)); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a turn: %v", err)
	}
	if err := s.Delete(t.Context(), "nobody", "nothing"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a change of nothing: %v", err)
	}
}

func TestALockThatIsNotGivenBackIsWaitedForOnlySoLong(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	c := &store.Conversation{ID: "conv_1", Owner: "o"}
	s := must(t, url+"&lock_timeout=50")
	defer func() { _ = s.Close() }()
	if err := s.Append(t.Context(), c, said(0)); err != nil {
		t.Fatal(err)
	}
	tx, err := s.(*database).pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM dragoman.conversations FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), c, said(1)); !errors.Is(err, ErrSlow) {
		t.Errorf("behind a lock: %v", err)
	}
	if err := errors.Join(tx.Rollback(t.Context()), s.Append(t.Context(), c, said(1))); err != nil {
		t.Error(err)
	}
}

func TestTheFaultsOfAServerAreToldApart(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]error{
		"53100": ErrFull, "25006": ErrReadOnly, "57014": ErrSlow, "57P01": ErrUnreachable, "57P03": ErrUnreachable, "53300": ErrUnreachable, "28P01": ErrUnreachable, "08006": ErrUnreachable,
	} {
		err := inWords(fmt.Errorf("somewhere: %w", &pgconn.PgError{Code: code, Message: "said", Detail: "Key (owner)=(alice)", Where: "query text"}))
		if !errors.Is(err, want) || !strings.Contains(err.Error(), code) || strings.Contains(err.Error(), "alice") || strings.Contains(err.Error(), "query text") {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// A batch whose outcome nobody knows is handed in again. Each row counts.
func TestABatchOfTheLedgerIsRecordedOnceHoweverOftenItIsHandedIn(t *testing.T) {
	t.Parallel()
	s := must(t, pgtest.Start(t).Database(t))
	defer func() { _ = s.Close() }()
	rows := []store.Entry{{Request: "r", At: 1, Cost: 1}, {Request: "r", At: 1, Cost: 1}}
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			if err := s.(store.Batcher).RecordBatch(t.Context(), int64(i%3), rows); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := s.(store.Ledger).Record(t.Context(), rows); err != nil {
		t.Error(err)
	}
	if sum, err := s.(store.Ledger).Totals(t.Context(), store.EntryFilter{}); err != nil || sum.Requests != 8 || sum.Cost != 8 {
		t.Errorf("%+v, %v", sum, err)
	}
}
