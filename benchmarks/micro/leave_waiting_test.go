package micro

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// place is a gateway whose questions wait somewhere before a back end answers them.
type place struct {
	*proxy.Gateway
	addr string
	// waits reports whether the question that has come is where it is to be.
	waits func() bool
	// left, if not nil, tells when the back end saw its connection closed; nil: the
	// question is gone once no more run than held.
	left chan time.Time
	held int
	ask  asking
}

// waitings are the stages before a back end has the question; each opens a place for
// the questions of a way to leave, or returns nil where its front has no such stage.
var waitings = []struct {
	name string
	open func(b *testing.B, way string) *place
}{
	{"slot", func(b *testing.B, _ string) *place {
		p := stalled(b, "callers: {keys: [{name: bench, key: "+key+"}]}\n", "concurrent: 1, ")
		p.waits = func() bool { return p.Channels()[0].Waiting == 1 }
		return p
	}},
	{"limit", func(b *testing.B, _ string) *place {
		return stalled(b, "limits: {one: {concurrent: 1, queue: true}}\ncallers: {limits: one, keys: [{name: bench, key: "+key+"}]}\n", "")
	}},
	{"conversation", openConversation},
	{"pause", func(b *testing.B, _ string) *place { return openPause(b) }},
	{"connecting", func(b *testing.B, _ string) *place { return openConnecting(b) }},
}

// stalled is a place where one question runs, on a back end that says nothing; more is
// of its channel. Another question waits as soon as it runs.
func stalled(b *testing.B, text, more string) *place {
	p := stalling(b, text, more)
	p.hold(b, func() func() error { return leaver(b, p.addr, "openai", asking{}).Close })
	return p
}

// stalling is stalled without the question that runs.
func stalling(b *testing.B, text, more string) *place {
	s := &staller{asked: make(chan struct{}, 1), left: make(chan time.Time, 1)}
	var ln net.Listener
	model := listen(b, func(on net.Listener) error { ln = on; return s.serve(on) }, func() { _ = ln.Close() })
	g, conf, log := openGatewayOf(b, text+fmt.Sprintf("channels:\n- {id: a, kind: openai, url: \"http://%s/v1\", keys: [k], %smodels: [default]}\n- {id: b, kind: mock, models: [echo]}\n", model, more), proxy.Options{})
	p := &place{Gateway: g, addr: serveFronts(b, front.New(conf, g, log))}
	p.waits = func() bool { return g.Running() == p.held+1 }
	return p
}

// hold begins a question that keeps others waiting, until b ends.
func (p *place) hold(b *testing.B, begin func() (end func() error)) {
	end := begin()
	b.Cleanup(func() { _ = end() })
	until(func() bool { return p.Channels()[0].InFlight == 1 })
	p.held = 1
}

// openConversation has a question run in the conversation in which others are asked.
func openConversation(b *testing.B, way string) *place {
	dialect, _, _ := strings.Cut(way, "-")
	if dialect == "openai" || dialect == "anthropic" {
		return nil // their questions are in none
	}
	p := stalling(b, "callers: {keys: [{name: bench, key: "+key+"}]}\n", "")
	p.ask.talk = "ann-00000001"
	if dialect == "chatnio" {
		p.ask.number = answered(b, p.addr)
	}
	p.hold(b, func() func() error {
		for _, l := range leavers {
			if l.name == way {
				leave := l.begin(b, p.addr, p.ask)
				return func() error { leave(); return nil }
			}
		}
		return nil
	})
	return p
}

