package front_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/internal/simnet"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

const faultsHead = `# What a fault of a back end comes to

This page is made by ` + "`go test ./proxy/front -run TestTheWallOfFaults -update`" + ` and measured in simulated time, on a network inside the
process, with all time-outs at their defaults. A channel of kind openai fails in each way, once alone and once with a healthy
channel of a later tier behind it, and is asked through every front: streamed, and whole where the front has both. Every row is a gateway of its own.

"gets" is what the client sees: the text, or the status, type and code of an error, behind the text that a stream has shown by then; "end" is the
error turn of chatnio, a number without an HTTP status on the iagent front is its ` + "`resp_code`" + `. "after" is from the question to the end of the
answer, in seconds; 0.00 is a few milliseconds. "calls" is how often the failing channel was called, and, behind the plus, the healthy one.
"record" is what the failing one has to its name afterwards.

After every row all requests in flight, waiting questions and answers under way at the model are back at zero, and when its gateway has stopped there are
as many goroutines as before it and no open connection. ` + "`TestEveryFailureIsToldInTheFrontsOwnForm`" + ` holds the other kinds of channels to the same errors.
A fault is named as the scripted model of ` + "`dragoman mock`" + ` has it.

Three things that may surprise: an answer in one piece is waited for 120 s as long as nothing is known of its model, and none is begun elsewhere later
than 30 s after the question, so that a channel which stays silent on the first such questions costs them (` + "`timeouts: {first: 20s}`" + ` changes that); a
channel gets one more try before a later tier is asked; a gap of 30 s is noticed within 37.5 s.
`

// brick is one fault of the wall: what the model of the failing channel does.
type brick struct {
	model, what string
	down        bool // nobody listens at the channel's address
	asks        int  // one after the other; 0: one
	again       bool // then the channel is well again, and is asked until it answers
}

var bricks = []brick{
	{model: "refuse", what: "refuses connections", down: true},
	{model: "fail-429", what: "429 without a hint"},
	{model: "fail-429-retry-1", what: "429 with `Retry-After: 1`"},
	{model: "fail-429-retry-7", what: "429 with `Retry-After: 7`"},
	{model: "fail-500", what: "500"},
	{model: "fail-503-retry-7", what: "503 with `Retry-After: 7`"},
	{model: "drop", what: "the connection is dropped before an answer"},
	{model: "hang", what: "silent before the headers"},
	{model: "stall", what: "silent after the headers"},
	{model: "stallmid", what: "silent in the middle"},
	{model: "cut0", what: "cut off after the headers"},
	{model: "cut", what: "cut off in the middle"},
	{model: "error200", what: "an error inside a 200"},
	{model: "errormid", what: "an error in the middle"},
	{model: "blank", what: "200 and no body"},
	{model: "empty", what: "a whole answer that says nothing"},
	{model: "garbage", what: "200 and nonsense"},
	{model: "garbagemid", what: "nonsense in the middle"},
	{model: "noend", what: "the whole text, but no end mark"},
	{model: "slow-20000", what: "a slow body: 20 s between its five pieces"},
	{model: "fail-401", what: "a bad key: 401"},
	{model: "fail-403", what: "a bad key: 403"},
	{model: "fail-400", what: "the question is refused: 400"},
	{model: "context", what: "the question is too long"},
	{model: "policy", what: "the question is refused for its content"},
	{model: "filter", what: "the answer ends for its content"},
	{model: "refuse", what: "an outage: 15 questions in a row meet a refused connection", down: true, asks: 15},
	{model: "fail-500", what: "an outage: 15 questions in a row meet a 500", asks: 15},
	{model: "echo", what: "recovery: 15 questions in a row meet a refused connection, then it is well and is asked once a second until it answers", down: true, asks: 15, again: true},
}

// healthy is what the other channel answers with: the same however long the
// conversation has become.
const healthy = "long-2"

// wall is one gateway, its back ends and its client, in a bubble.
type wall struct {
	*world.World
	t     *testing.T
	net   *simnet.Net
	hosts sync.WaitGroup
	lns   []net.Listener
	dials atomic.Int64 // to the failing channel
}

const (
	illHost  = "ill.test:80"
	wellHost = "well.test:80"
)

func openWall(t *testing.T, b brick, pair bool) *wall {
	t.Helper()
	w := &wall{t: t, net: simnet.New(1)}
	one := func(id, host, model, more string) string {
		return fmt.Sprintf("  - {id: %s, kind: openai, url: \"http://%s/v1\", keys: [%s], models: [{name: m, upstream: %s}]%s}\n", id, host, channelKey, model, more)
	}
	text := callers + "channels:\n" + one("ill", illHost, b.model, "")
	if pair {
		text += one("well", wellHost, healthy, ", tier: 2")
	}
	w.World = world.Open(t, text, world.Place{
		Listen: func(part string) (net.Listener, error) { return w.net.Listen(part + ".test:80") },
		Dial: func(ctx context.Context, address string) (net.Conn, error) {
			if address == illHost {
				w.dials.Add(1)
			}
			return w.net.Dial(ctx, address)
		},
		Patience: 24 * time.Hour,
		Chance:   func(n int64) int64 { return n / 2 },
	})
	if w.listen(wellHost); !b.down {
		w.listen(illHost)
	}
	return w
}

// listen lets the model answer at host.
func (w *wall) listen(host string) {
	ln, err := w.net.Listen(host)
	if err != nil {
		w.t.Fatal(err)
	}
	w.lns = append(w.lns, ln)
	w.hosts.Go(func() { _ = w.Model.Serve(ln) })
}

// calls counts what reached the models: the failing one, where connections are refused
// the dials, and the healthy one.
func (w *wall) calls(b brick) (ill, well int) {
	for _, s := range w.Model.Seen() {
		if s.Model == healthy {
			well++
		} else {
			ill++
		}
	}
	if b.down {
		ill = int(w.dials.Load())
	}
	return ill, well
}

