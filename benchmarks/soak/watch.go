package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/benchmarks/process"
)

// look is what was seen of the gateway at one moment, or the median of a minute.
type look struct {
	at                           time.Duration
	rss, goroutines, descriptors float64
}

// watch looks at the gateway until ctx ends, prints a line a minute, and returns an
// error when it grew between Settle and the end.
func (r *run) watch(ctx context.Context, out io.Writer, pid int) error {
	began := time.Now()
	tick := time.NewTicker(r.Every)
	defer tick.Stop()
	_, _ = fmt.Fprintln(out, "minute   RSS MiB  goroutines  descriptors  CPU cores  answers  attempts  failures")
	var all, minute []look
	used, since := r.cpu(pid), began
	for {
		select {
		case <-ctx.Done():
			return r.judge(out, all)
		case <-tick.C:
		}
		l, err := r.look(pid)
		if err != nil {
			return fmt.Errorf("the gateway is gone: %w", err)
		}
		l.at = time.Since(began)
		all, minute = append(all, l), append(minute, l)
		if time.Since(since) < time.Minute {
			continue
		}
		now := r.cpu(pid)
		m := median(minute)
		r.mu.Lock()
		failures := r.failures
		r.mu.Unlock()
		_, _ = fmt.Fprintf(out, "%6.1f %9.1f %11.0f %12.0f %10.2f %8d %9d %9d\n", l.at.Minutes(), m.rss, m.goroutines, m.descriptors,
			(now-used).Seconds()/time.Since(since).Seconds(), r.answered.Load(), r.refused.Load(), failures)
		minute, used, since = nil, now, time.Now()
	}
}

func (r *run) cpu(pid int) time.Duration {
	u, _ := process.UsageOf([]int{pid})
	return u.Used
}

// look reads the figures of the process, and the goroutines that it tells itself.
func (r *run) look(pid int) (l look, err error) {
	memory, err := process.MemoryOf([]int{pid})
	if err != nil {
		return l, err
	}
	l.rss = memory.Resident
	n, err := process.DescriptorsOf(pid)
	if err != nil {
		return l, err
	}
	l.descriptors = float64(n)
	l.goroutines, err = r.metric("dragoman_goroutines")
	return l, err
}

// metric reads one gauge without labels.
func (r *run) metric(name string) (float64, error) {
	request, err := http.NewRequest(http.MethodGet, "http://"+r.operator+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	answer, err := r.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}

// judge compares the last minutes with those after Settle: three of each, since what the
// hostile ones hold changes from one to the next.
func (r *run) judge(out io.Writer, all []look) error {
	span := min(3*time.Minute, (r.For-r.Settle)/3)
	var early, late []look
	for _, l := range all {
		if l.at >= r.Settle && l.at < r.Settle+span {
			early = append(early, l)
		}
		if l.at >= r.For-span {
			late = append(late, l)
		}
	}
	if len(early) == 0 || len(late) == 0 {
		return errors.New("the soak was too short to see anything")
	}
	a, b := median(early), median(late)
	var errs []error
	for _, f := range []struct {
		name          string
		before, after float64
		bound         float64
	}{
		{"resident memory", a.rss, b.rss, r.RSS},
		{"goroutines", a.goroutines, b.goroutines, r.Count},
		{"descriptors", a.descriptors, b.descriptors, r.Count},
	} {
		growth := f.after/f.before - 1
		_, _ = fmt.Fprintf(out, "%s: %.1f after %s, %.1f at the end (%+.1f %%, at most %.0f %%)\n", f.name, f.before, r.Settle, f.after, growth*100, f.bound*100)
		if growth > f.bound {
			errs = append(errs, fmt.Errorf("%s grew by %.1f %%", f.name, growth*100))
		}
	}
	return errors.Join(errs...)
}

// median is the median of each figure; the looks may not be empty.
func median(looks []look) look {
	of := func(figure func(look) float64) float64 {
		values := make([]float64, len(looks))
		for i, l := range looks {
			values[i] = figure(l)
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return look{
		rss:         of(func(l look) float64 { return l.rss }),
		goroutines:  of(func(l look) float64 { return l.goroutines }),
		descriptors: of(func(l look) float64 { return l.descriptors }),
	}
}

// freeAddr is an address on which nobody listens.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
