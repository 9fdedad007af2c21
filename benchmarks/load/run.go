package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/benchmarks/process"
)

// Result is what a run measured. CPU time is that of the processes given with
// --pid, within the window.
type Result struct {
	Name    string  `json:"name,omitempty"`
	Dialect string  `json:"dialect"`
	Model   string  `json:"model"`
	Stream  bool    `json:"stream,omitempty"`
	Callers int     `json:"callers"`
	Slots   int     `json:"slots,omitempty"`
	Rate    float64 `json:"rate,omitempty"`
	Seconds float64 `json:"seconds"`

	Requests          int64   `json:"requests"`
	Events            int64   `json:"events"`
	RequestsPerSecond float64 `json:"requests_per_second"`
	EventsPerSecond   float64 `json:"events_per_second"`

	Latency *Quantiles `json:"latency_us,omitempty"` // of whole answers, from when they were due
	First   *Quantiles `json:"first_us,omitempty"`   // of first pieces
	Gap     *Quantiles `json:"gap_us,omitempty"`     // between reads that brought pieces
	Glued   int64      `json:"glued"`                // pieces that came in one read with another one before
	Starved int64      `json:"starved,omitempty"`    // questions that were due while no connection was free

	CPUPerRequest float64 `json:"cpu_us_per_request,omitempty"`
	CPUPerEvent   float64 `json:"cpu_us_per_event,omitempty"`
	Busy          float64 `json:"busy"`      // cores in use by the measured processes
	Waited        float64 `json:"waited"`    // threads of the measured processes that had no core, on average
	PeerBusy      float64 `json:"peer_busy"` // by the peers
	LoadBusy      float64 `json:"load_busy"` // by this program
	RSSBefore     float64 `json:"rss_before_mib"`
	RSS           float64 `json:"rss_mib"`      // at the end of the window
	RSSPeak       float64 `json:"rss_peak_mib"` // since the process started
	PrivateBefore float64 `json:"private_before_mib"`
	Private       float64 `json:"private_mib"` // without pages of files
	KiBPerCaller  float64 `json:"kib_per_caller,omitempty"`

	Failures int64    `json:"failures"`
	Errors   []string `json:"errors,omitempty"`
}

// run is one run under way.
type run struct {
	*options
	want   int
	paced  bool
	window atomic.Bool
	stop   atomic.Bool // nothing more is asked
	cut    atomic.Bool // connections are closed on purpose

	mu       sync.Mutex
	lines    []line
	failures int64
	errors   []string

	starved atomic.Int64
	open    atomic.Int64 // paced: questions without an answer
	work    sync.WaitGroup
	done    chan struct{}
}

// fail notes a failure. Those of connections that are being cut are none.
func (r *run) fail(err error) {
	if r.cut.Load() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	if len(r.errors) < 5 {
		r.errors = append(r.errors, err.Error())
	}
}

// survive is deferred at the entry of every goroutine: a panic is a failure of
// the run, which is to end with its report.
func (r *run) survive() {
	if p := recover(); p != nil {
		r.fail(fmt.Errorf("panic: %v", p))
	}
}

func (r *run) add(l line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, l)
	if r.cut.Load() {
		l.close()
	}
}

func (r *run) closeAll() {
	r.cut.Store(true)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		l.close()
	}
}

// run asks, measures and reports.
func (o *options) run() (*Result, error) {
	r := &run{options: o, paced: o.Rate > 0, done: make(chan struct{})}
	var err error
	if r.want, err = wanted(o.Model); err != nil {
		return nil, err
	}
	if r.want == 0 && (o.Stream || o.Dialect == "chatnio" || o.Dialect == "iagent") {
		return nil, errors.New("echo is for whole answers over HTTP")
	}
	if o.Callers < 1 || o.Slots < 1 || o.Turns < 1 || o.Slots > 1 && o.Dialect != "iagent" {
		return nil, errors.New("callers, slots and turns are at least 1, and only iagent has slots")
	}
	res := &Result{Name: o.Name, Dialect: o.Dialect, Model: o.Model, Stream: o.Stream, Callers: o.Callers, Slots: o.Slots, Rate: o.Rate}
	before, err := process.MemoryOf(o.Pid)
	if err != nil {
		return nil, err
	}
	res.RSSBefore, res.PrivateBefore = before.Resident, before.Private
	switch {
	case o.Idle:
		r.idle()
	case r.paced:
		err = r.startOpen()
	default:
		r.startClosed()
	}
	if err == nil {
		err = r.measure(res)
	}
	r.finish()
	r.report(res)
	return res, err
}

// sample is what is counted at one moment.
type sample struct {
	at                     time.Time
	cpu, peer, own         process.Usage
	answers, events, glued int64
}

