package admin

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	gauges "runtime/metrics"
	"strconv"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/metrics"
)

// metrics answers in the text format of Prometheus, version 0.0.4. Labels are fronts,
// channels, models and keys by number, all of them from the configuration: a client
// cannot make a series.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) error {
	f := figures{counted: s.g.Metrics(), channels: s.g.Channels(), uptime: time.Since(s.began), goroutines: runtime.NumGoroutine(), memory: memory(), health: s.health()}
	if s.shared != nil {
		f.shared = new(s.shared())
	}
	if s.clients != nil {
		f.clients = new(s.clients())
	}
	if s.spans != nil {
		f.spans = s.spans()
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(f.text())
	return nil
}

// figures are what one scrape tells.
type figures struct {
	counted    []metrics.Snapshot
	channels   []proxy.ChannelState
	shared     *limiter.JointStats // nil: this process counts alone
	uptime     time.Duration
	goroutines int
	memory     uint64   // in bytes
	clients    *Clients // nil: nobody knows
	health     Health
	spans      *SpanStats // nil: there are no traces
}

// text returns the figures in the text format. It is written by hand, since Prometheus'
// library brings protocol buffers along, which a process would hold all its life; in tests
// that library reads what is written here.
func (f *figures) text() []byte {
	e := &exposition{}
	e.exchanges(f.counted)
	e.histogram("dragoman_exchange_duration_seconds", "Time from a question to the end of its answer.", f.counted, func(s *metrics.Snapshot) *metrics.Histogram { return &s.Took })
	e.histogram("dragoman_first_content_seconds", "Time from a question to the first content of its answer, or to the whole of one in a piece.", f.counted, func(s *metrics.Snapshot) *metrics.Histogram { return &s.First })
	e.used(f.counted)
	e.channels(f.channels)
	e.probes(f.channels)
	e.breakers(f.channels)
	if f.shared != nil {
		e.shared(f.shared)
	}
	if f.clients != nil {
		e.clients(f.clients)
	}
	if f.spans != nil {
		e.traces(f.spans)
	}
	e.process(f)
	return e.Bytes()
}

// exposition is text that grows.
type exposition struct{ bytes.Buffer }

