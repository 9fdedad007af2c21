package admin

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/metrics"
	"github.com/dragoman-gateway/dragoman/translate"
)

// counted are counts of exchanges on one channel, and of those that reached none.
func counted() []metrics.Snapshot {
	var r metrics.Registry
	r.None.Ended("chatnio", metrics.Limited, 200*time.Microsecond)
	a := r.Channel("a \"quoted\\\"\nname")
	a.Failed(translate.FaultBusy)
	for _, took := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 700 * time.Millisecond, 3 * time.Minute} {
		a.Answered(took / 2)
		a.Ended("openai", metrics.OK, took)
	}
	a.Ended("openai", metrics.Canceled, time.Second)
	a.Used(translate.Usage{Input: 120, Output: 34, Sound: 90_500, Images: 3}, 2_500_000_000)
	r.Channel("new")
	return r.Snapshots()
}

func scrape() figures {
	return figures{
		counted: counted(),
		channels: []proxy.ChannelState{
			{ID: "a \"quoted\\\"\nname", InFlight: 3, Waiting: 2, Keys: []proxy.KeyState{
				{Key: 0, Models: []channel.ModelState{{Model: "m", State: "ready"}, {Model: "größe", State: "open", Seconds: 12.25}}},
				{Key: 1, Models: []channel.ModelState{{Model: "m", State: "slow", Seconds: 1e-7}}},
			}},
			{ID: "new", Probe: &proxy.ProbeState{Good: 12_345_678, Bad: 2, Neutral: 1}},
		},
		shared: &limiter.JointStats{Up: true, Queued: 4, Lost: 3, Alone: 2, Missed: 1},
		uptime: 90061500 * time.Millisecond, goroutines: 23, memory: 64 << 20, clients: &Clients{Connections: 9, Sessions: 5}, spans: &SpanStats{Exported: 12, Dropped: 3},
	}
}

func TestAScrapeIsAsItWasWrittenDown(t *testing.T) {
	t.Parallel()
	f := scrape()
	want, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(f.text())); diff != "" {
		t.Error(diff)
	}
}

func TestPrometheusOwnLibraryReadsAScrapeAndWritesTheSame(t *testing.T) {
	t.Parallel()
	f := scrape()
	text := string(f.text())
	parser := expfmt.NewTextParser(model.UTF8Validation)
	read, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var written bytes.Buffer
	for line := range strings.Lines(text) {
		head, isHead := strings.CutPrefix(line, "# TYPE ")
		if !isHead {
			continue
		}
		name, _, _ := strings.Cut(head, " ")
		family := read[name]
		if family == nil {
			t.Fatalf("it does not read %s", name)
		}
		if _, err := expfmt.MetricFamilyToText(&written, family); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(written.String(), text); diff != "" {
		t.Error(diff)
	}
}

func TestWhatAServerTellsIsReadByPrometheusOwnLibrary(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, questions := range []int{0, 3} {
		for range questions {
			_ = d.ask("q")
		}
		parser := expfmt.NewTextParser(model.UTF8Validation)
		read, err := parser.TextToMetricFamilies(d.call("GET", "/metrics", "").Body)
		if err != nil {
			t.Fatal(err)
		}
		count := read["dragoman_exchange_duration_seconds"].GetMetric()[1].GetHistogram().GetSampleCount()
		if count != uint64(questions) {
			t.Errorf("%d exchanges on the first channel, want %d", count, questions)
		}
	}
}
