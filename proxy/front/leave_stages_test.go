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

// goes has the client of turn leave, and waits until its exchange is settled: one line
// in the log, and no slot of the channel in use.
func goes(t *testing.T, w *world.World, turn world.Turn, running int) {
	t.Helper()
	turn.Leave()
	w.Eventually(t, "the exchange is settled", func() bool {
		ch := w.Gateway.Channels()[0]
		return strings.Count(w.Log.String(), " code=CANCELED") == 1 && ch.InFlight == running && ch.Waiting == 0
	})
}

func TestAClientMayLeaveBeforeAnyChannelHasItsQuestion(t *testing.T) {
	t.Parallel()
	stages := map[string]func(t *testing.T, newClient func(*world.World, string) world.Client){
		"waiting for a slot": func(t *testing.T, newClient func(*world.World, string) world.Client) {
			w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "concurrent: 1", "echo", "echo-first-60000"))
			first := world.NewRest(w, key)
			holds := first.Begin(t, world.Ask{Model: "echo-first-60000", Text: "hi", User: "other"})
			asked(t, w, "openai", 1)
			turn := newClient(w, key).Begin(t, world.Ask{Model: "echo", Text: "hi"})
			w.Eventually(t, "it waits", func() bool { return w.Gateway.Channels()[0].Waiting == 1 })
			goes(t, w, turn, 1)
			if n := w.Model.Requests(); n != 1 {
				t.Errorf("the model was asked %d times", n)
			}
			holds.Leave()
		},
		"connecting": func(t *testing.T, newClient func(*world.World, string) world.Client) {
			s := newSilent(t)
			w := world.Start(t, callers+"timeouts: {connect: 1m}\nchannels:\n- {id: up, kind: openai, url: \"https://"+s.addr+"/v1\", keys: [sk-up], models: [echo]}\n")
			turn := newClient(w, key).Begin(t, world.Ask{Model: "echo", Text: "hi"})
			conn := <-s.accepted
			defer func() { _ = conn.Close() }()
			goes(t, w, turn, 0)
			_ = conn.SetReadDeadline(time.Now().Add(world.Limit))
			for buf := make([]byte, 1<<10); ; {
				if _, err := conn.Read(buf); err != nil {
					if e, ok := err.(net.Error); ok && e.Timeout() {
						t.Error("the connection was not closed")
					}
					return
				}
			}
		},
		"a retry's pause": func(t *testing.T, newClient func(*world.World, string) world.Client) {
			w := world.Start(t, callers+"channels:\n"+channel("up", "openai", "", "fail-429-retry-2"))
			turn := newClient(w, key).Begin(t, world.Ask{Model: "fail-429-retry-2", Text: "hi"})
			w.Eventually(t, "the model has refused", func() bool {
				return w.Model.Requests() == 1 && w.Gateway.Channels()[0].InFlight == 0
			})
			goes(t, w, turn, 0)
			if n := w.Model.Requests(); n != 1 {
				t.Errorf("the model was asked %d times", n)
			}
		},
	}
	for name, stage := range stages {
		for _, newClient := range world.Fronts {
			t.Run(name+"/"+newClient(nil, "").Front(), func(t *testing.T) {
				t.Parallel()
				stage(t, newClient)
			})
		}
	}
}
