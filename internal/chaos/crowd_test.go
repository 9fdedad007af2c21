package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/simnet"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// crowdConf has one caller, whose rest, iagent and chatnio clients share one
// conversation. The model repeats all that it was given, so that an answer shows the
// history that its question had.
const crowdConf = `
callers: {keys: [{name: alice, key: sk-alice}]}
presets: {default: {model: m}}
channels: [{id: a, kind: %s, url: "%s://model:` + port + `%s", keys: [up-a], models: [{name: m, upstream: recall-first-%d-slow-%d}]}]
`

// crowd is many clients in one conversation.
type crowd struct {
	*report
	w     *world.World
	began time.Time
	gone  atomic.Bool // somebody deletes the conversation

	mu      sync.Mutex
	acked   []ackedTurn
	removed time.Time // of the last thing that takes turns away, as its end was seen
	trace   []string
}

type ackedTurn struct {
	text  string
	begun time.Time // before it was asked
}

func (c *crowd) note(who int, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trace = append(c.trace, fmt.Sprintf("%v client %d: ", time.Since(c.began), who)+fmt.Sprintf(format, args...))
}

func (c *crowd) took() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removed = time.Now()
}

// joined asks once on rest, and returns the id and number of what that began.
func (c *crowd) joined() (id string, number int64) {
	rest := world.NewRest(c.w, "sk-alice")
	defer rest.Close(c)
	if r := world.Put(c, rest, world.Ask{Text: "q0", User: "u1"}); !r.Ended {
		c.Fatalf("the first question: %+v", r)
	}
	page, _, err := c.w.Store.List(context.Background(), store.Filter{Owner: "alice"})
	if err != nil || len(page) != 1 {
		c.Fatalf("%d conversations, %v", len(page), err)
	}
	return page[0].ID, page[0].Num
}

// playCrowd lets several clients talk in one conversation at once, and takes parts of
// it away meanwhile.
func playCrowd(t testing.TB, seed uint64) (ok bool) {
	w := writer{rand.New(rand.NewPCG(seed, 0xc70d))}
	k := pick(w, kinds)
	network := simnet.New(seed)
	c := &crowd{report: &report{TB: t, seed: seed}}
	c.w = world.Open(c, fmt.Sprintf(crowdConf, k.name, k.scheme, k.path, w.IntN(300), w.IntN(50)), world.Place{
		Listen: func(part string) (net.Listener, error) { return network.Listen(part + ":" + port) },
		Dial:   network.Dial, Patience: patience, Chance: chance(seed),
	})
	c.began = time.Now()
	id, number := c.joined()
	var all sync.WaitGroup
	for i := range 3 + w.IntN(4) {
		own := writer{rand.New(rand.NewPCG(seed, uint64(i)))}
		all.Go(func() { c.client(i, own, id, number) })
	}
	over := make(chan struct{})
	var watch sync.WaitGroup
	if k.name != "iagent" { // what was stopped there runs on
		watch.Go(func() { c.watch(over) })
	}
	all.Wait()
	close(over)
	watch.Wait()
	c.checkEnd()
	c.w.End(c)
	time.Sleep(2 * time.Minute)
	if c.failed() {
		t.Errorf("seed %d broke a rule: %s\n\n%s\n%s", seed, strings.Join(c.all(), "\n"), strings.Join(c.trace, "\n"), c.w.Log)
	}
	return !c.failed()
}

// watch sees to it that two turns never run at once, until the conversation is
// deleted: then clients that know it by different names begin one each.
func (c *crowd) watch(over chan struct{}) {
	for !c.gone.Load() {
		select {
		case <-over:
			return
		case <-time.After(777 * time.Microsecond):
		}
		if n := c.w.Model.Active(); n > 1 {
			time.Sleep(5 * time.Millisecond) // one that was stopped has a way to go
			if c.w.Model.Active() > 1 && !c.gone.Load() {
				c.Errorf("%d turns of one conversation run at once", n)
				return
			}
		}
	}
}