func (r *run) sample() (s sample, err error) {
	s.at = time.Now()
	if s.cpu, err = process.UsageOf(r.Pid); err != nil {
		return s, err
	}
	if s.peer, err = process.UsageOf(r.Peer); err != nil {
		return s, err
	}
	if s.own, err = process.UsageOf([]int{os.Getpid()}); err != nil {
		return s, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.lines {
		m := l.meter()
		s.answers += m.answers.Load()
		s.events += m.events.Load()
		s.glued += m.glued.Load()
	}
	return s, nil
}

// measure waits for the window and takes the differences between its ends.
func (r *run) measure(res *Result) error {
	time.Sleep(r.Warmup)
	a, err := r.sample()
	if err != nil {
		return err
	}
	r.window.Store(true)
	time.Sleep(r.Window)
	b, err := r.sample()
	r.window.Store(false)
	if err != nil {
		return err
	}
	memory, err := process.MemoryOf(r.Pid)
	if err != nil {
		return err
	}
	res.RSS, res.RSSPeak, res.Private = memory.Resident, memory.Peak, memory.Private
	seconds := b.at.Sub(a.at).Seconds()
	res.Seconds = round(seconds)
	res.Requests, res.Events, res.Glued = b.answers-a.answers, b.events-a.events, b.glued-a.glued
	res.RequestsPerSecond, res.EventsPerSecond = round(float64(res.Requests)/seconds), round(float64(res.Events)/seconds)
	cpu := (b.cpu.Used - a.cpu.Used).Seconds()
	res.Busy, res.PeerBusy, res.LoadBusy = round(cpu/seconds), round((b.peer.Used-a.peer.Used).Seconds()/seconds), round((b.own.Used-a.own.Used).Seconds()/seconds)
	res.Waited = round((b.cpu.Waited - a.cpu.Waited).Seconds() / seconds)
	if len(r.Pid) > 0 && res.Requests > 0 {
		res.CPUPerRequest = round(cpu * 1e6 / float64(res.Requests))
	}
	if len(r.Pid) > 0 && res.Events > 0 {
		res.CPUPerEvent = round(cpu * 1e6 / float64(res.Events))
	}
	if r.Idle || r.Cut {
		res.KiBPerCaller = round((res.RSS - res.RSSBefore) * 1024 / float64(r.Callers))
	}
	return nil
}

func round(v float64) float64 { return float64(int64(v*1000+.5)) / 1000 }

// finish waits for the answers that are under way, unless they are to be cut, and
// closes everything.
func (r *run) finish() {
	r.stop.Store(true)
	close(r.done)
	ended := make(chan struct{})
	go func() {
		defer r.survive()
		defer close(ended)
		r.work.Wait()
	}()
	if !r.Cut && !r.Idle {
		select {
		case <-ended:
		case <-time.After(r.Drain):
			r.fail(errors.New("at the end there were answers that never came"))
		}
	}
	r.closeAll()
	<-ended
}

func (r *run) report(res *Result) {
	var whole, first, gap histogram
	for _, l := range r.lines {
		m := l.meter()
		whole.merge(&m.whole)
		first.merge(&m.first)
		gap.merge(&m.gap)
	}
	res.Latency, res.First, res.Gap = whole.quantiles(), first.quantiles(), gap.quantiles()
	res.Starved = r.starved.Load()
	res.Failures, res.Errors = r.failures, slices.Clone(r.errors)
	if !r.Idle && res.Requests+res.Events == 0 {
		res.Failures++
		res.Errors = append(res.Errors, "nothing was answered")
	}
}

// startClosed starts callers that ask again as soon as they are answered.
func (r *run) startClosed() {
	runtime.GOMAXPROCS(max(1, runtime.NumCPU()))
	for i := range r.Callers {
		r.work.Go(func() {
			defer r.survive()
			if r.Ramp > 0 {
				time.Sleep(r.Ramp * time.Duration(i) / time.Duration(r.Callers))
			}
			l, err := r.connect(i)
			if err == nil {
				err = r.loop(l)
			}
			if err != nil {
				r.fail(fmt.Errorf("caller %d: %w", i, err))
			}
		})
	}
}

func (r *run) connect(i int) (line, error) {
	l, err := r.options.open(i, r.want, &r.window, r.paced)
	if err != nil {
		return nil, err
	}
	r.add(l)
	return l, nil
}

func (r *run) loop(l line) error {
	defer l.close()
	waiting := 0
	for slot := range r.Slots {
		if err := r.ask(l, slot, time.Now()); err != nil {
			return err
		}
		waiting++
	}
	for waiting > 0 {
		slot, err := l.answer()
		if err != nil {
			return err
		}
		l.meter().answered(slot)
		if r.stop.Load() {
			waiting--
			continue
		}
		if err := r.ask(l, slot, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) ask(l line, slot int, due time.Time) error {
	l.meter().asked(slot, due)
	return l.ask(slot)
}

// idle opens the connections, a few at a time, and leaves them alone but for the
// pings that they get.
func (r *run) idle() {
	const dialers = 16
	var opened sync.WaitGroup
	for d := range dialers {
		opened.Go(func() {
			defer r.survive()
			for i := d; i < r.Callers; i += dialers {
				l, err := r.connect(i)
				if err == nil {
					err = l.flush()
				}
				if err != nil {
					r.fail(fmt.Errorf("connection %d: %w", i, err))
					return
				}
				r.work.Go(func() {
					defer r.survive()
					if _, err := l.answer(); err != nil {
						r.fail(err)
					}
				})
			}
		})
	}
	opened.Wait()
}
