package postgres

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
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
				if err := s.Append(b.Context(), &convs[i], said(1)); err != nil {
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

// BenchmarkGrowth is how much longer a list, a look, a turn and a new conversation take with
// a million conversations and four million messages than with a thousand: the ratio of the
// medians. Want at most 1.3.
func BenchmarkGrowth(b *testing.B) {
	server := pgtest.Start(b, "shared_buffers=1GB", "max_wal_size=4GB")
	small, large := grownStore(b, server, 1_000), grownStore(b, server, 1_000_000)
	const warm = 400 // calls that are not measured: the first change of a page costs more
	type held struct {
		in store.Store
		n  int
	}
	convs := map[held]*store.Conversation{}
	for what, call := range map[string]func(s store.Store, n int) error{
		"list": func(s store.Store, n int) error {
			_, _, err := s.List(b.Context(), store.Filter{Owner: "o", Limit: 20, Plain: true})
			return err
		},
		"load": func(s store.Store, n int) error {
			_, err := s.Load(b.Context(), "o", store.Ref{ID: fmt.Sprint("conv_", 2*(n%warm)+2)}, store.Window{Messages: 64, Bytes: 1 << 20, View: store.ViewSent})
			return err
		},
		"turn": func(s store.Store, n int) error {
			at := held{s, n % warm}
			if convs[at] == nil { // not among those that are measured
				c, err := s.Load(b.Context(), "o", store.Ref{ID: fmt.Sprint("conv_", 2*(n%warm)+2)}, store.Window{Messages: -1})
				if err != nil {
					return err
				}
				convs[at] = c
			}
			return s.Append(b.Context(), convs[at], said(n))
		},
		"new": func(s store.Store, n int) error {
			return s.Append(b.Context(), &store.Conversation{ID: "conv_" + rand.Text(), Owner: "o"}, said(n))
		},
	} {
		b.Run(what, func(b *testing.B) {
			took := map[store.Store][]time.Duration{}
			for n := range b.N + warm {
				for _, s := range []store.Store{small, large} { // by turns: what else the machine does befalls both
					begun := time.Now()
					if err := call(s, n); err != nil {
						b.Fatal(err)
					}
					if n >= warm {
						took[s] = append(took[s], time.Since(begun))
					}
				}
			}
			median := func(s store.Store) float64 {
				slices.Sort(took[s])
				return float64(took[s][len(took[s])/2].Microseconds())
			}
			b.ReportMetric(median(small), "µs/small")
			b.ReportMetric(median(large), "µs/large")
			b.ReportMetric(median(large)/median(small), "ratio")
		})
	}
}

func grownStore(b *testing.B, server *pgtest.Server, conversations int) store.Store {
	b.Helper()
	url := server.Database(b)
	s := must(b, url)
	b.Cleanup(func() { _ = s.Close() })
	grown(b, server, url, conversations)
	return s
}
