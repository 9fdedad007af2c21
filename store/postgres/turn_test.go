package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

// trips counts the round trips of all connections to a server.
type trips struct{ n atomic.Int64 }

func (c *trips) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return &trip{Conn: conn, all: c}, err
}

// trip counts the writes that follow a read.
type trip struct {
	net.Conn
	all  *trips
	read atomic.Bool
}

func (c *trip) Write(b []byte) (int, error) {
	if c.read.Swap(false) {
		c.all.n.Add(1)
	}
	return c.Conn.Write(b)
}

func (c *trip) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.read.Store(true)
	}
	return n, err
}

// counted opens the store at url with one connection, whose round trips are counted.
func counted(t testing.TB, url string) (*database, *trips) {
	t.Helper()
	conf, err := configure(url + "&pool_max_conns=1")
	if err != nil {
		t.Fatal(err)
	}
	c := &trips{}
	conf.ConnConfig.DialFunc = c.dial
	d, err := start(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, c
}

func TestEachCallOfATurnIsOneRoundTrip(t *testing.T) {
	t.Parallel()
	d, trips := counted(t, pgtest.Start(t).Database(t))
	ctx, n := t.Context(), 0
	c := &store.Conversation{ID: "conv_0", Owner: "o"}
	calls := map[string]func() error{
		"a new conversation": func() error {
			n++
			c = &store.Conversation{ID: fmt.Sprint("conv_", n), Owner: "o"}
			return d.Append(ctx, c, said(0))
		},
		"a turn": func() error { return d.Append(ctx, c, said(1)) },
		"an answer anew": func() error {
			return d.Append(ctx, c, store.Turn{Marks: []store.Remark{{Mark: store.MarkSuperseded}}, Messages: said(2).Messages[1:], At: 2})
		},
		"a version": func() error { _, err := d.Version(ctx, "o", c.ID); return err },
		"a question's look": func() error {
			_, err := d.Load(ctx, "o", store.Ref{ID: c.ID}, store.Window{Messages: 64, Bytes: 1 << 20, View: store.ViewSent})
			return err
		},
		"a list": func() error { _, _, err := d.List(ctx, store.Filter{Owner: "o", Limit: 20}); return err },
		"rows of the ledger": func() error {
			return d.Record(ctx, make([]store.Entry, 50))
		},
	}
	if err := calls["a new conversation"](); err != nil {
		t.Fatal(err)
	}
	for what, call := range calls {
		if err := call(); err != nil { // which prepares the statement
			t.Fatal(what, err)
		}
		before := trips.n.Load()
		for range 5 {
			if err := call(); err != nil {
				t.Fatal(what, err)
			}
		}
		if made := trips.n.Load() - before; made != 5 {
			t.Errorf("%s: %d round trips for 5", what, made)
		}
	}
}

func TestTurnsThatWaitShareARoundTripAndOneThatFailsIsAlone(t *testing.T) {
	t.Parallel()
	d, trips := counted(t, pgtest.Start(t).Database(t))
	messages, err := toColumns(said(1).Messages)
	if err != nil {
		t.Fatal(err)
	}
	ready := func(o *op) *op {
		o.ctx = t.Context()
		return o
	}
	begin := func(id, key string) *op {
		n := &turn{conv: store.Conversation{ID: id, Owner: "o" + id[len(id)-1:], Key: key}}
		return ready(n.create(said(0), messages))
	}
	commit := func(ops []*op) (made int64) {
		t.Helper()
		before := trips.n.Load()
		if err := d.commit(ops); err != nil {
			t.Fatal(err)
		}
		return trips.n.Load() - before
	}
	commit([]*op{begin("conv_first", "")}) // which prepares the statement
	var ops []*op
	for i := range backend.Batch {
		ops = append(ops, begin(fmt.Sprint("conv_", i), ""))
	}
	if made := commit(ops); made != 1 {
		t.Errorf("%d round trips for %d turns", made, len(ops))
	}
	ops = ops[:0]
	for i := range backend.Batch {
		ops = append(ops, begin(fmt.Sprint("conv_0", i), "the same for all"))
	}
	commit(ops) // in the transaction only the first of each owner finds the key free
	stored := 0
	for _, o := range ops {
		if o.err == nil {
			stored++
		} else if !errors.Is(o.err, store.ErrExists) {
			t.Error(o.err)
		}
	}
	if stored != 10 {
		t.Errorf("%d conversations of 10 owners have one key", stored)
	}
}

// plans returns how the server makes a statement, with plans of statements that it knows
// for long.
func plans(t *testing.T, d *database, query string, args ...any) string {
	t.Helper()
	var all []string
	conn, err := d.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	rows, err := conn.Query(t.Context(), "EXPLAIN "+query, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

// grown fills a database with conversations of many owners, and of one who has most.
func grown(t testing.TB, server *pgtest.Server, url string, conversations int) {
	t.Helper()
	name := pgtest.NameOf(url)
	server.Exec(t, name,
		fmt.Sprintf(`INSERT INTO dragoman.conversations (id, owner, num, key, usr, grp, name, model, web, created, updated, count, plain, last, tail, version)
			SELECT 'conv_' || n, CASE WHEN n %% 2 = 0 THEN 'o' ELSE 'o' || n %% 1000 END, n, 'k' || n, 'u' || n %% 100, '', 'name', 'model', false, n, n, 4, 4, 'answer', 4, n + 10
			FROM generate_series(1, %d) n`, conversations),
		`INSERT INTO dragoman.owners SELECT owner, max(num) + 1, count(*) FROM dragoman.conversations GROUP BY owner`,
		`INSERT INTO dragoman.messages SELECT cid, m, CASE m % 2 WHEN 0 THEN 'user' ELSE 'assistant' END, '', '[{"k":"text","t":"' || repeat('word ', 40) || '"}]', cid, false, 0, 456, 'word'
			FROM dragoman.conversations, generate_series(0, 3) m`,
		`INSERT INTO dragoman.ledger (request, attempt, at, caller, grp, rule, usr, front, model, channel, key, upstream, outcome, status, input, output, cached, estimated, cost, queue, open, first, took, count)
			SELECT 'r' || n / 2, n % 2, n, 'o' || n % 1000, '', '', '', '', '', '', 0, '', 'ok', 200, 1, 1, 0, false, 1, 0, 0, 0, 0, 1 FROM generate_series(1, `+fmt.Sprint(conversations)+`) n`,
		"VACUUM ANALYZE")
}

func TestNothingThatIsAskedForEachQuestionIsScanned(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	s := must(t, url)
	defer func() { _ = s.Close() }()
	grown(t, server, url, 20_000)
	d, user, group := s.(*database), "u4", ""
	page := regexp.MustCompile(`Limit [^\n]*\n +-> +Index Scan`) // the rows come in order
	check := func(what, query string, args ...any) {
		t.Helper()
		plan := plans(t, d, query, args...)
		if strings.Contains(plan, "Seq Scan") || strings.HasPrefix(what, "a list") && !page.MatchString(plan) {
			t.Errorf("%s:\n%s", what, plan)
		}
	}
	for what, f := range map[string]store.Filter{
		"the newest": {}, "by number": {ByNum: true}, "of whole turns": {Plain: true}, "of a user": {User: &user}, "of a user in private, whole turns": {User: &user, Group: &group, Plain: true},
	} {
		f.Owner, f.Limit = "o", 20
		query, args := listing(f)
		check("a list: "+what, query, args...)
	}
	for what, ref := range map[string]store.Ref{"by id": {ID: "conv_8"}, "by number": {Num: 8}, "by key": {Key: "k8"}, "by user": {User: "u8"}} {
		l := &loading{owner: "o", window: store.Window{Messages: 20, Bytes: 1 << 20, View: store.ViewSent}, most: 21}
		if err := l.find(ref); err != nil {
			t.Fatal(err)
		}
		check("a look: "+what, l.query, l.args...)
	}
	n := &turn{conv: store.Conversation{ID: "conv_8", Owner: "o", Version: 18, Created: 1}}
	messages, err := toColumns(said(1).Messages)
	if err != nil {
		t.Fatal(err)
	}
	o := n.extend(said(1), messages)
	check("a turn", o.query, o.args...)
	o = n.extend(store.Turn{Marks: []store.Remark{{Mark: store.MarkFailed}}}, &columns{})
	check("marks", o.query, o.args...)
	o = n.create(said(1), messages)
	check("a new conversation", o.query, o.args...)
	where, args := choose(store.EntryFilter{Caller: "o5", From: 1, Requests: true})
	check("what a caller spent", totalsQuery+where, args...)
	where, args = choose(store.EntryFilter{Request: "r5"})
	check("the rows of a request", `SELECT * FROM dragoman.ledger`+where+` ORDER BY seq DESC LIMIT 10`, args...)
	server.Exec(t, pgtest.NameOf(url), `INSERT INTO dragoman.batches SELECT n, clock_timestamp() FROM generate_series(1, 20000) n`, `ANALYZE dragoman.batches`)
	recorded := plans(t, d, insertBatch, append(entryArgs(make([]store.Entry, 2)), int64(1))...)
	if !strings.Contains(recorded, "Index Cond: (at < ") {
		t.Errorf("all batches of the hour are looked at for each one:\n%s", recorded)
	}
}
