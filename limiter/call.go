package limiter

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strconv"
	"time"
)

// The keys of the shared counts. What stands in braces makes a cluster keep all of
// them in one place, as a step over several counts needs.
const (
	keyPrefix = "{dragoman}:count:"
	keyAlive  = "{dragoman}:alive"
)

// ErrNonsense is an answer of the shared counts that makes no sense.
var ErrNonsense = errors.New("the shared counts gave an answer that makes no sense")

// call is one question on its way to the shared counts.
type call struct {
	ticket *ticket
	tokens int
	keys   []string // the processes, then one for each rule
	rules  [MaxBounds]*Rule
	left   [MaxBounds]room
	open   [MaxBounds]int32 // with this question
}

func newCall(s *Subject) *call {
	c := &call{tokens: max(s.Tokens, 1), keys: make([]string, 1, 1+s.n)}
	c.keys[0] = keyAlive
	for _, b := range s.bounds[:s.n] {
		key := keyOf(b)
		if slices.Contains(c.keys, key) {
			continue // as those of a shared rule that was named twice
		}
		c.rules[len(c.keys)-1] = b.rule
		c.keys = append(c.keys, key)
	}
	return c
}

// keyOf names b among the shared counts. Neither the rule nor the caller can be read
// from it.
func keyOf(b bound) string {
	buf := make([]byte, 0, 128)
	buf = append(buf, b.rule.name...)
	buf = append(buf, 0, byte(b.scope))
	buf = append(buf, b.key...)
	sum := sha256.Sum256(buf)
	return keyPrefix + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// args are those of scriptAdmit.
func (c *call) args(sec, nsec string) []string {
	n := len(c.keys) - 1
	args := make([]string, 0, 5+5*n)
	args = append(args, c.ticket.pid, sec, nsec, strconv.Itoa(c.tokens), strconv.Itoa(lease))
	for _, r := range c.rules[:n] {
		args = append(args,
			strconv.Itoa(r.requests.N), strconv.FormatInt(max(int64(r.requests.Per), 1), 10),
			strconv.Itoa(r.tokens.N), strconv.FormatInt(max(int64(r.tokens.Per), 1), 10), strconv.Itoa(int(r.concurrent)))
	}
	return args
}

// read takes the answer of scriptAdmit. The verdict's kind is 0 when it admitted.
func (c *call) read(answer string) (worst verdict, err error) {
	n := len(c.keys) - 1
	if len(answer) != 8+24*n {
		return verdict{}, ErrNonsense
	}
	for i, r := range c.rules[:n] {
		at := 8 + 24*i
		requests, tokens, open := double(answer, at), double(answer, at+8), double(answer, at+16)
		if !plausible(requests) || !plausible(tokens) || !plausible(open) {
			return verdict{}, ErrNonsense
		}
		c.left[i] = room{requests: requests, tokens: tokens}
		c.open[i] = int32(min(max(open, 0), math.MaxInt32-1)) + 1
		r.judge(c.left[i], c.open[i], c.tokens, &worst)
	}
	if admitted := double(answer, 0) == 1; admitted != (worst.kind == 0) {
		return verdict{}, ErrNonsense
	}
	return worst, nil
}

// plausible reports whether n can be a count or a debt: no NaN, which is within every
// limit, and nothing that is too large for an integer.
func plausible(n float64) bool { return math.Abs(n) <= 1e15 }

// tell gives g its report.
func (c *call) tell(g *Grant) {
	for i, r := range c.rules[:len(c.keys)-1] {
		g.tell(r, c.left[i], c.open[i])
	}
}

func double(s string, at int) float64 {
	return math.Float64frombits(binary.LittleEndian.Uint64([]byte(s[at : at+8])))
}

// clockOf writes t as scripts take it: whole seconds, and nanoseconds.
func clockOf(t time.Time) (sec, nsec string) {
	return strconv.FormatInt(t.Unix(), 10), strconv.Itoa(t.Nanosecond())
}
