//go:build !race

package limiter_test

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/limiter"
)

func TestAdmittingAKnownCallerAllocatesNothing(t *testing.T) {
	var l limiter.Limiter = limiter.NewLocal(limiter.Options{})
	own, all := plenty("own", false), plenty("all", true)
	n := testing.AllocsPerRun(1000, func() {
		s := limiter.Subject{Tokens: 1000}
		s.Under(own, limiter.Caller, "a")
		s.Under(all, limiter.Model, "m")
		g, err := l.Admit(background, s)
		if err != nil {
			t.Error(err)
		}
		g.Settle(700)
	})
	if n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