// checkGivenBack looks for what a question still occupies once its answer has ended.
func (w *wall) checkGivenBack() {
	time.Sleep(time.Second)
	synctest.Wait()
	if n := w.Gateway.Running(); n > 0 {
		w.t.Errorf("%d questions run", n)
	}
	for _, c := range w.Gateway.Channels() {
		if c.InFlight != 0 || c.Waiting != 0 || c.Keys[0].InFlight != 0 {
			w.t.Errorf("channel %s: %d in flight, %d waiting, %d of its key", c.ID, c.InFlight, c.Waiting, c.Keys[0].InFlight)
		}
	}
	if n := w.Model.Active(); n > 0 {
		w.t.Errorf("%d answers are under way at the model", n)
	}
}

// end takes the wall down and looks for what is left of it.
func (w *wall) end(before int) {
	for _, ln := range w.lns {
		_ = ln.Close()
	}
	w.End(w.t)
	w.hosts.Wait()
	time.Sleep(2 * time.Minute) // a server's pool of workers ends within one
	synctest.Wait()
	if n, stacks := world.InBubble(); n > before {
		w.t.Errorf("%d goroutines are left:\n%s", n-before, stacks)
	}
	if n := w.net.Open(); n > 0 {
		w.t.Errorf("%d ends of connections are left open", n)
	}
}

// seen is what came of a brick through one front.
type seen struct {
	gets, record string
	took         time.Duration
	ill, well    int
}

// play puts the questions of b through a front.
func (b brick) play(t *testing.T, front int, stream, pair bool) (is seen) {
	before, _ := world.InBubble()
	w := openWall(t, b, pair)
	c := world.Fronts[front](w.World, key)
	ask := func() string {
		return world.Put(t, c, world.Ask{Model: "m", Text: "hi", Stream: stream}).Outcome()
	}
	began := time.Now()
	var all []string
	for range max(b.asks, 1) {
		all = append(all, ask())
	}
	is.took = time.Since(began)
	is.ill, is.well = w.calls(b)
	is.record = recordOf(w.World)
	if b.again {
		all = append(all, b.recover(w, ask, &is))
	}
	is.gets = runs(all)
	c.Close(t)
	w.checkGivenBack()
	w.end(before)
	return is
}

// recover lets the failing channel be well, and says how soon it is used.
func (b brick) recover(w *wall, ask func() string, is *seen) string {
	w.listen(illHost)
	began := time.Now()
	for range 100 {
		said := ask()
		if strings.Contains(said, "Hello") {
			is.took = time.Since(began)
			is.ill, is.well = w.calls(b)
			is.record = recordOf(w.World)
			return "it answers"
		}
		time.Sleep(time.Second)
	}
	w.t.Error("it is not used again")
	return ""
}

// runs says what came, and how often it came in a row.
func runs(all []string) string {
	var said []string
	for i := 0; i < len(all); {
		n := 1
		for i+n < len(all) && all[i+n] == all[i] {
			n++
		}
		s := all[i]
		if n > 1 {
			s = fmt.Sprintf("%d × %s", n, s)
		}
		said = append(said, s)
		i += n
	}
	return strings.Join(said, ", then ")
}

// recordOf says what the failing channel has to its name.
func recordOf(w *world.World) string {
	m := w.Gateway.Channels()[0].Keys[0].Models[0]
	switch m.State {
	case "throttled":
		return "cools down"
	case "aside":
		return "its key is set aside"
	case "open":
		return "its breaker is open"
	}
	switch m.Failures {
	case 0:
		return "–"
	case 1:
		return "one failure"
	}
	return fmt.Sprintf("%d failures", m.Failures)
}

// seconds cuts off the few milliseconds that the network takes.
func (s seen) seconds() string {
	return fmt.Sprintf("%.2f", float64(s.took.Truncate(10*time.Millisecond))/float64(time.Second))
}

// row is the brick through one front, alone and beside the healthy channel.
func (b brick) row(t *testing.T, front int, stream bool) string {
	alone, both := b.play(t, front, stream, false), b.play(t, front, stream, true)
	return fmt.Sprintf("%s | %s | %d | %s | %s | %s | %d+%d | %s |\n", alone.gets, alone.seconds(), alone.ill, alone.record, both.gets, both.seconds(), both.ill, both.well, both.record)
}

// frontsOfTheWall are the ways to ask, by the place of the front in world.Fronts.
var frontsOfTheWall = []struct {
	name   string
	front  int
	stream bool
}{
	{"openai, streamed", 0, true}, {"openai, whole", 0, false}, {"anthropic, streamed", 1, true}, {"anthropic, whole", 1, false},
	{"rest, streamed", 2, true}, {"rest, whole", 2, false}, {"chatnio", 3, true}, {"iagent", 4, false},
}

// TestTheWallOfFaults has a channel fail in every way, alone and beside one that works,
// puts questions through every front, and writes down what becomes of them.
func TestTheWallOfFaults(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	out.WriteString(faultsHead)
	synctest.Test(t, func(t *testing.T) {
		for _, b := range bricks {
			fmt.Fprintf(&out, "\n## `%s`: %s\n\n| front | alone: gets | after | calls | record | with another: gets | after | calls | record |\n|---|---|---|---|---|---|---|---|---|\n", b.model, b.what)
			for _, f := range frontsOfTheWall {
				fmt.Fprintf(&out, "| %s | %s", f.name, b.row(t, f.front, f.stream))
			}
		}
	})
	checkPage(t, "../../docs/faults.md", out.String())
}

func checkPage(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("run it with -update; (- page, + measured):\n%s", diff)
	}
}
