package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/fleettest"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
)

// budgetConf gives each question of either model a price of one.
const budgetConf = `
store: {url: "{STORE}"}
shared: {url: "{SHARED}", wait: 2s}
callers: {keys: [{name: alice, key: ` + childKey + `, limits: tight}]}
limits: {tight: {budget: {amount: 100, per: month}}}
prices: {echo: {call: 1}, slow: {call: 1}}
channels: [{id: m, kind: mock, models: [echo, {name: slow, upstream: long-20-slow-60000}]}]
admin: {listen: "127.0.0.1:0", token: operator-token}
`

// askAt puts one question that stands alone at addr. The body must be closed.
func askAt(addr, model string, stream bool) (status int, body io.ReadCloser, err error) {
	req, err := http.NewRequest("POST", "http://"+addr+"/v1/chat/completions", strings.NewReader(fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":"hi"}]}`, model, stream)))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+childKey)
	req.Header.Set("Content-Type", "application/json")
	resp, err := childClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	return resp.StatusCode, resp.Body, nil
}

// admitted puts so many questions at once to f, and returns how many were answered; the others
// must be refused for the budget.
func admitted(t *testing.T, f *fleettest.Fleet, questions int) int {
	t.Helper()
	var answered atomic.Int64
	var all sync.WaitGroup
	for range questions {
		all.Go(func() {
			status, body, err := askAt(f.Addr, "echo", false)
			if err != nil {
				t.Error(err)
				return
			}
			text, err := io.ReadAll(body)
			_ = body.Close()
			switch {
			case err == nil && status == http.StatusOK:
				answered.Add(1)
			case err != nil || status != http.StatusTooManyRequests || !strings.Contains(string(text), "the budget tight of"):
				t.Errorf("%d %s %v", status, text, err)
			}
		})
	}
	all.Wait()
	return int(answered.Load())
}

// lets wants as many questions of f let in as there was room for, unless the database did not answer a
// process in time, which then goes on by itself.
func lets(t *testing.T, f *fleettest.Fleet, n, room int) {
	t.Helper()
	if n == room {
		return
	}
	if strings.Contains(f.Log(), "the store does not say what other processes spend") {
		t.Skip("the machine is too busy for a database that answers within two seconds")
	}
	t.Errorf("%d are let in, not the %d for which there is room", n, room)
}

// However many questions come at once, to whichever of three replicas, as many are let in as
// the budget has room for.
func TestABudgetIsExactOverThreeProcesses(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	f, db := replicas(t, server, redistest.Start(t), budgetConf)
	began := time.Now()
	lets(t, f, admitted(t, f, 90), 90)
	lets(t, f, admitted(t, f, 300), 10)
	t.Logf("390 questions took %v", time.Since(began).Round(time.Millisecond))
	amount(t, f, 130)
	lets(t, f, admitted(t, f, 60), 30)
	soon(t, "the database has what was spent", func() bool {
		return value[int](t, server, db, `SELECT sum(spent)::bigint / 1000000000 FROM dragoman.accounts`) == 130
	})
	for _, r := range f.Replicas {
		soon(t, r.Name+" says that nothing is left", func() bool {
			var uses struct {
				Use []struct {
					Kind string
					Left float64
					Only bool `json:"this_process_only"`
				}
				Only bool `json:"this_process_only"`
			}
			operate(t, r, "GET", "/api/limits", "", &uses)
			// The counts of limits are each process's own, those of the budget are everybody's.
			return uses.Only && len(uses.Use) == 1 && uses.Use[0].Kind == "budget" && uses.Use[0].Left == 0 && !uses.Use[0].Only
		})
	}
	deadHoldNothing(t, f)
}

// amount has all replicas read their configuration again, with another amount of the budget.
func amount(t *testing.T, f *fleettest.Fleet, n int) {
	for _, r := range f.Replicas {
		r.Write(strings.Replace(budgetConf, "amount: 100", fmt.Sprint("amount: ", n), 1))
		operate(t, r, "POST", "/api/reload", "", nil)
	}
}

// deadHoldNothing kills a replica whose questions hold what is left.
func deadHoldNothing(t *testing.T, f *fleettest.Fleet) {
	amount(t, f, 140)
	for range 10 {
		status, body, err := askAt(f.Replicas[2].Addr(), "slow", true)
		if err != nil || status != http.StatusOK {
			t.Fatalf("%d %v", status, err)
		}
		defer func() { _ = body.Close() }()
	}
	lets(t, f, admitted(t, f, 20), 0) // others hold what is left
	f.Replicas[2].Kill()
	n := 0
	took := soon(t, "what a dead replica held is free", func() bool { n += admitted(t, f, 20); return n > 0 })
	lets(t, f, n+admitted(t, f, 20), 10)
	t.Logf("free after %v", took.Round(time.Millisecond))
}
