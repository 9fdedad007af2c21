package limiter

import (
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// meter counts tokens by the generic cell rate algorithm in its leaky bucket form:
// what was used drains away at the limit's rate. Unlike a bucket of x/time/rate it
// takes refunds, and debts of any size. Tokens are whole numbers, which a float64
// holds exactly up to 2^53, so that nothing is lost while the clock stands still.
//
// The zero value is full. It is not safe for concurrent use, and time must not go
// backwards between calls.
type meter struct {
	level float64       // tokens used and not yet refilled; above the limit: a debt
	at    time.Duration // when level was right, since the back end's start
}

// peek returns how many tokens are left, negative in debt.
func (m *meter) peek(now time.Duration, r config.Rate) float64 {
	return float64(r.N) - m.drained(now, r)
}

// take uses n tokens, whether they are there or not.
func (m *meter) take(now time.Duration, n int, r config.Rate) {
	m.level, m.at = m.drained(now, r)+float64(n), now
}

// settle corrects what was taken as reserved to what was used. A reservation that
// has drained in the meantime is not given back twice.
func (m *meter) settle(now time.Duration, reserved, used int, r config.Rate) {
	m.level, m.at = max(m.drained(now, r)+float64(used)-float64(reserved), 0), now
}

// rescale keeps the share of the limit that is used when the limit changes.
func (m *meter) rescale(now time.Duration, from, to config.Rate) {
	m.level, m.at = m.drained(now, from)/float64(from.N)*float64(to.N), now
}

func (m *meter) drained(now time.Duration, r config.Rate) float64 {
	if m.level == 0 {
		return 0
	}
	return max(m.level-float64(now-m.at)/float64(r.Per)*float64(r.N), 0)
}
