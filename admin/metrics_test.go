package admin

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
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
	r.Channel("new")
	return r.Snapshots()
}

func TestAScrapeIsAsItWasWrittenDown(t *testing.T) {
	t.Parallel()
	f := figures{
		counted: counted(),
		channels: []proxy.ChannelState{
			{ID: "a \"quoted\\\"\nname", InFlight: 3, Waiting: 2, Keys: []proxy.KeyState{
				{Key: 0, Models: []proxy.ModelState{{Model: "m", State: "ready"}, {Model: "größe", State: "open", Seconds: 12.25}}},
				{Key: 1, Models: []proxy.ModelState{{Model: "m", State: "slow", Seconds: 1e-7}}},
			}},
			{ID: "new", Probe: &proxy.ProbeState{Good: 12_345_678, Bad: 2, Neutral: 1}},
		},
		shared: &limiter.JointStats{Up: true, Queued: 4, Lost: 3, Alone: 2, Missed: 1},
		uptime: 90061500 * time.Millisecond, goroutines: 23,
	}
	got, err := f.text()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestAScrapeBeforeTheFirstQuestionHasNoFamiliesWithoutSeries(t *testing.T) {
	t.Parallel()
	got, err := (&figures{}).text()
	if err != nil {
		t.Fatal(err)
	}
	want := `# HELP dragoman_uptime_seconds Time since the start.
# TYPE dragoman_uptime_seconds gauge
dragoman_uptime_seconds 0
# HELP dragoman_goroutines Goroutines of the process.
# TYPE dragoman_goroutines gauge
dragoman_goroutines 0
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}
