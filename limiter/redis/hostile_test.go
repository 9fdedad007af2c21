package redis_test

import (
	"context"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/logtest"
	"github.com/dragoman-gateway/dragoman/internal/redistest"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/limiter/redis"
)

const topic = "hints"

// lies are what no Redis says, or not then.
func lies() map[string]string {
	nested := strings.Repeat("*1\r\n", 200_000)
	message := ">3\r\n$7\r\nmessage\r\n$5\r\nhints\r\n$2\r\nhi\r\n"
	return map[string]string{
		"nothing":                              "",
		"an array of a negative length":        "*-5\r\n",
		"a string of a negative length":        "$-7\r\nx\r\n",
		"a map of a negative length":           "%-1\r\n",
		"a set of a negative length":           "~-1\r\n",
		"a push of a negative length":          ">-1\r\n",
		"a length of 2 GB":                     "$2147483647\r\n" + strings.Repeat("x", 8<<20),
		"a length of 63 bits":                  "$9223372036854775807\r\n",
		"a length of 64 bits":                  "*18446744073709551615\r\n",
		"an array of a billion":                "*1000000000\r\n",
		"a map of half of 63 bits":             "%4611686018427387904\r\n",
		"200,000 nested arrays":                nested,
		"a million numbers":                    "*1000000\r\n" + strings.Repeat(":1\r\n", 1_000_000),
		"arrays that multiply":                 strings.Repeat("*4000\r\n", 100),
		"a line without an end":                "+" + strings.Repeat("a", 8<<20),
		"digits without an end":                ":" + strings.Repeat("1", 8<<20),
		"attributes without an end":            strings.Repeat("|1\r\n+a\r\n+b\r\n", 200_000),
		"a string in pieces":                   "$?\r\n;5\r\nhello\r\n;0\r\n",
		"an array without a length":            "*?\r\n" + strings.Repeat(":1\r\n", 100_000),
		"an unknown type":                      "@1\r\n",
		"an answer of HTTP":                    "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
		"an alert of TLS":                      "\x15\x03\x01\x00\x02\x02\x46",
		"lines that end with LF":               "+OK\n+OK\n",
		"a string without its end":             "$2\r\nabcd+OK\r\n",
		"one reply too many":                   "+a\r\n+b\r\n",
		"300 replies too many":                 strings.Repeat("+a\r\n", 300),
		"QUEUED":                               "+QUEUED\r\n",
		"QUEUED as an error":                   "-QUEUED\r\n",
		"MOVED":                                "-MOVED\r\n",
		"REDIRECT":                             "-REDIRECT\r\n",
		"an empty error":                       "-\r\n",
		"an error of 8 MiB":                    "-ERR " + strings.Repeat("a", 8<<20) + "\r\n",
		"nil":                                  "$-1\r\n",
		"no array":                             "*-1\r\n",
		"null":                                 "_\r\n",
		"a longer null":                        "_null\r\n",
		"a number":                             ":1\r\n",
		"a truth":                              "#t\r\n",
		"no truth":                             "#true\r\n",
		"not a number":                         ",nan\r\n",
		"a nested array":                       "*2\r\n+a\r\n*1\r\n:1\r\n",
		"an empty array":                       "*0\r\n",
		"a map":                                "%1\r\n+a\r\n+b\r\n",
		"a map with a map as its key":          "%1\r\n%1\r\n+a\r\n+b\r\n+c\r\n",
		"an odd array":                         "*3\r\n+a\r\n+b\r\n+c\r\n",
		"a message":                            message,
		"10,000 messages":                      strings.Repeat(message, 10_000),
		"a message in an array":                "*1\r\n" + message,
		"a message of RESP2":                   "*3\r\n$7\r\nmessage\r\n$5\r\nhints\r\n$2\r\nhi\r\n",
		"a message of numbers":                 ">3\r\n$7\r\nmessage\r\n:1\r\n:2\r\n",
		"a word of listening":                  ">3\r\n$9\r\nsubscribe\r\n$5\r\nhints\r\n:1\r\n",
		"two words of listening":               strings.Repeat(">3\r\n$9\r\nsubscribe\r\n$5\r\nhints\r\n:1\r\n", 2),
		"two words of listening in RESP2":      strings.Repeat("*3\r\n$9\r\nsubscribe\r\n$5\r\nhints\r\n:1\r\n", 2),
		"a short word of listening":            ">2\r\n$9\r\nsubscribe\r\n$5\r\nhints\r\n",
		"a short word of listening in RESP2":   "*2\r\n$9\r\nsubscribe\r\n$5\r\nhints\r\n",
		"listening as another type":            ">3\r\n+subscribe\r\n+hints\r\n:1\r\n",
		"no longer listening":                  ">3\r\n$11\r\nunsubscribe\r\n$5\r\nhints\r\n:0\r\n",
		"no longer listening, in shards":       ">3\r\n$12\r\nsunsubscribe\r\n$5\r\nhints\r\n:0\r\n",
		"what is cached is no longer right":    ">2\r\n$10\r\ninvalidate\r\n_\r\n",
		"invalid without any":                  ">2\r\n$10\r\ninvalidate\r\n:1\r\n",
		"an empty push":                        ">0\r\n",
		"doubles that are none":                "$32\r\n" + strings.Repeat("\xff", 32) + "\r\n",
		"no doubles":                           "$5\r\nhello\r\n",
		"doubles that refuse and say not whom": "$32\r\n" + strings.Repeat("\x00", 32) + "\r\n",
		"a string of 8 MiB":                    "$8388608\r\n" + strings.Repeat("x", 8<<20) + "\r\n",
	}
}

