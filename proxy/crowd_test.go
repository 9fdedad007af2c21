package proxy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

// A thousand questions of ten callers, who are in five groups, speak for twenty users
// in all, come from eight addresses and ask two models, each far more than allowed.
const (
	thousand     = 1000
	crowdCallers = 10
	allowed      = 7
)

// crowdOf are the questions of the crowd.
func (w *world) crowdOf() []*question {
	w.t.Helper()
	all := make([]*question, thousand)
	for i := range all {
		who, err := w.g.Identify(fmt.Sprint("key-", i%crowdCallers), "")
		if err != nil {
			w.t.Fatal(err)
		}
		all[i] = w.questionOf(who, []string{"m", "n"}[i%2], "hi")
		all[i].User, all[i].Address = fmt.Sprint("user-", i%4), fmt.Sprint("192.0.2.", i%8)
	}
	return all
}

// storm puts the crowd's questions at once, and returns how many are admitted, all of
// whom it then sends away as if they had not come.
func (w *world) storm() (admitted int) {
	w.t.Helper()
	questions := w.crowdOf()
	refused := make([]error, thousand)
	var all sync.WaitGroup
	start := make(chan struct{})
	for i, q := range questions {
		all.Go(func() {
			<-start
			refused[i] = w.admit(context.Background(), q)
		})
	}
	close(start)
	all.Wait()
	for i, q := range questions {
		var e *translate.Error
		switch {
		case refused[i] == nil:
			admitted++
			q.dismiss()
		case !errors.As(refused[i], &e) || e.Code != translate.CodeRateLimited:
			w.t.Errorf("question %d: %v", i, refused[i])
		}
	}
	return admitted
}

// The gateway's own admission, under each kind of limit and everything that it can
// count by: not one more is admitted than the limit says, and not one fewer; and what
// is given back is all there again.
func TestOfAThousandAtOnceExactlyAsManyAreAdmittedAsEachKindOfLimitSays(t *testing.T) {
	t.Parallel()
	const needs = 1 + answerTokens
	kinds := map[string]config.Limit{
		"requests":   {Requests: config.Rate{N: allowed, Per: 24 * time.Hour}},
		"tokens":     {Tokens: config.Rate{N: allowed*needs + needs - 1, Per: 24 * time.Hour}},
		"concurrent": {Concurrent: allowed},
		"budget":     {Budget: config.Budget{Amount: allowed + 0.5, Per: "day"}},
	}
	for kind, limit := range kinds {
		for _, by := range []struct {
			per   string
			count int
		}{{"caller", crowdCallers}, {"user", 20}, {"group", 5}, {"address", 8}, {"model", 2}, {"all", 1}, {"shared", 1}} {
			if kind == "budget" && by.per != "caller" && by.per != "shared" {
				continue // a budget is a caller's, or shared
			}
			limit := limit
			if limit.Shared = by.per == "shared"; !limit.Shared {
				limit.Per = by.per
			}
			t.Run(kind+" by "+by.per, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := crowded(t, limit)
					want := allowed * by.count
					for _, when := range []string{"at first", "again"} {
						if got := w.storm(); got != want {
							t.Errorf("%s: %d of %d were admitted, want %d", when, got, thousand, want)
						}
					}
					t.Logf("%d of %d were admitted, twice", want, thousand)
				})
			})
		}
	}
}

func crowded(t *testing.T, limit config.Limit) *world {
	t.Helper()
	c := conf(backend("a", func(c *config.Channel) {
		c.Models = []config.Model{{Name: "m", Upstream: "m"}, {Name: "n", Upstream: "n"}}
	}))
	c.Limits = map[string]config.Limit{"small": limit}
	c.Prices = map[string]config.Price{"m": {Call: 1}, "n": {Call: 1}}
	for i := range crowdCallers {
		c.Callers.Keys = append(c.Callers.Keys, config.Key{
			Name: fmt.Sprint("caller-", i), Key: fmt.Sprint("key-", i),
			Access: config.Access{Limits: config.Names{"small"}, Group: fmt.Sprint("group-", i%5)},
		})
	}
	return newWorld(t, c, nil)
}
