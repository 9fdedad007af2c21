//go:build unix

package main

import "slices"

// target is one way to the model.
type target struct {
	Name    string
	Proxy   string // direct, bare, nginx or dragoman
	Dialect string // that is asked in
	Channel string // dragoman: the kind of channel that answers
	Goal    float64
	Binary  string // dragoman: empty is that of now
}

// The targets that several scenarios share. Goal is the highest ratio to nginx
// that a release may show; 0: there is none.
var (
	direct    = target{Name: "model itself", Proxy: "direct", Dialect: "openai"}
	bare      = target{Name: "bare fasthttp", Proxy: "bare", Dialect: "openai"}
	nginx     = target{Name: "nginx", Proxy: "nginx", Dialect: "openai"}
	same      = target{Name: "dragoman, openai", Proxy: "dragoman", Dialect: "openai", Channel: "openai"}
	toClaude  = target{Name: "dragoman, openai → anthropic", Proxy: "dragoman", Dialect: "openai", Channel: "anthropic"}
	toOpenAI  = target{Name: "dragoman, anthropic → openai", Proxy: "dragoman", Dialect: "anthropic", Channel: "openai"}
	fromRest  = target{Name: "dragoman, rest → openai", Proxy: "dragoman", Dialect: "rest", Channel: "openai"}
	fromChats = target{Name: "dragoman, chatnio → openai", Proxy: "dragoman", Dialect: "chatnio", Channel: "openai"}
)

func (t target) goal(g float64) target {
	t.Goal = g
	return t
}

// scenario is one kind of load.
type scenario struct {
	Name    string
	Title   string
	Model   string   // the script
	Load    []string // further arguments of the load generator
	Windows int      // how many windows long it is
	Rounds  int      // at most; 0: any
	Store   string   // of dragoman; empty: memory
	Buffers bool     // nginx may buffer
	Paced   bool     // no event should arrive together with another one
	Value   string   // what the table shows, see values
	Goal    string   // an absolute goal, in words
	Targets []target
}

// values are the figures that a scenario can be about.
var values = map[string]struct {
	unit string
	of   func(*loaded) float64
	more bool // the higher the better
}{
	"cpu/request": {"CPU µs per request", func(l *loaded) float64 { return l.CPUPerRequest }, false},
	"cpu/event":   {"CPU µs per event", func(l *loaded) float64 { return l.CPUPerEvent }, false},
	"p50":         {"p50, µs", func(l *loaded) float64 { return l.Latency.P50 }, false},
	"memory":      {"KiB each", func(l *loaded) float64 { return l.KiBPerCaller }, false},
	"requests":    {"per second", func(l *loaded) float64 { return l.RequestsPerSecond }, true},
}

func scenarios() []scenario {
	wholes := []target{direct, bare, nginx, same.goal(1.35), toClaude.goal(1.6), toOpenAI.goal(1.6), fromRest.goal(1.6)}
	bursts := []target{direct, bare, nginx, same.goal(1.3), toClaude.goal(2.5), toOpenAI.goal(2.5), fromRest.goal(2.5)}
	return slices.Concat([]scenario{
		{
			Name: "whole", Title: "Whole answers of 1 KB, 64 callers, each asks again at once", Model: "echo-forget",
			Load: []string{"--stream=false", "--callers=64", "--turns=1"}, Buffers: true, Value: "cpu/request", Targets: wholes,
		},
		{
			Name: "rate", Title: "Whole answers of 1 KB, 500 questions per second at fixed times", Model: "echo-forget",
			Load: []string{"--stream=false", "--callers=64", "--turns=1", "--rate=500"}, Windows: 2, Buffers: true, Value: "p50",
			Targets: []target{direct, bare, nginx, same, toClaude, fromRest},
		},
		{
			Name: "paced", Title: "500 streams with 20 ms between events", Model: "long-600-slow-20-forget",
			Load: []string{"--stream", "--callers=500", "--ramp=500ms", "--warmup=1500ms", "--cut"}, Paced: true, Value: "cpu/event",
			Targets: []target{direct, bare, nginx, same.goal(1.1), toClaude.goal(1.3), fromRest.goal(1.3), fromChats.goal(1.3)},
		},
		{
			Name: "burst10", Title: "16 streams of 1,000 events without a pause, ten events per write of the model", Model: "long-1000-per-10-forget",
			Load: []string{"--stream", "--callers=16"}, Value: "cpu/event", Targets: bursts,
		},
		{
			Name: "burst1", Title: "16 streams of 1,000 events without a pause, one event per write of the model", Model: "long-1000-forget",
			Load: []string{"--stream", "--callers=16"}, Value: "cpu/event", Targets: []target{direct, bare, nginx, same, toClaude, fromRest},
		},
	}, memoryScenarios(), turnScenarios())
}

func memoryScenarios() []scenario {
	sockets := []target{fromChats}
	return []scenario{
		{
			Name: "slow", Title: "2,000 open streams with 1 s between events", Model: "long-100-slow-1000-forget", Rounds: 2,
			Load: []string{"--stream", "--callers=2000", "--ramp=1s", "--warmup=3s", "--cut"}, Value: "memory", Goal: "≤ 24 KiB",
			Targets: []target{bare, nginx, same, toClaude},
		},
		{
			Name: "idle2000", Title: "2,000 idle WebSockets on the chatnio front", Model: "long-1-forget", Rounds: 2,
			Load: []string{"--idle", "--callers=2000", "--warmup=2s"}, Value: "memory", Goal: "≤ 10 KiB", Targets: sockets,
		},
		{
			Name: "idle10000", Title: "10,000 idle WebSockets on the chatnio front", Model: "long-1-forget", Rounds: 2,
			Load: []string{"--idle", "--callers=10000", "--warmup=3s"}, Value: "memory", Goal: "≤ 10 KiB", Targets: sockets,
		},
	}
}

func turnScenarios() []scenario {
	crowd := target{Name: "model itself", Proxy: "direct", Dialect: "iagent"}
	chats := target{Proxy: "dragoman", Dialect: "chatnio", Channel: "mock", Name: "dragoman, chatnio → model inside"}
	rest := target{Proxy: "dragoman", Dialect: "rest", Channel: "mock", Name: "dragoman, rest → model inside"}
	return []scenario{
		{
			Name: "iagent", Title: "iagent messages on one connection, 256 of them open", Model: "long-1-forget",
			Load: []string{"--callers=1", "--slots=256"}, Value: "requests", Goal: "≥ 40,000",
			Targets: []target{
				crowd,
				{Name: "dragoman, iagent → model inside", Proxy: "dragoman", Dialect: "iagent", Channel: "mock"},
				{Name: "dragoman, iagent → iagent, 4 connections", Proxy: "dragoman", Dialect: "iagent", Channel: "iagent"},
			},
		},
		{
			Name: "durable", Title: "Turns that are in SQLite before their end goes out, 256 callers", Model: "long-1-forget", Store: "sqlite",
			Load: []string{"--stream=false", "--callers=256"}, Value: "requests", Goal: "≥ 5,000", Targets: []target{chats, rest},
		},
	}
}
