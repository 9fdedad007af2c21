package admin

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/metrics"
)

// metrics answers in the text format of Prometheus, version 0.0.4. Labels are fronts,
// channels, models and keys by number, all of them from the configuration: a client
// cannot make a series.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) error {
	f := figures{counted: s.g.Metrics(), channels: s.g.Channels(), uptime: time.Since(s.began), goroutines: runtime.NumGoroutine()}
	if s.shared != nil {
		f.shared = new(s.shared())
	}
	text, err := f.text()
	if err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(text)
	return nil
}

// figures are what one scrape tells.
type figures struct {
	counted    []metrics.Snapshot
	channels   []proxy.ChannelState
	shared     *limiter.JointStats // nil: this process counts alone
	uptime     time.Duration
	goroutines int
}

// text returns the figures in the text format. Families without a series are left out.
func (f *figures) text() ([]byte, error) {
	var families []*dto.MetricFamily
	families = append(families, f.exchanges()...)
	families = append(families, f.slots()...)
	families = append(families, f.probes(), f.breakers(), f.waits())
	families = append(families, f.joint()...)
	families = append(families,
		family("dragoman_uptime_seconds", dto.MetricType_GAUGE, "Time since the start.", gauge(f.uptime.Seconds())),
		family("dragoman_goroutines", dto.MetricType_GAUGE, "Goroutines of the process.", gauge(float64(f.goroutines))))
	var text bytes.Buffer
	for _, m := range families {
		if len(m.Metric) == 0 {
			continue
		}
		if _, err := expfmt.MetricFamilyToText(&text, m); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}

func (f *figures) exchanges() []*dto.MetricFamily {
	ended := family("dragoman_exchanges_total", dto.MetricType_COUNTER, "Exchanges that have ended, by front, by the channel that was asked last, and by how they ended.")
	attempts := family("dragoman_attempts_total", dto.MetricType_COUNTER, "Attempts on a channel, by how they went; cut: the answer broke off after it had begun.")
	took := family("dragoman_exchange_duration_seconds", dto.MetricType_HISTOGRAM, "Time from a question to the end of its answer.")
	first := family("dragoman_first_content_seconds", dto.MetricType_HISTOGRAM, "Time from a question to the first content of its answer, or to the whole of one in a piece.")
	for i := range f.counted {
		s := &f.counted[i]
		for _, e := range s.Exchanges {
			ended.Metric = append(ended.Metric, counter(e.N, "front", e.Front, "channel", s.Channel, "outcome", e.Outcome.String()))
		}
		for _, a := range s.Attempts {
			attempts.Metric = append(attempts.Metric, counter(a.N, "channel", s.Channel, "outcome", a.Outcome))
		}
		took.Metric = append(took.Metric, histogram(&s.Took, "channel", s.Channel))
		first.Metric = append(first.Metric, histogram(&s.First, "channel", s.Channel))
	}
	return []*dto.MetricFamily{ended, attempts, took, first}
}

func (f *figures) slots() []*dto.MetricFamily {
	running := family("dragoman_channel_in_flight", dto.MetricType_GAUGE, "Requests that run on a channel.")
	waiting := family("dragoman_channel_waiting", dto.MetricType_GAUGE, "Questions that wait for a slot of a channel; one may wait for several.")
	for i := range f.channels {
		c := &f.channels[i]
		running.Metric = append(running.Metric, gauge(float64(c.InFlight), "channel", c.ID))
		waiting.Metric = append(waiting.Metric, gauge(float64(c.Waiting), "channel", c.ID))
	}
	return []*dto.MetricFamily{running, waiting}
}

// probes has the counters of the channels that are probed.
func (f *figures) probes() *dto.MetricFamily {
	all := family("dragoman_probes_total", dto.MetricType_COUNTER, "Probes of a channel, by what they told: good, bad, or neutral, which is nothing.")
	for i := range f.channels {
		id, p := f.channels[i].ID, f.channels[i].Probe
		if p == nil {
			continue
		}
		all.Metric = append(all.Metric,
			counter(p.Good, "channel", id, "outcome", "good"),
			counter(p.Bad, "channel", id, "outcome", "bad"),
			counter(p.Neutral, "channel", id, "outcome", "neutral"))
	}
	return all
}

// states are the values of the label state, see proxy.ModelState.
func states() []string {
	return []string{"ready", "trial", "open", "throttled", "aside", "full", "slow"}
}

func (f *figures) breakers() *dto.MetricFamily {
	all := family("dragoman_breaker_state", dto.MetricType_GAUGE, "1 for the state that a model of a channel with one key is in, 0 for the others.")
	f.models(func(m *proxy.ModelState, labels []string) {
		for _, s := range states() {
			all.Metric = append(all.Metric, gauge(one(m.State == s), append(labels, "state", s)...))
		}
	})
	return all
}

func (f *figures) waits() *dto.MetricFamily {
	all := family("dragoman_breaker_wait_seconds", dto.MetricType_GAUGE, "Time until a request may try it again; 0: now.")
	f.models(func(m *proxy.ModelState, labels []string) {
		all.Metric = append(all.Metric, gauge(m.Seconds, labels...))
	})
	return all
}

// models calls do with each model of each key of each channel, and the labels that name it.
func (f *figures) models(do func(m *proxy.ModelState, labels []string)) {
	for _, c := range f.channels {
		for _, k := range c.Keys {
			for i := range k.Models {
				do(&k.Models[i], []string{"channel", c.ID, "key", strconv.Itoa(k.Key), "model", k.Models[i].Model})
			}
		}
	}
}

// joint tells how the limits stand that several processes share.
func (f *figures) joint() []*dto.MetricFamily {
	t := f.shared
	if t == nil {
		return nil
	}
	return []*dto.MetricFamily{
		family("dragoman_shared_up", dto.MetricType_GAUGE, "1 while the shared limits answer, 0 while this process counts alone.", gauge(one(t.Up))),
		family("dragoman_shared_queued", dto.MetricType_GAUGE, "Ended questions that the shared limits have not been told of yet.", gauge(float64(t.Queued))),
		family("dragoman_shared_lost_total", dto.MetricType_COUNTER, "Calls that the shared limits did not answer in time.", counter(t.Lost)),
		family("dragoman_shared_alone_total", dto.MetricType_COUNTER, "Questions that this process decided alone.", counter(t.Alone)),
		family("dragoman_shared_missed_total", dto.MetricType_COUNTER, "Ended questions that the shared limits were never told of.", counter(t.Missed)),
	}
}

func one(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// family is a metric with its series.
func family(name string, kind dto.MetricType, help string, series ...*dto.Metric) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Type: &kind, Help: &help, Metric: series}
}

// counter is one series of a counter. Labels are names and values in turn, here and below.
func counter(n uint64, labels ...string) *dto.Metric {
	return &dto.Metric{Label: pairs(labels), Counter: &dto.Counter{Value: new(float64(n))}}
}

func gauge(value float64, labels ...string) *dto.Metric {
	return &dto.Metric{Label: pairs(labels), Gauge: &dto.Gauge{Value: &value}}
}

func histogram(h *metrics.Histogram, labels ...string) *dto.Metric {
	d := &dto.Histogram{SampleCount: &h.Count, SampleSum: new(h.Sum.Seconds())}
	for i := range h.Buckets {
		d.Bucket = append(d.Bucket, &dto.Bucket{UpperBound: new(h.Buckets[i].Bound.Seconds()), CumulativeCount: &h.Buckets[i].Count})
	}
	return &dto.Metric{Label: pairs(labels), Histogram: d}
}

func pairs(labels []string) []*dto.LabelPair {
	all := make([]*dto.LabelPair, 0, len(labels)/2)
	for i := 0; i < len(labels); i += 2 {
		all = append(all, &dto.LabelPair{Name: new(labels[i]), Value: new(labels[i+1])})
	}
	return all
}
