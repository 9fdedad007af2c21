package postgres

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

const benchCallers = 64

// BenchmarkTurns is how many turns a second the disk has when they are acknowledged, of 64
// callers, beside pgbench with as many clients that make an equal transaction on the same
// server: one row changed by its key, two of the same size added, one commit. Want a ratio of
// at least 0.5.
func BenchmarkTurns(b *testing.B) {
	server := pgtest.Start(b, "fsync=on", "synchronous_commit=on")
	url := server.Database(b)
	s := must(b, url)
	defer func() { _ = s.Close() }()
	convs := make([]store.Conversation, benchCallers)
	for i := range convs {
		convs[i] = store.Conversation{ID: fmt.Sprint("conv_", i), Owner: "o"}
		if err := s.Append(b.Context(), &convs[i], said(0)); err != nil {
			b.Fatal(err)
		}
	}
	theirs := pgbench(b, server, url)
	var all sync.WaitGroup
	var todo atomic.Int64
	todo.Store(int64(b.N))
	b.ResetTimer()
	for i := range convs {
		all.Go(func() {
			for todo.Add(-1) >= 0 {
				if err := s.Append(b.Context(), &convs[i], later(1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	ours := float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(ours, "turns/s")
	b.ReportMetric(theirs, "pgbench/s")
	b.ReportMetric(ours/theirs, "ratio")
}

// pgbench is how many equal transactions a second it makes.
func pgbench(b *testing.B, server *pgtest.Server, url string) float64 {
	b.Helper()
	name := pgtest.NameOf(url)
	server.Exec(b, name, `CREATE TABLE bench AS SELECT * FROM dragoman.conversations`, `ALTER TABLE bench ADD PRIMARY KEY (id)`,
		`CREATE INDEX ON bench (owner, num)`, `CREATE INDEX ON bench (owner, key)`, `CREATE INDEX ON bench (owner, updated DESC, id)`, `CREATE INDEX ON bench (owner, usr, updated DESC, id, grp)`,
		`CREATE TABLE bench_messages (LIKE dragoman.messages INCLUDING ALL)`)
	script := filepath.Join(b.TempDir(), "turn.sql")
	turn := `UPDATE bench SET model = 'm', web = false, updated = updated + 1, last = 'answer 1', count = count + 2, plain = plain + 2, tail = tail + 2, version = version + 1 WHERE id = 'conv_' || :client_id RETURNING cid, tail \gset
INSERT INTO bench_messages VALUES (:cid, :tail, 'user', '', '[{"k":"text","t":"question 1"}]', 1, false, 0, 394, 'question 1'), (:cid, :tail + 1, 'assistant', '', '[{"k":"text","t":"answer 1"}]', 1, false, 0, 392, 'answer 1');
`
	if err := os.WriteFile(script, []byte("BEGIN;\n"+turn+"COMMIT;\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(server.Programs(), "pgbench"), "-n", "-M", "prepared", "-c", strconv.Itoa(benchCallers), "-j", "2", "-T", "5", "-f", script, url)
	out, err := cmd.CombinedOutput()
	found := regexp.MustCompile(`tps = ([\d.]+)`).FindSubmatch(out)
	if err != nil || found == nil {
		b.Fatalf("pgbench: %v\n%s", err, out)
	}
	tps, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return tps
}

// later is said now: two indexes have the time of a conversation's last turn.
func later(n int) store.Turn {
	t := said(n)
	t.At = time.Now().UnixMilli()
	return t
}

// spoken is later, with texts of the length that grown gives. Shorter ones would fit into the
// ends of pages, of which a table that was just filled and vacuumed has one for each of its
// pages: a large one much longer than a small one.
func spoken(n int) store.Turn {
	t := later(n)
	for i := range t.Messages {
		t.Messages[i].Parts = translate.TextMessage(translate.RoleUser, strings.Repeat("word ", 40)).Parts
	}
	return t
}

// BenchmarkGrowth is how much longer a list, a look, a turn and a new conversation take with
// a million conversations and four million messages than with a thousand: the ratio of the
// medians. Want at most 1.3. Both are vacuumed, and no checkpoint falls between: pages that a
// call changes were changed before. "old" is a turn in a conversation that nobody has asked for
// since the checkpoint, each time another one: all its pages are written to the log whole, and
// come from the system's memory where the server has no room. Nothing is wanted of it.
func BenchmarkGrowth(b *testing.B) {
	server := pgtest.Start(b, "shared_buffers=1GB", "max_wal_size=16GB", "checkpoint_timeout=1h", "autovacuum=off")
	small, large := grownStore(b, server, 1_000), grownStore(b, server, 1_000_000)
	server.Exec(b, "postgres", "CHECKPOINT")
	const warm = 400 // calls that are not measured, and conversations that are asked for again
	convs := map[string]*store.Conversation{}
	turn := func(s *sized, id int, n int) error {
		name := fmt.Sprint(s.conversations, " ", id)
		if convs[name] == nil { // not among those that are measured
			c, err := s.Load(b.Context(), "o", store.Ref{ID: fmt.Sprint("conv_", id)}, store.Window{Messages: -1})
			if err != nil {
				return err
			}
			convs[name] = c
		}
		begun := time.Now()
		defer func() { s.took = append(s.took, time.Since(begun)) }()
		return s.Append(b.Context(), convs[name], spoken(n))
	}
	for _, c := range []struct {
		what string
		call func(s *sized, n int) error
	}{
		{"old", func(s *sized, n int) error { return turn(s, s.place(n), n) }},
		{"list", func(s *sized, _ int) error {
			_, _, err := s.List(b.Context(), store.Filter{Owner: "o", Limit: 20, Plain: true})
			return err
		}},
		{"load", func(s *sized, n int) error {
			_, err := s.Load(b.Context(), "o", store.Ref{ID: fmt.Sprint("conv_", s.place(n%warm))}, store.Window{Messages: 64, Bytes: 1 << 20, View: store.ViewSent})
			return err
		}},
		{"turn", func(s *sized, n int) error { return turn(s, s.place(n%warm), n) }},
		{"new", func(s *sized, n int) error {
			return s.Append(b.Context(), &store.Conversation{ID: ids.New("conv_"), Owner: "o"}, spoken(n))
		}},
	} {
		b.Run(c.what, func(b *testing.B) { grows(b, small, large, warm, c.call) })
	}
}

// grows measures a call by turns on both: what else the machine does befalls both.
func grows(b *testing.B, small, large *sized, warm int, call func(s *sized, n int) error) {
	for n := range b.N + warm {
		for _, s := range []*sized{small, large} {
			if n == warm {
				s.took = s.took[:0]
			}
			before, begun := len(s.took), time.Now()
			if err := call(s, n); err != nil {
				b.Fatal(err)
			}
			if len(s.took) == before { // it measures no part of itself
				s.took = append(s.took, time.Since(begun))
			}
		}
	}
	median := func(s *sized) float64 {
		slices.Sort(s.took)
		return float64(s.took[len(s.took)/2].Nanoseconds()) / 1000
	}
	b.ReportMetric(median(small), "µs/small")
	b.ReportMetric(median(large), "µs/large")
	b.ReportMetric(median(large)/median(small), "ratio")
}

// sized is a store and how many conversations it had at first.
type sized struct {
	store.Store
	conversations int
	took          []time.Duration
}

// place is one of the conversations of the owner who has most, far from those before it.
func (s *sized) place(n int) int { return 2 * (1 + n*7919%(s.conversations/2)) }

func grownStore(b *testing.B, server *pgtest.Server, conversations int) *sized {
	b.Helper()
	url := server.Database(b)
	s := must(b, url)
	b.Cleanup(func() { _ = s.Close() })
	grown(b, server, url, conversations)
	return &sized{Store: s, conversations: conversations}
}
