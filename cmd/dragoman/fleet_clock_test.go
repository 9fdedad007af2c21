//go:build linux

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/fleettest"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// The clocks of three replicas are a minute behind, right, and a minute ahead, and nobody can
// tell: conversations have their order, a dead replica's turns pass on, what one is told holds on
// all, and the suites of one process pass. DRAGOMAN_TEST_CLOCKS chooses among these.
func TestClocksThatDifferByAMinuteChangeNothing(t *testing.T) {
	t.Parallel()
	chosen := os.Getenv("DRAGOMAN_TEST_CLOCKS")
	if chosen == "" {
		t.Skip("make fleet-clocks runs it")
	}
	binary := fleettest.BuildOff(t, ".")
	server, shared := pgtest.Start(t), redistest.Start(t)
	url := server.Database(t)
	text := strings.Replace(fleetConf, "models: [echo,", "models: [{name: echo, upstream: echo-first-30},", 1)
	f := fleettest.Start(t, fleettest.Options{Text: text, Store: url, Shared: shared.URL(0), Clocks: []int{-60, 0, 60},
		Program: func(args ...string) *exec.Cmd { return exec.Command(binary, args...) }})
	for _, r := range f.Replicas {
		t.Logf("%s: %.30s", r.Name, r.Log())
	}
	t.Run("keys", func(t *testing.T) { keysOnAll(t, f) })
	t.Run("repeated requests", func(t *testing.T) { repeatedOnAll(t, f) })
	t.Run("repeated messages", func(t *testing.T) { messagesOnAll(t, f, shared.URL(0)) })
	t.Run("order", func(t *testing.T) {
		server.Exec(t, pgtest.NameOf(url), `DELETE FROM dragoman.conversations`)
		askedAtOnce(t, f, server, pgtest.NameOf(url), 60)
	})
	t.Run("kills", func(t *testing.T) {
		server.Exec(t, pgtest.NameOf(url), `DROP TRIGGER audit ON dragoman.tickets`, `DROP TRIGGER audit ON dragoman.messages`, `DELETE FROM dragoman.conversations`)
		killed(t, f, 3, 30)
	})
	runSuites(t, suiteTests(t), chosen, world.Program+"="+binary, world.Clocks+"=-60,0,60")
}
