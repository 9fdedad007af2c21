package tracing

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/otlptest"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/translate"
)

var update = flag.Bool("update", false, "write the texts of spans anew")

func TestTheSpansOfAnExchangeAreAsWrittenDown(t *testing.T) {
	t.Parallel()
	cut, cached, refused := ended(), ended(), ended()
	cut.Attempts = cut.Attempts[1:]
	cut.Outcome = journal.Outcome{Code: translate.CodeModel, Fault: translate.FaultCut, Message: "the answer broke off", Failed: true}
	cut.Attempts[0].Outcome, cut.Finish, cut.Parent = cut.Outcome, 0, [8]byte{}
	cached.Attempts, cached.Cached, cached.Answered = nil, true, ""
	refused.Attempts, refused.Answered, refused.Finish, refused.Usage = nil, "", 0, translate.Usage{}
	refused.Outcome = journal.Outcome{Code: translate.CodeRateLimited, Message: "too many requests"}
	for name, e := range map[string]*journal.Ended{"failover": ended(), "cut": cut, "cached": cached, "refused": refused} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := otlptest.New(t)
			tr, _ := traced(t, c, nil)
			tr.Add(e)
			got, file := otlptest.Shown(c.Next(t), began), "testdata/"+name+".txt"
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("run with -update; (- file, + now):\n%s", diff)
			}
		})
	}
}

func TestTheCollectorIsAskedWithItsHeaders(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	tr, _ := traced(t, c, func(conf *config.Traces) {
		conf.Endpoint += "/v1/traces/"
		conf.Headers = map[string]string{"Authorization": "Bearer secret", "X-Tenant": "7"}
	})
	tr.Add(ended())
	c.Next(t)
	h := c.Headers(0)
	for name, want := range map[string]string{"Authorization": "Bearer secret", "X-Tenant": "7", "Content-Type": "application/x-protobuf", "User-Agent": "dragoman/v1"} {
		if h.Get(name) != want {
			t.Errorf("%s: %q", name, h.Get(name))
		}
	}
}

// until waits for the spans that were exported and dropped.
func until(t *testing.T, tr *Tracer, want Stats) {
	t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		got, _ := tr.Stats()
		if got == want {
			return
		}
		if time.Since(begun) > time.Minute {
			t.Fatalf("%+v, want %+v", got, want)
		}
	}
}

func TestACollectorThatHasNoTimeIsAskedAgain(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	c.Answer = func(n int) (int, []byte) { return []int{503, 429, 200}[min(n, 2)], nil }
	tr, _ := traced(t, c, nil)
	tr.Add(ended())
	c.Next(t)
	until(t, tr, Stats{Exported: 3})
}

func TestWhatTheCollectorRefusesIsDropped(t *testing.T) {
	t.Parallel()
	partial, err := proto.Marshal(&collectorpb.ExportTraceServiceResponse{PartialSuccess: &collectorpb.ExportTracePartialSuccess{ErrorMessage: "no", RejectedSpans: 2}})
	if err != nil {
		t.Fatal(err)
	}
	for name, one := range map[string]struct {
		status int
		reply  []byte
		want   Stats
	}{
		"in part":            {200, partial, Stats{Exported: 1, Dropped: 2}},
		"more than there is": {200, []byte{10, 10, 8, 255, 255, 255, 255, 255, 255, 255, 255, 127}, Stats{Dropped: 3}},
		"nothing readable":   {200, []byte("<html>"), Stats{Exported: 3}},
		"all":                {400, nil, Stats{Dropped: 3}},
		"with a redirect":    {302, nil, Stats{Dropped: 3}},
		"with a login page":  {401, []byte("<html>"), Stats{Dropped: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := otlptest.New(t)
			c.Answer = func(int) (int, []byte) { return one.status, one.reply }
			tr, log := traced(t, c, func(conf *config.Traces) { conf.Headers = map[string]string{"Authorization": "Bearer secret"} })
			tr.Add(ended())
			until(t, tr, one.want)
			tr.Close()
			if said := strings.Contains(log.String(), "did not take spans"); said != (one.want.Dropped > 0) || strings.Contains(log.String(), "secret") {
				t.Errorf("the log says %s", log)
			}
		})
	}
}

func TestACollectorThatIsAwayCostsDroppedSpansOnly(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	stuck := make(chan struct{})
	c.Answer = func(int) (int, []byte) { <-stuck; return 200, nil }
	tr, _ := traced(t, c, nil)
	const more = 100
	for range queued + batch + more { // nobody takes any, so that at most so many find room
		tr.Add(ended())
	}
	if got, _ := tr.Stats(); got.Dropped == 0 || got.Dropped > 3*(batch+more) || got.Exported != 0 {
		t.Errorf("%+v", got)
	}
	close(stuck)
	tr.Close()
	if got, _ := tr.Stats(); got.Exported+got.Dropped != 3*(queued+batch+more) {
		t.Errorf("%+v: not all are accounted for", got)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	c.Close()
	tr, log := traced(t, c, func(conf *config.Traces) { conf.Timeout = time.Millisecond })
	for range 3 {
		tr.Add(ended())
	}
	until(t, tr, Stats{Dropped: 9})
	tr.Close()
	if n := strings.Count(log.String(), "did not take spans"); n != 1 {
		t.Errorf("the log says it %d times: %s", n, log)
	}
}

func TestTheEndSendsWhatWaits(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	tr, _ := traced(t, c, nil)
	for range 2*batch + 1 {
		tr.Add(ended())
	}
	tr.Close()
	tr.Close()
	if got, _ := tr.Stats(); got != (Stats{Exported: 3 * (2*batch + 1)}) {
		t.Errorf("%+v", got)
	}
	tr.Apply(&config.Traces{Endpoint: c.URL})
	if tr.On() {
		t.Error("traces began behind the end")
	}
}

func TestAReloadTurnsTracesOnAndOff(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	tr := New(nil, "v1")
	defer tr.Close()
	tr.Add(ended())
	if _, ok := tr.Stats(); ok || tr.On() || tr.Sample() {
		t.Error("traces without a collector")
	}
	for i, sample := range []float64{0, 1} {
		service := fmt.Sprint("s", i)
		tr.Apply(&config.Traces{Endpoint: c.URL, Sample: &sample, Timeout: time.Minute, Service: service})
		if _, ok := tr.Stats(); !ok || !tr.On() || tr.Sample() != (sample == 1) {
			t.Errorf("of %v it samples %v", sample, tr.Sample())
		}
		tr.Add(ended())
		if got := c.Next(t).Resource.String(); !strings.Contains(got, service) {
			t.Errorf("the spans are of %s", got)
		}
	}
	tr.Apply(&config.Traces{})
	if tr.On() || tr.Sample() {
		t.Error("traces without a collector")
	}
}

// What a client may name itself must not break what is sent.
func TestStrangeNamesArriveAsTheyAre(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t)
	tr, _ := traced(t, c, nil)
	e := ended()
	e.Model, e.Caller, e.Span.State, e.Answered = "größe\x00\n\"", strings.Repeat("漢", 300), "broken,,", "half \xe6\xbc"
	tr.Add(e)
	got := otlptest.Shown(c.Next(t), began)
	for _, want := range []string{`gen_ai.request.model="größe\x00\n\""`, strings.Repeat("漢", 300), `gen_ai.response.model="half �"`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}
