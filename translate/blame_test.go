package translate

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sample is one row of testdata/refusals.txt.
type sample struct {
	line            int
	fault           Fault
	extra, by, body string
	status          int
}

func samples(t testing.TB) (all []sample) {
	t.Helper()
	file, err := os.ReadFile("testdata/refusals.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(file), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.SplitN(line, " |", 5)
		if len(f) != 5 {
			t.Fatalf("line %d has %d columns", i+1, len(f))
		}
		for j := range f {
			f[j] = strings.TrimSpace(f[j])
		}
		fault := slices.Index(faultNames[:], f[0])
		status, err := strconv.Atoi(f[3])
		if fault < 1 || err != nil {
			t.Fatalf("line %d: %q, %v", i+1, f[0], err)
		}
		all = append(all, sample{i + 1, Fault(fault), f[1], f[2], f[4], status})
	}
	return all
}

func (s *sample) read() *Error {
	if s.status == 200 {
		return FailedIn([]byte(s.body))
	}
	return Refused(s.status, []byte(s.body))
}

func TestEachRefusalIsWhoseFaultItIs(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		e := s.read()
		if e.Fault != s.fault {
			t.Errorf("line %d, %s: fault %s, want %s: %s", s.line, s.by, e.Fault, s.fault, s.body)
			continue
		}
		var extra string
		switch {
		case e.TooLong != nil:
			extra = fmt.Sprintf("%d/%d", e.TooLong.Limit, e.TooLong.Sent)
			if e.Fault == FaultRejected && e.Upstream.Code != CodeTooLong {
				t.Errorf("line %d: its code is %q", s.line, e.Upstream.Code)
			}
		case e.Key:
			extra = "key"
		case e.Retry > 0:
			extra = e.Retry.String()
			if want, err := time.ParseDuration(s.extra); err == nil && want == e.Retry {
				extra = s.extra
			}
		}
		if extra != s.extra {
			t.Errorf("line %d, %s: got %q, want %q: %s", s.line, s.by, extra, s.extra, s.body)
		}
	}
}

func TestNothingOfAPageIsToldToAClient(t *testing.T) {
	t.Parallel()
	for _, s := range samples(t) {
		e := s.read()
		if e.Fault != FaultRejected && (strings.Contains(e.Message, "<") || strings.Contains(e.Message, "http")) {
			t.Errorf("line %d: %q", s.line, e.Message)
		}
		if strings.HasPrefix(s.body, "<") && !strings.Contains(e.Error(), s.body[:20]) {
			t.Errorf("line %d: the log lacks it: %s", s.line, e.Error())
		}
	}
}
