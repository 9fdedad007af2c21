package main

import (
	"net"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
)

// serve starts the scripted model on a free port.
func serve(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := mockmodel.New(mockmodel.Options{NoRecord: true})
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func short(o options) options {
	if o.Callers == 0 {
		o.Callers = 4
	}
	o.Slots, o.Turns, o.Bytes, o.Key = max(1, o.Slots), 3, 300, "k"
	o.Warmup, o.Window, o.Drain = 20*time.Millisecond, 100*time.Millisecond, 10*time.Second
	return o
}

func TestEveryDialectIsAskedAndAnswered(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]options{
		"openai whole":       {Dialect: "openai", Model: "long-5"},
		"openai echo":        {Dialect: "openai", Model: "oa-echo"},
		"openai streamed":    {Dialect: "openai", Model: "long-50-per-10", Stream: true},
		"anthropic whole":    {Dialect: "anthropic", Model: "echo"},
		"anthropic streamed": {Dialect: "anthropic", Model: "long-50", Stream: true},
		"rest whole":         {Dialect: "rest", Model: "long-5"},
		"rest streamed":      {Dialect: "rest", Model: "burst-50", Stream: true},
		"chatnio":            {Dialect: "chatnio", Model: "long-5"},
		"iagent":             {Dialect: "iagent", Model: "long-5", Slots: 8},
		"openai paced":       {Dialect: "openai", Model: "long-5", Rate: 200},
		"rest paced":         {Dialect: "rest", Model: "long-5", Rate: 200, Stream: true},
		"chatnio paced":      {Dialect: "chatnio", Model: "long-5", Rate: 200},
		"iagent paced":       {Dialect: "iagent", Model: "long-5", Rate: 200, Slots: 8},
		"cut":                {Dialect: "openai", Model: "long-500-slow-5", Stream: true, Cut: true, Ramp: 10 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := short(o)
			o.Addr = serve(t)
			r, err := o.run()
			for err == nil && r.Requests == 0 && !(o.Cut && r.Events > 0) && o.Window < 10*time.Second {
				o.Window *= 4 // a slow machine ends no answer within it
				r, err = o.run()
			}
			if err != nil || r.Failures > 0 {
				t.Fatalf("%v, %d failures: %q", err, r.Failures, r.Errors)
			}
			if r.Requests+r.Events == 0 || !o.Cut && (r.Requests == 0 || r.Latency == nil || r.Latency.P50 <= 0) {
				t.Errorf("measured %+v", r)
			}
		})
	}
}

func TestABrokenAnswerFailsTheRun(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]options{
		"cut off":       {Dialect: "openai", Model: "long-5-cut", Stream: true},
		"no end mark":   {Dialect: "anthropic", Model: "long-5-noend", Stream: true},
		"an error":      {Dialect: "rest", Model: "long-5-errormid", Stream: true},
		"refused":       {Dialect: "openai", Model: "long-5-fail-503"},
		"nonsense":      {Dialect: "openai", Model: "long-5-garbage"},
		"empty":         {Dialect: "anthropic", Model: "long-5-empty"},
		"two ends":      {Dialect: "chatnio", Model: "long-5-double"},
		"two replies":   {Dialect: "iagent", Model: "long-5-double"},
		"never answers": {Dialect: "iagent", Model: "long-5-hang", Rate: 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := short(o)
			o.Addr, o.Drain = serve(t), 50*time.Millisecond
			r, err := o.run()
			if err == nil && r.Failures == 0 {
				t.Errorf("accepted: %+v", r)
			}
		})
	}
}

func TestIdleConnectionsStayOpen(t *testing.T) {
	t.Parallel()
	o := short(options{Dialect: "chatnio", Model: "long-5", Idle: true, Callers: 20})
	o.Addr = serve(t)
	if r, err := o.run(); err != nil || r.Failures > 0 {
		t.Fatalf("%v, %+v", err, r)
	}
}

func TestWhatCannotBeMeasuredIsRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []options{
		{Dialect: "openai", Model: "recall"}, {Dialect: "openai", Model: "echo", Stream: true}, {Dialect: "chatnio", Model: "echo"},
		{Dialect: "openai", Model: "long-5", Slots: 2}, {Dialect: "openai", Model: "long-5", Pid: []int{1 << 30}},
	} {
		o := short(o)
		o.Addr = "127.0.0.1:1"
		if _, err := o.run(); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}
