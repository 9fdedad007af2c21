package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/dragoman-gateway/dragoman/internal/fleettest"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
)

// fleetConf is the configuration of each of several replicas. A busy machine keeps the Redis
// from answering for longer than a question usually waits.
const fleetConf = `
store: {url: "{STORE}"}
shared: {url: "{SHARED}", wait: 2s}
callers: {keys: [{name: alice, key: ` + childKey + `}]}
presets: {default: {model: echo}, sloth: {model: slow}, snail: {model: slower}}
channels: [{id: m, kind: mock, models: [echo, {name: slow, upstream: long-10-slow-100}, {name: slower, upstream: long-20-slow-400}]}]
drain: 60s
grace: 1s
admin: {listen: "127.0.0.1:0", token: operator-token}
`

// thisProgram runs this very binary as the program.
func thisProgram(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serveArgs+"="+strings.Join(args, "\n"))
	return cmd
}

// replicas are three gateways on a database of server, with a configuration.
func replicas(t *testing.T, server *pgtest.Server, shared *redistest.Server, text string) (f *fleettest.Fleet, db string) {
	t.Helper()
	url := server.Database(t)
	return fleettest.Start(t, fleettest.Options{Program: thisProgram, Text: text, Store: url, Shared: shared.URL(0)}), pgtest.NameOf(url)
}

// audits has the database note which replica took each ticket, and which stored each question.
var audits = []string{
	`CREATE TABLE tickets (n bigint PRIMARY KEY, app text)`,
	`CREATE TABLE turns (n bigint PRIMARY KEY, app text)`,
	`CREATE FUNCTION ticket() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO tickets VALUES (NEW.ticket, current_setting(''application_name'')); RETURN NULL; END'`,
	`CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO turns VALUES (NEW.seq, current_setting(''application_name'')); RETURN NULL; END'`,
	`CREATE TRIGGER audit AFTER INSERT ON dragoman.tickets FOR EACH ROW EXECUTE FUNCTION ticket()`,
	`CREATE TRIGGER audit AFTER INSERT ON dragoman.messages FOR EACH ROW WHEN (NEW.role = 'user') EXECUTE FUNCTION turn()`,
}

// value is the only value that a query of the database db brings.
func value[T any](t *testing.T, server *pgtest.Server, db, query string) (v T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), server.URL(db))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// Each replica keeps its own turns in the order of its tickets. So the turns are in the order
// of the tickets where the replicas that stored them come in the order of those that took these.
// DRAGOMAN_TEST_FLEET_QUESTIONS makes it longer.
func TestOneConversationOverThreeReplicasHasEachQuestionOnceInTheOrderOfTheTickets(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	f, db := replicas(t, server, redistest.Start(t), fleetConf)
	askedAtOnce(t, f, server, db, number("DRAGOMAN_TEST_FLEET_QUESTIONS", 60))
}

// askedAtOnce puts questions to one conversation of f, which has the database db of server.
func askedAtOnce(t *testing.T, f *fleettest.Fleet, server *pgtest.Server, db string, questions int) {
	t.Helper()
	server.Exec(t, db, audits...)
	c := &child{addr: f.Addr}
	var all sync.WaitGroup
	for i := range questions {
		all.Go(func() {
			if status, body, err := c.ask("one", fmt.Sprint("question ", i)); err != nil || status != http.StatusOK {
				t.Errorf("%d: %d %s %v", i, status, body, err)
			}
		})
	}
	all.Wait()
	if n := len(c.ids(t)); n != 1 {
		t.Errorf("there are %d conversations", n)
	}
	if n := len(c.stored(t)); n != questions {
		t.Errorf("%d of %d questions are stored", n, questions)
	}
	tickets := value[string](t, server, db, `SELECT string_agg(app, ' ' ORDER BY n) FROM tickets`)
	turns := value[string](t, server, db, `SELECT string_agg(app, ' ' ORDER BY n) FROM turns`)
	if tickets != turns {
		t.Errorf("the tickets were taken by\n%s\nand the turns stored by\n%s", tickets, turns)
	}
	for _, r := range f.Replicas {
		if !strings.Contains(tickets, r.Name) {
			t.Errorf("%s was not asked", r.Name)
		}
	}
}
