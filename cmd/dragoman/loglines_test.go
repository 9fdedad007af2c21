package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// forms are the formats of the log: how dragoman writes them, and how slog does.
var forms = map[string]struct {
	ours, slogs func(w io.Writer, level slog.Level) slog.Handler
}{
	"text": {
		func(w io.Writer, level slog.Level) slog.Handler { return newTextLines(w, level) },
		func(w io.Writer, level slog.Level) slog.Handler {
			return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
		},
	},
	"json": {
		func(w io.Writer, level slog.Level) slog.Handler { return newJSONLines(w, level) },
		func(w io.Writer, level slog.Level) slog.Handler {
			return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
		},
	},
}

func TestLinesAreThoseOfTheStandardHandlers(t *testing.T) {
	t.Parallel()
	for name, form := range forms {
		t.Run(name, func(t *testing.T) { testLines(t, form.ours, form.slogs) })
	}
}

func testLines(t *testing.T, ours, slogs func(w io.Writer, level slog.Level) slog.Handler) {
	t.Parallel()
	words := []string{"exchange", "", "two words", "a=b", `"`, `\`, "\x7f", "\n", "é", "\xff", "<&>", "req_01", "0", "a.b", "\u2028", "{}", "%s"}
	zones := []*time.Location{time.UTC, time.FixedZone("east", 5*3600+1800), time.FixedZone("west", -3600)}
	r := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		if r.IntN(3) > 0 {
			return words[0]
		}
		return words[r.IntN(len(words))]
	}
	for range 20_000 {
		at := time.Unix(r.Int64N(4e9), r.Int64N(1e9)).In(zones[r.IntN(len(zones))])
		if r.IntN(20) == 0 {
			at = time.Time{}
		}
		record := slog.NewRecord(at, []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError, slog.LevelInfo + 1}[r.IntN(5)], word(), 0)
		for range r.IntN(12) {
			values := []slog.Value{
				slog.StringValue(word()), slog.IntValue(r.IntN(100) - 50), slog.Uint64Value(math.MaxUint64), slog.BoolValue(r.IntN(2) == 0),
				slog.DurationValue(time.Duration(r.Int64N(1e12))), slog.Float64Value(1.5), slog.AnyValue(errors.New("it failed")), slog.TimeValue(at),
				slog.GroupValue(slog.String("in", word())), slog.AnyValue(nil), {},
			}
			n := len(values)
			if r.IntN(4) > 0 {
				n = 5 // the common ones
			}
			record.AddAttrs(slog.Attr{Key: word(), Value: values[r.IntN(n)]})
		}
		var got, want bytes.Buffer
		one, other := ours(&got, slog.LevelDebug), slogs(&want, slog.LevelDebug)
		switch r.IntN(10) {
		case 0:
			with := []slog.Attr{slog.String("with", word())}
			one, other = one.WithAttrs(with), other.WithAttrs(with)
		case 1:
			one, other = one.WithGroup("g"), other.WithGroup("g")
		}
		if err := errors.Join(one.Handle(context.Background(), record), other.Handle(context.Background(), record)); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Fatalf("got\n%q, want\n%q", got.String(), want.String())
		}
	}
}

func TestALineThatIsNotWorthItIsNotWritten(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	log := slog.New(newTextLines(&got, slog.LevelInfo))
	if log.Debug("no"); got.Len() > 0 || log.Enabled(context.Background(), slog.LevelDebug) {
		t.Errorf("got %q", got.String())
	}
	if log.Info("yes"); got.Len() == 0 {
		t.Error("nothing was written")
	}
}

// handlers are those of forms.
func handlers() map[string]slog.Handler {
	all := map[string]slog.Handler{}
	for name, form := range forms {
		all[name], all["slog's "+name] = form.ours(io.Discard, slog.LevelInfo), form.slogs(io.Discard, slog.LevelInfo)
	}
	return all
}

func BenchmarkLogHandle(b *testing.B) {
	for name, h := range handlers() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := slog.NewRecord(time.Now(), slog.LevelInfo, "exchange", 0)
				r.AddAttrs(slog.String("id", "req_06h05d2e8mny7wbjt9x5cesv2w"), slog.String("front", "openai"),
					slog.String("caller", "alice"), slog.String("model", "echo"), slog.String("code", "ok"), slog.Int("attempts", 1),
					slog.Duration("took", 86846*time.Microsecond), slog.String("channel", "up"), slog.Int64("input_tokens", 1), slog.Int64("output_tokens", 5))
				_ = h.Handle(context.Background(), r)
			}
		})
	}
}

func BenchmarkLogLine(b *testing.B) {
	for name, h := range handlers() {
		b.Run(name, func(b *testing.B) {
			log := slog.New(h)
			b.ReportAllocs()
			for b.Loop() {
				log.LogAttrs(context.Background(), slog.LevelInfo, "exchange", slog.String("id", "req_06h05d2e8mny7wbjt9x5cesv2w"), slog.String("front", "openai"),
					slog.String("caller", "alice"), slog.String("model", "echo"), slog.String("code", "ok"), slog.Int("attempts", 1),
					slog.Duration("took", 86846*time.Microsecond), slog.String("channel", "up"), slog.Int64("input_tokens", 1), slog.Int64("output_tokens", 5))
			}
		})
	}
}

func TestTheLimitOfDescriptorsIsALineOnlyWhereItWasRaised(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		was, is int
		want    string
	}{
		{1024, 4096, "level=INFO msg=\"more connections and files may be open at once than the system had set: the limit of descriptors is raised\" limit=4096 before=1024\n"},
		{4096, 4096, "level=DEBUG msg=\"the limit of descriptors is the highest that the system allows\" limit=4096\n"},
		{0, 0, ""},
	} {
		var out bytes.Buffer
		noTime := func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}
		tellDescriptors(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: noTime})), func() (was, is int) { return c.was, c.is })
		if out.String() != c.want {
			t.Errorf("from %d to %d: %s", c.was, c.is, &out)
		}
	}
}
