package main

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAShortSoakFindsOnlyGoodAnswers(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and runs the binary")
	}
	binary := filepath.Join(t.TempDir(), "dragoman")
	if text, err := exec.Command("go", "build", "-o", binary, "../../cmd/dragoman").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, text)
	}
	o := options{
		Dragoman: binary, Dir: t.TempDir(), For: 8 * time.Second, Settle: 4 * time.Second, Every: 200 * time.Millisecond,
		Streams: 30, Pieces: 2, Sockets: 30, Conversations: 6, Turns: 20, Rate: 40, Hostile: 8, Bad: 8,
		RSS: 10, Count: 10, Seed: 1, // so short a soak says nothing of growth
	}
	var out bytes.Buffer
	if err := o.run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, word := range []string{"resident memory: ", "goroutines: ", "descriptors: ", " 0 failures"} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("the report lacks %q:\n%s", word, &out)
		}
	}
}

func TestGrowthBeyondItsBoundFailsTheSoak(t *testing.T) {
	r := &run{options: options{For: 9 * time.Minute, Settle: 3 * time.Minute, RSS: 0.1, Count: 0.02}}
	flat := func(at time.Duration) look { return look{at: at, rss: 100, goroutines: 1000, descriptors: 500} }
	tests := []struct {
		name string
		late look
		want string
	}{
		{"within all bounds", look{rss: 109, goroutines: 1019, descriptors: 509}, ""},
		{"resident memory", look{rss: 112, goroutines: 1000, descriptors: 500}, "resident memory grew by 12.0 %"},
		{"goroutines", look{rss: 100, goroutines: 1030, descriptors: 500}, "goroutines grew by 3.0 %"},
		{"descriptors", look{rss: 100, goroutines: 1000, descriptors: 520}, "descriptors grew by 4.0 %"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.late.at = 8*time.Minute + 30*time.Second
			err := r.judge(new(bytes.Buffer), []look{flat(time.Minute), flat(3*time.Minute + time.Second), tt.late})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestASoakThatSawNothingFails(t *testing.T) {
	r := &run{options: options{For: time.Minute, Settle: 30 * time.Second}}
	if err := r.judge(new(bytes.Buffer), nil); err == nil {
		t.Error("no error")
	}
}
