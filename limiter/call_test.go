package limiter

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// answerOf is an answer of the shared counts with these numbers.
func answerOf(numbers ...float64) string {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n))
	}
	return string(b)
}

// The server that several processes share is outside of all of them: what makes no
// sense is refused, and nothing that is believed leads to numbers that are none.
func FuzzAnAnswerOfTheSharedCountsIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{
		answerOf(1, 5, 100, 0), answerOf(0, 0, 100, 0), answerOf(0, 5, -3, 0), answerOf(0, 5, 100, 9), answerOf(1, math.NaN(), 1, 1), answerOf(1, 5, 100, math.NaN()),
		answerOf(1, 5, 100, math.Inf(1)), answerOf(1, math.Inf(1), 100, 0), answerOf(0, math.Inf(-1), -1e300, 1e300), "", "12345678", answerOf(1, 5, 100, 0, 1),
	} {
		f.Add(seed)
	}
	rule := NewRule("few", config.Limit{Requests: config.Rate{N: 5, Per: time.Minute}, Tokens: config.Rate{N: 100, Per: time.Minute}, Concurrent: 3})
	f.Fuzz(func(t *testing.T, answer string) {
		s := Subject{Tokens: 7}
		s.Under(rule, Caller, "alice")
		c := newCall(&s)
		worst, err := c.read(answer)
		if err != nil {
			return
		}
		left, open := c.left[0], c.open[0]
		if open < 1 || !finite(left.requests) || !finite(left.tokens) || worst.retry < 0 || !finite(worst.left) {
			t.Errorf("%x was read as %+v, %d open, %+v", answer, left, open, worst)
		}
		within, beyond := left.requests >= 1 && left.tokens >= 7 && open <= 3, left.requests < 0.99 || left.tokens < 6.99 || open > 3
		if within && worst.kind != 0 || beyond && worst.kind == 0 {
			t.Errorf("%x was read as %+v, %d open, and judged %+v", answer, left, open, worst)
		}
	})
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }
