package front_test

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

// silent accepts connections and says nothing, not even a handshake.
type silent struct {
	addr     string
	accepted chan net.Conn
}

func newSilent(t *testing.T) *silent {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &silent{addr: ln.Addr().String(), accepted: make(chan net.Conn, 8)}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.accepted <- conn
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		accepting.Wait()
	})
	return s
}

// departures are the ways to leave a question, and the front that has them; empty:
// all have.
var departures = []struct {
	name, front string
	resets      bool
	leave       func(t *testing.T, c world.Client, turn world.Turn)
}{
	{"FIN", "", false, closes},
	{"RST", "", true, closes},
	{"stop", "chatnio", false, func(t *testing.T, c world.Client, turn world.Turn) { says(t, c, turn, "stop") }},
	{"remove", "chatnio", false, func(t *testing.T, c world.Client, turn world.Turn) { says(t, c, turn, "remove") }},
}

func closes(_ *testing.T, _ world.Client, turn world.Turn) { turn.Leave() }

// says ends a turn of chatnio with a frame of a type; the socket stays.
func says(t *testing.T, c world.Client, turn world.Turn, frame string) {
	t.Helper()
	c.(*world.Chatnio).Send(t, map[string]any{"type": frame, "message": "0"})
	if r := turn.(*world.ChatnioTurn).All(t); !r.Ended || r.Text != "" {
		t.Errorf("after %s: %s", frame, r.Outcome())
	}
}

// stage is where a question is when its client leaves.
type stage struct {
	name   string
	fronts string // that have it, with spaces around; empty: all
	text   string // of the configuration
	// begins makes c's question wait in the stage. asked is how often the model was
	// asked by then, and running how many other questions run. ends, which may be nil,
	// is called when the question is settled.
	begins func(t *testing.T, w *world.World, c world.Client) (turn world.Turn, asked int64, running int, ends func())
}

// behind begins a question that another one, of which hold is, keeps from being asked.
func behind(t *testing.T, w *world.World, c, holder world.Client, hold world.Ask, before int64) (world.Turn, int64, int, func()) {
	t.Helper()
	// A question before these may not have given everything back yet, and would be counted.
	w.Eventually(t, "nothing runs", func() bool { return w.Gateway.Running() == 0 })
	hold.Model, hold.Text = "echo-first-60000", "hi"
	first := holder.Begin(t, hold)
	asked(t, w, "openai", before+1)
	ask := world.Ask{Model: "echo", Text: "hi"}
	if holder.Front() == "iagent" {
		ask.Model = hold.Model // another agent would be another conversation
	}
	turn := c.Begin(t, ask)
	w.Eventually(t, "both run", func() bool { return w.Gateway.Running() == 2 })
	return turn, before + 1, 1, func() {
		first.Leave()
		if r := world.Put(t, world.NewRest(w, key), world.Ask{Model: "echo", Text: "again"}); r.Text == "" {
			t.Errorf("the next question: %s", r.Outcome())
		}
	}
}

