package conversation

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
)

// liar is a server of proofs that answers as it likes.
type liar func(ctx context.Context, keys []string) (string, error)

func (l liar) Run(ctx context.Context, _ string, keys, _ []string) (string, error) {
	return l(ctx, keys)
}

// sharing are the proofs of two processes, and the server that they share.
func sharing(t *testing.T) (server *redis.Server, one, two *Proofs) {
	t.Helper()
	server, err := redis.New(redistest.Start(t).URL(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	one, two = &Proofs{}, &Proofs{}
	one.Share(server, time.Minute)
	two.Share(server, time.Minute)
	return server, one, two
}

func TestProofsOfOtherProcessesAreFoundByWhoHasThemWithinBounds(t *testing.T) {
	t.Parallel()
	server, one, two := sharing(t)
	const most = 2 << 20
	one.shared.most = most
	text := func(i int) string { return fmt.Sprintf(`"thought_signature":"%d%s"`, i, strings.Repeat("x", 50<<10)) }
	const calls = 2 * most / (50 << 10)
	var ids []string
	for i := range calls {
		ids = append(ids, fmt.Sprint("call_", i))
		one.Keep("alice", []byte(ids[i]), "m", []byte(text(i)))
		one.Tell("alice", "m", ids[i:i+1])
	}
	two.Ask(t.Context(), "bob", "m", ids)
	two.Ask(t.Context(), "alice", "n", ids)
	if !two.None() {
		t.Error("somebody else's are found")
	}
	two.Ask(t.Context(), "alice", "m", ids[:calls/4])
	if !two.None() {
		t.Error("the oldest are still there")
	}
	newest := append([]string{"", "unknown", strings.Repeat("x", proofID+1)}, ids[calls-12:]...)
	two.Ask(t.Context(), "alice", "m", newest)
	for i := calls - 12; i < calls; i++ {
		if two.Find("alice", ids[i], "m") != text(i) {
			t.Errorf("call %d is not found", i)
		}
	}
	if info, err := server.Run(t.Context(), `return redis.call('HGET', KEYS[1], 'n') .. ' ' .. redis.call('DBSIZE')`, []string{proofRing}, nil); err != nil || !within(info, most) {
		t.Errorf("the server keeps %s: %v", info, err)
	}
	many := make([]string, 3*proofsAtOnce)
	for i := range many {
		many[i] = fmt.Sprint("small_", i)
		one.Keep("alice", []byte(many[i]), "m", []byte(`"extra_content":{}`))
	}
	one.Tell("alice", "m", append(many, "unknown"))
	two.Ask(t.Context(), "alice", "m", many)
	for _, id := range many {
		if two.Find("alice", id, "m") != `"extra_content":{}` {
			t.Fatalf("%s is not found", id)
		}
	}
}

// within reports whether a server keeps so many bytes in so many keys as it may.
func within(info string, most int) bool {
	var bytes, keys int
	_, err := fmt.Sscan(info, &bytes, &keys)
	return err == nil && bytes <= most && bytes > most-(64<<10) && keys <= most/(50<<10)+1
}

func TestAServerOfProofsIsNotBelieved(t *testing.T) {
	t.Parallel()
	const good = `"extra_content":{"a":"b"}`
	for answer, found := range map[string]string{
		fmt.Sprint(len(good), "\n", good):      good,
		"":                                     "",
		"\n":                                   "",
		"0\n":                                  "",
		"-1\n":                                 "",
		"x\n" + good:                           "",
		"25 25\n" + good + good:                "", // more than was asked for
		"26\n" + good:                          "",
		"24\n" + good:                          "",
		"99999999999999999999\n":               "",
		fmt.Sprint(1<<17, "\n"):                "",
		"14\n\"extra\"},{\"x\":":               "", // it would end the call
		"25\n\"function\":{\"name\":\"evil\"}": "", // nor is it a proof
		"6\nsecret":                            "",
		"1\n ":                                 "", // nothing, which would leave a comma behind
		"3\n\t\n ":                             "",
	} {
		var s Proofs
		s.Share(liar(func(context.Context, []string) (string, error) { return answer, nil }), 0)
		s.Ask(t.Context(), "alice", "m", []string{"a"})
		if got := s.Find("alice", "a", "m"); got != found {
			t.Errorf("%q is taken for %q", answer, got)
		}
	}
	// Each reply has one of many: they are not asked for without end.
	var s Proofs
	asked := 0
	s.Share(liar(func(context.Context, []string) (string, error) { asked++; return "0\n", nil }), 0)
	s.Ask(t.Context(), "alice", "m", make([]string, 1000))
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = fmt.Sprint(i)
	}
	s.Ask(t.Context(), "alice", "m", ids)
	if asked != proofReplies {
		t.Errorf("asked %d times", asked)
	}
}

func TestAServerOfProofsThatIsAwayIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s Proofs
		asked := 0
		s.Share(liar(func(ctx context.Context, _ []string) (string, error) {
			asked++
			<-ctx.Done()
			return "", ctx.Err()
		}), 0)
		s.Keep("alice", []byte("a"), "m", []byte(`"extra_content":{}`))
		began := time.Now()
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		s.Ask(gone, "alice", "m", []string{"b"}) // its client has left: that says nothing of the server
		s.Tell("alice", "m", []string{"a"})
		s.Ask(t.Context(), "alice", "m", []string{"b"})
		if took := time.Since(began); took != proofsLeast || asked != 2 {
			t.Errorf("asked %d times, waited %v", asked, took)
		}
		time.Sleep(proofsAgain)
		s.Ask(t.Context(), "alice", "m", []string{"b"})
		if asked != 3 || s.Find("alice", "a", "m") == "" {
			t.Errorf("asked %d times", asked)
		}
	})
}