// answered is the number of a conversation that has a turn.
func answered(b *testing.B, addr string) (number int64) {
	ws, _, err := websocket.DefaultDialer.Dial("ws://"+addr+"/chat", nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	for _, frame := range []string{`{"token":"` + key + `","id":-1}`, `{"type":"chat","message":"hi","model":"echo"}`} {
		if err := ws.WriteMessage(websocket.TextMessage, []byte(frame)); err != nil {
			b.Fatal(err)
		}
	}
	for {
		_, msg, err := ws.ReadMessage()
		var f struct {
			Conversation int64 `json:"conversation"`
			End          bool  `json:"end"`
		}
		if err != nil || json.Unmarshal(msg, &f) != nil {
			b.Fatalf("%s, %v", msg, err)
		}
		if number = max(number, f.Conversation); f.End {
			return number
		}
	}
}

// openPause has a back end that fails, so that each question pauses before its second
// try: for 150 ms, as chance has it here, and however often that happened.
func openPause(b *testing.B) *place {
	refused := make(chan struct{}, 1)
	s := &fasthttp.Server{Handler: func(ctx *fasthttp.RequestCtx) {
		ctx.SetStatusCode(500)
		select {
		case refused <- struct{}{}:
		default: // a second try: its client has not left in time
		}
	}}
	model := listen(b, s.Serve, func() { _ = s.Shutdown() })
	g, conf, log := openGatewayOf(b, fmt.Sprintf("callers: {keys: [{name: bench, key: %s}]}\nchannels:\n- {id: a, kind: openai, url: \"http://%s/v1\", keys: [k], models: [default]}\n", key, model),
		proxy.Options{Chance: func(n int64) int64 { return n - 1 }})
	if err := g.Force("a", channel.ForceClose); err != nil {
		b.Fatal(err)
	}
	p := &place{Gateway: g, addr: serveFronts(b, front.New(conf, g, log))}
	p.waits = func() bool {
		<-refused
		until(func() bool { return g.Channels()[0].InFlight == 0 })
		return true
	}
	return p
}

// openConnecting has a back end that accepts connections and says nothing, not even
// a handshake.
func openConnecting(b *testing.B) *place {
	accepted, left := make(chan struct{}, 1), make(chan time.Time, 1)
	var ln net.Listener
	model := listen(b, func(on net.Listener) error {
		ln = on
		for {
			conn, err := on.Accept()
			if err != nil {
				return nil
			}
			go func() {
				defer func() { _ = conn.Close() }()
				accepted <- struct{}{}
				_, _ = io.Copy(io.Discard, conn)
				left <- time.Now()
			}()
		}
	}, func() { _ = ln.Close() })
	g, conf, log := openGatewayOf(b, fmt.Sprintf("timeouts: {connect: 1m}\ncallers: {keys: [{name: bench, key: %s}]}\nchannels:\n- {id: a, kind: openai, url: \"https://%s/v1\", keys: [k], models: [default]}\n", key, model), proxy.Options{})
	p := &place{Gateway: g, addr: serveFronts(b, front.New(conf, g, log)), left: left}
	p.waits = func() bool { <-accepted; return true }
	return p
}

func until(ok func() bool) {
	for !ok() {
		time.Sleep(20 * time.Microsecond)
	}
}

// gone waits until nothing is left of the question.
func (p *place) gone() time.Time {
	if p.left != nil {
		return <-p.left
	}
	until(func() bool { return p.Running() == p.held })
	return time.Now()
}

// BenchmarkLeaveWaiting measures from a client's farewell to the moment at which the
// gateway has settled its question, which waits before any back end has it: for a
// slot, for a limit, behind its conversation, in the pause before a second try; or, of
// one that is connecting, to the moment at which the back end sees its connection
// closed.
func BenchmarkLeaveWaiting(b *testing.B) {
	for _, stage := range waitings {
		for _, l := range leavers {
			b.Run(fmt.Sprintf("%s/%s", stage.name, l.name), func(b *testing.B) {
				p := stage.open(b, l.name)
				if p == nil {
					b.Skip("the front has no such stage")
				}
				measure(b, func() func() {
					leave := l.begin(b, p.addr, p.ask)
					until(p.waits)
					return leave
				}, p.gone)
			})
		}
	}
}