func (e *exposition) head(name, kind, help string) {
	fmt.Fprintf(e, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

// line writes one sample; labels are names and values in turn.
func (e *exposition) line(name string, value float64, labels ...string) {
	e.WriteString(name)
	for i := 0; i < len(labels); i += 2 {
		e.WriteByte("{,"[min(i, 1)])
		e.WriteString(labels[i])
		e.WriteString(`="`)
		_, _ = escaped().WriteString(e, labels[i+1])
		e.WriteByte('"')
	}
	if len(labels) > 0 {
		e.WriteByte('}')
	}
	e.WriteByte(' ')
	e.WriteString(strconv.FormatFloat(value, 'g', -1, 64))
	e.WriteByte('\n')
}

func escaped() *strings.Replacer { return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`) }

func (e *exposition) exchanges(counted []metrics.Snapshot) {
	e.head("dragoman_exchanges_total", "counter", "Exchanges that have ended, by front, by the channel that was asked last, and by how they ended.")
	for _, s := range counted {
		for _, c := range s.Exchanges {
			e.line("dragoman_exchanges_total", float64(c.N), "front", c.Front, "channel", s.Channel, "outcome", c.Outcome.String())
		}
	}
	e.head("dragoman_attempts_total", "counter", "Attempts on a channel, by how they went; cut: the answer broke off after it had begun.")
	for _, s := range counted {
		for _, a := range s.Attempts {
			e.line("dragoman_attempts_total", float64(a.N), "channel", s.Channel, "outcome", a.Outcome)
		}
	}
}

func (e *exposition) histogram(name, help string, counted []metrics.Snapshot, of func(*metrics.Snapshot) *metrics.Histogram) {
	e.head(name, "histogram", help)
	for i := range counted {
		h, id := of(&counted[i]), counted[i].Channel
		for _, b := range h.Buckets {
			e.line(name+"_bucket", float64(b.Count), "channel", id, "le", strconv.FormatFloat(b.Bound.Seconds(), 'g', -1, 64))
		}
		e.line(name+"_bucket", float64(h.Count), "channel", id, "le", "+Inf")
		e.line(name+"_sum", h.Sum.Seconds(), "channel", id)
		e.line(name+"_count", float64(h.Count), "channel", id)
	}
}

// used writes what answers took of each channel.
func (e *exposition) used(counted []metrics.Snapshot) {
	e.head("dragoman_tokens_total", "counter", "Tokens of the exchanges that have ended, as they are charged.")
	for i := range counted {
		if s := &counted[i]; s.Channel != "" {
			e.line("dragoman_tokens_total", float64(s.Input), "channel", s.Channel, "direction", "input")
			e.line("dragoman_tokens_total", float64(s.Output), "channel", s.Channel, "direction", "output")
		}
	}
	e.head("dragoman_sound_seconds_total", "counter", "Seconds of sound that back ends say they have heard or made.")
	for i := range counted {
		if s := &counted[i]; s.Channel != "" {
			e.line("dragoman_sound_seconds_total", float64(s.Sound)/1e3, "channel", s.Channel)
		}
	}
	e.head("dragoman_images_total", "counter", "Pictures that back ends have made.")
	for i := range counted {
		if s := &counted[i]; s.Channel != "" {
			e.line("dragoman_images_total", float64(s.Images), "channel", s.Channel)
		}
	}
	e.head("dragoman_cost_total", "counter", "What the exchanges that have ended cost, in the unit of the prices.")
	for i := range counted {
		if s := &counted[i]; s.Channel != "" {
			e.line("dragoman_cost_total", float64(s.Cost)/1e9, "channel", s.Channel)
		}
	}
}

// clients writes what clients hold open.
func (e *exposition) clients(c *Clients) {
	e.head("dragoman_connections", "gauge", "Connections of clients that are open.")
	e.line("dragoman_connections", float64(c.Connections))
	e.head("dragoman_sessions", "gauge", "Sockets and streamed answers that are open.")
	e.line("dragoman_sessions", float64(c.Sessions))
}

// memory is what the process has from the system and has not given back.
func memory() uint64 {
	read := []gauges.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	gauges.Read(read)
	return read[0].Value.Uint64() - read[1].Value.Uint64()
}

func (e *exposition) channels(channels []proxy.ChannelState) {
	for _, g := range []struct {
		name, help string
		of         func(*proxy.ChannelState) int
	}{
		{"dragoman_channel_in_flight", "Requests that run on a channel.", func(c *proxy.ChannelState) int { return c.InFlight }},
		{"dragoman_channel_waiting", "Questions that wait for a slot of a channel; one may wait for several.", func(c *proxy.ChannelState) int { return c.Waiting }},
	} {
		e.head(g.name, "gauge", g.help)
		for i := range channels {
			e.line(g.name, float64(g.of(&channels[i])), "channel", channels[i].ID)
		}
	}
}

// probes writes the counters of the channels that are probed.
func (e *exposition) probes(channels []proxy.ChannelState) {
	e.head("dragoman_probes_total", "counter", "Probes of a channel, by what they told: good, bad, or neutral, which is nothing.")
	for i := range channels {
		if p := channels[i].Probe; p != nil {
			e.line("dragoman_probes_total", float64(p.Good), "channel", channels[i].ID, "outcome", "good")
			e.line("dragoman_probes_total", float64(p.Bad), "channel", channels[i].ID, "outcome", "bad")
			e.line("dragoman_probes_total", float64(p.Neutral), "channel", channels[i].ID, "outcome", "neutral")
		}
	}
}

// states are the values of the label state, see channel.ModelState.
func states() []string {
	return []string{"ready", "trial", "open", "throttled", "aside", "full", "slow"}
}

func (e *exposition) breakers(channels []proxy.ChannelState) {
	each := func(f func(labels []string, m *channel.ModelState)) {
		for _, c := range channels {
			for _, k := range c.Keys {
				for i := range k.Models {
					f([]string{"channel", c.ID, "key", strconv.Itoa(k.Key), "model", k.Models[i].Model}, &k.Models[i])
				}
			}
		}
	}
	e.head("dragoman_breaker_state", "gauge", "1 for the state that a model of a channel with one key is in, 0 for the others.")
	each(func(labels []string, m *channel.ModelState) {
		for _, s := range states() {
			on := 0.0
			if m.State == s {
				on = 1
			}
			e.line("dragoman_breaker_state", on, append(labels, "state", s)...)
		}
	})
	e.head("dragoman_breaker_wait_seconds", "gauge", "Time until a request may try it again; 0: now.")
	each(func(labels []string, m *channel.ModelState) {
		e.line("dragoman_breaker_wait_seconds", m.Seconds, labels...)
	})
}

// shared tells how the limits stand that several processes share.
func (e *exposition) shared(t *limiter.JointStats) {
	up := 0.0
	if t.Up {
		up = 1
	}
	for _, m := range []struct {
		name, kind, help string
		value            float64
	}{
		{"dragoman_shared_up", "gauge", "1 while the shared limits answer, 0 while this process counts alone.", up},
		{"dragoman_shared_queued", "gauge", "Ended questions that the shared limits have not been told of yet.", float64(t.Queued)},
		{"dragoman_shared_lost_total", "counter", "Calls that the shared limits did not answer in time.", float64(t.Lost)},
		{"dragoman_shared_alone_total", "counter", "Questions that this process decided alone.", float64(t.Alone)},
		{"dragoman_shared_missed_total", "counter", "Ended questions that the shared limits were never told of.", float64(t.Missed)},
	} {
		e.head(m.name, m.kind, m.help)
		e.line(m.name, m.value)
	}
}

// traces tells what became of spans.
func (e *exposition) traces(s *SpanStats) {
	e.head("dragoman_trace_spans_exported_total", "counter", "Spans that the collector has taken.")
	e.line("dragoman_trace_spans_exported_total", float64(s.Exported))
	e.head("dragoman_trace_spans_dropped_total", "counter", "Spans that found no room, or that the collector did not take in time, or refused.")
	e.line("dragoman_trace_spans_dropped_total", float64(s.Dropped))
}

func one(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func (e *exposition) process(f *figures) {
	e.head("dragoman_store_up", "gauge", "1 while the store takes changes, 0 while conversations cannot be kept.")
	e.line("dragoman_store_up", one(f.health.Store))
	e.head("dragoman_ready", "gauge", "1 while questions are taken, 0 while the gateway starts or stops.")
	e.line("dragoman_ready", one(!f.health.Starting && !f.health.Stopping))
	if f.health.Configuration != "" {
		e.head("dragoman_configuration_info", "gauge", "1, with the hash of the configuration that runs.")
		e.line("dragoman_configuration_info", 1, "hash", f.health.Configuration)
	}
	if f.shared != nil {
		e.head("dragoman_configuration_differing", "gauge", "Processes on the same shared server that run with another configuration.")
		e.line("dragoman_configuration_differing", float64(f.health.Differing))
	}
	e.head("dragoman_uptime_seconds", "gauge", "Time since the start.")
	e.line("dragoman_uptime_seconds", f.uptime.Seconds())
	e.head("dragoman_goroutines", "gauge", "Goroutines of the process.")
	e.line("dragoman_goroutines", float64(f.goroutines))
	e.head("dragoman_memory_bytes", "gauge", "Memory that the process has from the system for its heap, stacks and runtime.")
	e.line("dragoman_memory_bytes", float64(f.memory))
}