var stages = []stage{
	{"waiting for a limit", "", "limits: {one: {concurrent: 1, queue: true}}\ncallers: {limits: one, keys: [{name: alice, key: " + key + "}]}\nchannels:\n" +
		channel("up", "openai", "", "echo", "echo-first-60000"),
		func(t *testing.T, w *world.World, c world.Client) (world.Turn, int64, int, func()) {
			return behind(t, w, c, world.NewRest(w, key), world.Ask{User: "other"}, 0)
		}},
	{"behind its conversation", " rest chatnio iagent ", callers + "channels:\n" + channel("up", "openai", "", "echo", "echo-first-60000"),
		func(t *testing.T, w *world.World, c world.Client) (world.Turn, int64, int, func()) {
			known, ok := c.(*world.Chatnio)
			if !ok {
				return behind(t, w, c, map[string]func(*world.World, string) world.Client{"rest": world.Fronts[2], "iagent": world.Fronts[4]}[c.Front()](w, key), world.Ask{}, 0)
			}
			holder := world.NewChatnio(w, key, 0)
			world.Put(t, holder, world.Ask{Model: "echo", Text: "hi"})
			known.Number = holder.Number
			return behind(t, w, c, holder, world.Ask{}, 1)
		}},
	{"waiting for a slot", "", callers + "channels:\n" + channel("up", "openai", "concurrent: 1", "echo", "echo-first-60000"),
		func(t *testing.T, w *world.World, c world.Client) (world.Turn, int64, int, func()) {
			turn, n, running, ends := behind(t, w, c, world.NewRest(w, key), world.Ask{User: "other"}, 0)
			w.Eventually(t, "it waits", func() bool { return w.Gateway.Channels()[0].Waiting == 1 })
			return turn, n, running, ends
		}},
	{"in a retry's pause", "", callers + "channels:\n" + channel("up", "openai", "", "fail-429-retry-2"),
		func(t *testing.T, w *world.World, c world.Client) (world.Turn, int64, int, func()) {
			turn := c.Begin(t, world.Ask{Model: "fail-429-retry-2", Text: "hi"})
			w.Eventually(t, "the model has refused", func() bool { return w.Model.Requests() == 1 && w.Gateway.Channels()[0].InFlight == 0 })
			return turn, 1, 0, nil
		}},
	{"connecting", "", "", nil},
}

// connecting begins a question at a back end that accepts and says nothing more.
func connecting(s *silent) func(t *testing.T, w *world.World, c world.Client) (world.Turn, int64, int, func()) {
	return func(t *testing.T, _ *world.World, c world.Client) (world.Turn, int64, int, func()) {
		turn := c.Begin(t, world.Ask{Model: "echo", Text: "hi"})
		conn := <-s.accepted
		return turn, 0, 0, func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetReadDeadline(time.Now().Add(world.Limit))
			for buf := make([]byte, 1<<10); ; {
				if _, err := conn.Read(buf); err != nil {
					if e, ok := err.(net.Error); ok && e.Timeout() {
						t.Error("the connection was not closed")
					}
					return
				}
			}
		}
	}
}

// TestAClientMayLeaveBeforeAnyChannelHasItsQuestion has a client of each front leave in each
// way at each stage before an answer, and then everything given back: one line in
// the log, no slot in use, the model not asked again, and the next question answered.
func TestAClientMayLeaveBeforeAnyChannelHasItsQuestion(t *testing.T) {
	t.Parallel()
	for _, at := range stages {
		for _, d := range departures {
			for _, newClient := range world.Fronts {
				front := newClient(nil, "").Front()
				if d.front != "" && d.front != front || at.fronts != "" && !strings.Contains(at.fronts, " "+front+" ") {
					continue
				}
				t.Run(at.name+"/"+d.name+"/"+front, func(t *testing.T) {
					t.Parallel()
					at := at
					if at.begins == nil {
						s := newSilent(t)
						at.begins = connecting(s)
						at.text = callers + "timeouts: {connect: 1m}\nchannels:\n- {id: up, kind: openai, url: \"https://" + s.addr + "/v1\", keys: [sk-up], models: [echo]}\n"
					}
					w := world.Start(t, at.text)
					w.Resets = d.resets
					c := newClient(w, key)
					turn, asked, running, ends := at.begins(t, w, c)
					d.leave(t, c, turn)
					w.Eventually(t, "the exchange is settled", func() bool {
						ch := w.Gateway.Channels()[0]
						return strings.Count(w.Log.String(), " code=CANCELED") == 1 && ch.InFlight == running && ch.Waiting == 0 && w.Gateway.Running() == running
					})
					if n := w.Model.Requests(); n != asked {
						t.Errorf("the model was asked %d times, want %d", n, asked)
					}
					if ends != nil {
						ends()
					}
				})
			}
		}
	}
}
