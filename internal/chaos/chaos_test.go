package chaos

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestMain(m *testing.M) { world.Main(m) }

// number reads an environment variable.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// All seeds run in one bubble, one after the other: what pools keep belongs to it.
func TestNoRuleBreaksWhateverHappens(t *testing.T) {
	first, n := uint64(1), number(t, "DRAGOMAN_TEST_SEEDS", 60)
	if one := number(t, "DRAGOMAN_TEST_SEED", 0); one > 0 {
		first, n = one, 1
	}
	synctest.Test(t, func(t *testing.T) {
		broken := 0
		for seed := first; seed < first+n && broken < 5; seed++ {
			trace, ok := play(t, seed)
			if !ok {
				broken++
			}
			if n == 1 {
				t.Logf("%s\n%s", write(seed), trace)
			}
		}
		t.Logf("%d seeds from %d on, %d broke a rule", n, first, broken)
	})
}

// repeats reports whether the order of everything in s is fixed. A hash goes by the
// names of conversations, which are never twice the same; and where a connection is
// shared, its end or its beginning wakes several questions at one instant.
func repeats(s *script) bool {
	return !strings.Contains(s.config, "balance: hash") && !strings.Contains(s.config, "kind: iagent")
}

func TestTheSameSeedGivesTheSameTrace(t *testing.T) {
	// What happens at one instant happens in one order.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, func(t *testing.T) {
		played := 0
		for seed := uint64(1); played < 20; seed++ {
			if !repeats(write(seed)) {
				continue
			}
			played++
			one, _ := play(t, seed)
			two, _ := play(t, seed)
			// A busy machine stops a goroutine in the middle of an instant, seldom, and another goes first.
			for more := 3; one != two && more > 0; more-- {
				one = two
				two, _ = play(t, seed)
			}
			if one != two {
				t.Errorf("seed %d:\n%s\n\nand then:\n%s", seed, one, two)
			}
		}
	})
}