// stages are when a lie is told.
func stages() map[string]redistest.Stage {
	return map[string]redistest.Stage{
		"as the first word":          {Lies: "HELLO"},
		"as the first answer":        {Lies: "EVALSHA"},
		"as the first answer, RESP2": {Lies: "EVALSHA", RESP2: true},
		"to the first question":      {Lies: "EVALSHA", Good: 1},
		"behind an answer":           {Lies: "EVALSHA", Good: 1, Beside: true, Stays: true},
		"to who listens":             {Lies: "SUBSCRIBE"},
		"to who listens, RESP2":      {Lies: "SUBSCRIBE", RESP2: true},
		"behind the word of it":      {Lies: "SUBSCRIBE", Beside: true},
		"behind it, RESP2":           {Lies: "SUBSCRIBE", Beside: true, RESP2: true},
	}
}

// session lets a gateway's limits and its hints talk with l until it has lied, and
// reports how many of three questions were admitted under a limit of two.
func session(t testing.TB, l *redistest.Liar, listens bool, log *slog.Logger) (admitted int) {
	c, err := redis.New(l.URL())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var listener sync.WaitGroup
	j := limiter.StartJoint(c, limiter.JointOptions{Deadline: 50 * time.Millisecond, Log: log})
	if listens {
		listener.Go(func() { c.Listen(ctx, topic, func() {}, func(string) {}) })
	}
	r := limiter.NewRule("r", config.Limit{Requests: config.Rate{N: 2, Per: 24 * time.Hour}})
	for range 3 {
		if g, err := j.Admit(ctx, under(r, "a")); err == nil {
			admitted++
			g.Settle(7)
		}
	}
	if listens {
		select {
		case <-l.Told():
		case <-time.After(10 * time.Second):
			t.Error("nobody listened")
		}
	}
	stop()
	j.Close()
	c.Close()
	listener.Wait()
	return admitted
}

func TestNothingThatAServerSaysEndsTheProcessOrRefusesACaller(t *testing.T) {
	t.Parallel()
	for when, stage := range stages() {
		for what, lie := range lies() {
			t.Run(when+" "+what, func(t *testing.T) {
				t.Parallel()
				log := &logtest.Log{}
				n := session(t, redistest.StartLiar(t, stage, []byte(lie)), stage.Lies == "SUBSCRIBE", slog.New(slog.NewTextHandler(log, nil)))
				if n != 2 {
					t.Errorf("%d of three questions were admitted under a limit of two", n)
				}
				text := log.String()
				if strings.Count(text, "counts alone") > 1 || strings.Contains(text, "127.0.0.1") || strings.Contains(text, "panic") || len(text) > 1000 {
					t.Errorf("the log says\n%.2000s", text)
				}
			})
		}
	}
}