// client does a few things as one client on one of the three fronts.
func (c *crowd) client(i int, w writer, id string, number int64) {
	time.Sleep(time.Duration(i+1)*97*time.Microsecond + w.millis(0, 300))
	var cl world.Client
	switch w.IntN(3) {
	case 0:
		cl = world.NewRest(c.w, "sk-alice")
	case 1:
		cl = world.NewIAgent(c.w, "sk-alice")
	default:
		cl = world.NewChatnio(c.w, "sk-alice", number)
	}
	for n := range 1 + w.IntN(5) {
		time.Sleep(w.millis(0, 800))
		c.one(i, n, w, cl, id)
	}
	cl.Close(c)
}

func (c *crowd) one(i, n int, w writer, cl world.Client, id string) {
	ask := world.Ask{Text: fmt.Sprintf("q%d.%d", i, n), User: "u1", Stream: w.IntN(2) == 0, Context: 99}
	begun, stop := time.Now(), false
	switch cl := cl.(type) {
	case *world.Rest:
		switch w.IntN(8) {
		case 0:
			status, _ := cl.Call(c, "POST", "/api/conversations/"+id+"/clear")
			c.took()
			c.note(i, "clear %d", status)
			return
		case 1:
			c.gone.Store(true)
			status, _ := cl.Call(c, "DELETE", "/api/conversations/"+id)
			c.took()
			c.note(i, "delete %d", status)
			return
		}
	case *world.Chatnio:
		switch w.IntN(8) {
		case 0:
			ask.Type = "restart"
			defer c.took()
		case 1:
			cl.Send(c, map[string]any{"type": "edit", "message": fmt.Sprintf("%d:edited", w.IntN(4))})
			c.took()
			c.note(i, "edit")
			return
		case 2:
			cl.Send(c, map[string]any{"type": "remove", "message": fmt.Sprint(w.IntN(4))})
			c.took()
			c.note(i, "remove")
			return
		case 3:
			stop = true
		}
	}
	turn := cl.Begin(c, ask)
	if stop {
		time.Sleep(w.millis(0, 400))
		cl.(*world.Chatnio).Send(c, map[string]any{"type": "stop"})
	}
	for turn.Next(c) {
	}
	r := turn.Reply()
	c.note(i, "%s %s %s: %s", cl.Front(), ask.Type, ask.Text, r.Outcome())
	if !r.Ended || r.Failed {
		return
	}
	c.checkAnswer(i, ask, r, stop)
	if ask.Type == "" && !stop {
		c.mu.Lock()
		c.acked = append(c.acked, ackedTurn{ask.Text, begun})
		c.mu.Unlock()
	}
}

// checkAnswer reads from an answer what its question was given: turns in their order,
// and the question last.
func (c *crowd) checkAnswer(i int, ask world.Ask, r *world.Reply, stopped bool) {
	if ask.Type == "restart" || stopped {
		return
	}
	if !strings.HasSuffix(r.Text, ask.Text) {
		c.Errorf("client %d: the answer to %q is that of another question: %q", i, ask.Text, r.Text)
	}
}

// checkEnd compares the store with what was acknowledged.
func (c *crowd) checkEnd() {
	page, _, err := c.w.Store.List(context.Background(), store.Filter{Owner: "alice", ByNum: true})
	if err != nil {
		c.Errorf("%v", err)
		return
	}
	var stored []string
	for _, one := range page {
		conv, err := c.w.Store.Load(context.Background(), "alice", store.Ref{ID: one.ID}, store.Window{})
		if err != nil {
			c.Errorf("%v", err)
			return
		}
		for _, m := range conv.Messages {
			if m.Role == translate.RoleUser {
				stored = append(stored, m.Text())
			}
		}
	}
	for _, a := range c.acked {
		n := 0
		for _, s := range stored {
			if s == a.text {
				n++
			}
		}
		if n > 1 {
			c.Errorf("turn %q is stored %d times", a.text, n)
		}
		if n == 0 && a.begun.After(c.removed) && !slices.Contains(stored, "edited") {
			c.Errorf("the acknowledged turn %q is gone: %q", a.text, stored)
		}
	}
}

func TestManyClientsInOneConversationKeepItWhole(t *testing.T) {
	n := number(t, "DRAGOMAN_TEST_SEEDS", 15)
	synctest.Test(t, func(t *testing.T) {
		broken := 0
		for seed := uint64(1); seed <= n && broken < 5; seed++ {
			if !playCrowd(t, seed) {
				broken++
			}
		}
		t.Logf("%d seeds, %d broke a rule", n, broken)
	})
}