// BenchmarkAsk is a question whose history has so many calls that no process knows of.
func BenchmarkAsk(b *testing.B) {
	for _, calls := range []int{1, 20, 200} {
		b.Run(fmt.Sprint(calls), func(b *testing.B) {
			shared := redistest.Start(b)
			server, err := redis.New(shared.URL(0))
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(server.Close)
			var s Proofs
			s.Share(server, time.Minute)
			ids := make([]string, calls)
			for i := range ids {
				ids[i] = fmt.Sprint("call_", i)
			}
			cpu := func() float64 {
				var seconds float64
				_, _ = fmt.Sscan(shared.Info(b)["used_cpu_user"], &seconds)
				return seconds
			}
			before := cpu()
			for b.Loop() {
				s.Ask(b.Context(), "alice", "m", ids)
			}
			b.ReportMetric(1e6*(cpu()-before)/float64(b.N), "server-µs/op")
		})
	}
}

// Some servers count their calls anew in each answer: the proof that was told last under a name is kept as
// long as one under a name of its own.
func TestAProofThatIsToldAgainStaysAsLongAsANewOne(t *testing.T) {
	t.Parallel()
	server, one, two := sharing(t)
	one.shared.most = 1 << 20
	told := 0
	tell := func(id string) string {
		told++
		text := fmt.Sprintf(`"thought_signature":"%d%s"`, told, strings.Repeat("x", 50<<10))
		one.Keep("alice", []byte(id), "m", []byte(text))
		one.Tell("alice", "m", []string{id})
		return text
	}
	tell("call_0")
	for i := range 15 {
		tell(fmt.Sprint("other_", i))
	}
	newest := tell("call_0")
	for i := range 10 { // so the first one goes
		tell(fmt.Sprint("more_", i))
	}
	two.Ask(t.Context(), "alice", "m", []string{"call_0"})
	if two.Find("alice", "call_0", "m") != newest {
		t.Error("it went with the one before it")
	}
	for i := range 20 {
		tell(fmt.Sprint("last_", i))
	}
	if left, err := server.Run(t.Context(), `return tostring(redis.call('HLEN', KEYS[1]) - 2 * redis.call('DBSIZE'))`, []string{proofRing}, nil); err != nil || left != "1" {
		t.Errorf("the ring has other keys than the server: %s, %v", left, err)
	}
}