// Not in parallel with others: it counts what is allocated.
func TestALieTakesNoMemory(t *testing.T) {
	all := lies()
	for _, what := range []string{
		"a length of 2 GB", "a length of 63 bits", "an array of a billion", "200,000 nested arrays", "a million numbers", "arrays that multiply",
		"a line without an end", "digits without an end", "attributes without an end", "an array without a length", "an error of 8 MiB", "a string of 8 MiB", "10,000 messages",
	} {
		for when, stage := range stages() {
			l := redistest.StartLiar(t, stage, []byte(all[what]))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			session(t, l, stage.Lies == "SUBSCRIBE", slog.New(slog.DiscardHandler))
			runtime.ReadMemStats(&after)
			if got, most := after.TotalAlloc-before.TotalAlloc, uint64(12<<20); got > most {
				t.Errorf("%s %s: %d MiB were allocated", when, what, got>>20)
			}
		}
	}
}

func TestAServerThatLiesIsLeftAloneAndUsedOnceItKeepsToTheProtocol(t *testing.T) {
	t.Parallel()
	l := redistest.StartLiar(t, redistest.Stage{Lies: "EVALSHA", Good: 1}, []byte("*-5\r\n"))
	c, err := redis.New(l.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	log := &logtest.Log{}
	j := limiter.StartJoint(c, limiter.JointOptions{Log: slog.New(slog.NewTextHandler(log, nil))})
	defer j.Close()
	if !j.Stats().Up {
		t.Fatal("it was not believed as long as it was honest")
	}
	r := limiter.NewRule("r", config.Limit{Requests: config.Rate{N: math.MaxInt32, Per: time.Second}})
	ask := func() {
		if _, err := j.Admit(t.Context(), under(r, "a")); err != nil {
			t.Error(err)
		}
	}
	ask() // the lie
	if j.Stats().Up {
		t.Fatal("it is believed")
	}
	dials := l.Dials()
	for range 1000 {
		ask()
		if _, err := c.Run(t.Context(), "return ''", nil, nil); err == nil {
			t.Fatal("it was asked again at once")
		}
	}
	if n := l.Dials() - dials; n > 2 {
		t.Errorf("%d connections while it was to be left alone", n)
	}
	l.Say(redistest.Stage{}, nil)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for late := time.After(time.Minute); !j.Stats().Up; {
		select {
		case <-look.C:
		case <-late:
			t.Fatal("it is not used again")
		}
	}
	if text := log.String(); strings.Count(text, "counts alone") != 1 || strings.Count(text, "answer again") != 1 || !strings.Contains(text, "does not keep to the protocol") {
		t.Errorf("the log says\n%s", text)
	}
}

// FuzzASessionWithAnyServerLeavesTheGatewayAlive: a server on the wire that says whatever
// the fuzzer likes, at any stage, to a real connection.
func FuzzASessionWithAnyServerLeavesTheGatewayAlive(f *testing.F) {
	names := []string{"as the first word", "as the first answer", "as the first answer, RESP2", "to the first question", "to who listens", "to who listens, RESP2", "behind the word of it", "behind it, RESP2"}
	for _, lie := range lies() {
		if len(lie) < 4096 {
			for i := range names {
				f.Add(byte(i), []byte(lie))
			}
		}
	}
	all, l := stages(), redistest.StartLiar(f, redistest.Stage{}, nil)
	beside := all["behind an answer"]
	beside.Stays = false
	all["behind an answer"] = beside
	names = append(names, "behind an answer")
	f.Fuzz(func(t *testing.T, stage byte, lie []byte) {
		s := all[names[int(stage)%len(names)]]
		l.Say(s, lie)
		for len(l.Told()) > 0 {
			<-l.Told()
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		n := session(t, l, s.Lies == "SUBSCRIBE", slog.New(slog.DiscardHandler))
		runtime.ReadMemStats(&after)
		if n != 2 {
			t.Errorf("%d of three questions were admitted under a limit of two", n)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 12<<20 {
			t.Errorf("%d MiB were allocated", got>>20)
		}
		if g := runtime.NumGoroutine(); g > 500 {
			t.Errorf("%d goroutines", g)
		}
	})
}
