package front

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/limiter"
)

// Times and sizes of what processes tell each other of requests that may be repeated.
const (
	sharedWait  = 250 * time.Millisecond // for one call of the server, at least
	sharedAgain = time.Second            // after one that failed
	sharedBeat  = 5 * time.Second
	sharedLife  = 15 * time.Second // of a request that runs, after the last beat of its process
	sharedLook  = 200 * time.Millisecond
	sharedBody  = 1 << 20   // a longer answer is repeated by the process that gave it only
	sharedPart  = 128 << 10 // of an answer, in one reply
)

// Each request has a hash on the server: s is the sum of its body, n names whoever answers it
// and a whoever asked last; h and b are the head and the body of its answer.
const (
	// scriptClaim makes ARGV[2] the one that answers a request with the sum ARGV[1], or that
	// asked last.
	scriptClaim = `
local is = redis.call('HMGET', KEYS[1], 's', 'h')
if not is[1] then
  redis.call('HSET', KEYS[1], 's', ARGV[1], 'n', ARGV[2], 'a', ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 'new'
end
if is[1] ~= ARGV[1] then return 'other' end
if is[2] then return 'done ' .. redis.call('HSTRLEN', KEYS[1], 'b') .. ' ' .. is[2] end
redis.call('HSET', KEYS[1], 'a', ARGV[2])
return 'runs'`
	// scriptAgain makes ARGV[1] the one that asked last.
	scriptAgain = `if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('HSET', KEYS[1], 'a', ARGV[1]) end return ''`
	// scriptLook says how a request stands for ARGV[1], which asked it.
	scriptLook = `
local is = redis.call('HMGET', KEYS[1], 'a', 'h')
if not is[1] then return 'gone' end
if is[1] ~= ARGV[1] then return 'passed' end
if not is[2] then return 'runs' end
return 'done ' .. redis.call('HSTRLEN', KEYS[1], 'b') .. ' ' .. is[2]`
	scriptPart = `return string.sub(redis.call('HGET', KEYS[1], 'b') or '', tonumber(ARGV[1]) + 1, tonumber(ARGV[2]))`
	// scriptFinish keeps the answer of ARGV[1], and says who is to get it.
	scriptFinish = `
local is = redis.call('HMGET', KEYS[1], 'n', 'a')
if is[1] ~= ARGV[1] then return 'mine' end
redis.call('HSET', KEYS[1], 'h', ARGV[2], 'b', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
if is[2] == ARGV[1] then return 'mine' end
return 'theirs'`
	scriptForget = `if redis.call('HGET', KEYS[1], 'n') == ARGV[1] then redis.call('DEL', KEYS[1]) end return ''`
	// scriptLeave notes that ARGV[1] does not wait any more, and says whether another one does.
	scriptLeave = `
if redis.call('HGET', KEYS[1], 'a') ~= ARGV[1] then return 'passed' end
redis.call('HSET', KEYS[1], 'a', '')
return 'last'`
	// scriptBeat keeps requests that run for ARGV[1] milliseconds more, and says of each whether
	// somebody waits for it.
	scriptBeat = `
local out = {}
for i, key in ipairs(KEYS) do
  local is = redis.call('HMGET', key, 'n', 'a')
  if is[1] == ARGV[i + 1] then redis.call('PEXPIRE', key, ARGV[1]) end
  out[i] = (is[1] == ARGV[i + 1] and is[2] == '') and '0' or '1'
end
return table.concat(out)`
)

// standing is how a request stands among all processes.
type standing string

// The standings.
const (
	standingNew    standing = "new"    // nobody has asked: the claimant answers it
	standingOther  standing = "other"  // it was asked with another body
	standingRuns   standing = "runs"   // another process answers it
	standingDone   standing = "done"   // there is an answer
	standingPassed standing = "passed" // somebody else has asked later
	standingGone   standing = "gone"   // whoever answered it has given it up
)

var errNonsense = errors.New("the shared server answers what makes no sense")

// sharedOnce tells other processes which requests were asked, and what was answered. It is
// safe for concurrent use. A nil one has nobody to tell: every request is new.
type sharedOnce struct {
	server limiter.Counts
	wait   time.Duration // for one call of it
	rests  atomic.Int64  // Unix nanoseconds until which the server is not asked

	mu   sync.Mutex
	runs map[*claim]func() // what this process answers, and how that is stopped; nil: it is not
}

// claim is one request as this process asks it. A nil claim is known to this process alone.
type claim struct {
	of     *sharedOnce
	key    string
	nonce  string
	stands standing
	size   int    // of the body of the answer, once there is one
	head   string // of the answer
}

// call runs a script for key.
func (s *sharedOnce) call(ctx context.Context, script string, keys []string, args ...string) (string, error) {
	if time.Now().UnixNano() < s.rests.Load() {
		return "", errNonsense
	}
	ctx, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	answer, err := s.server.Run(ctx, script, keys, args)
	if err != nil && ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.rests.Store(time.Now().Add(sharedAgain).UnixNano())
	}
	return answer, err
}

// claim asks how a request with the sum of its body stands, which parts name. It returns nil
// where the server does not say.
func (s *sharedOnce) claim(sum [sha256.Size]byte, parts ...string) *claim {
	if s == nil {
		return nil
	}
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	c := &claim{of: s, key: "{dragoman}:once:" + hex.EncodeToString(h.Sum(nil)[:16]), nonce: rand.Text()}
	answer, err := s.call(context.Background(), scriptClaim, []string{c.key}, hex.EncodeToString(sum[:]), c.nonce, millisOf(sharedLife))
	if err != nil || c.read(answer) != nil {
		return nil
	}
	return c
}

// again notes that who claimed has asked once more, and so last. Any goroutine may call it.
func (c *claim) again() {
	if c != nil {
		_, _ = c.of.call(context.Background(), scriptAgain, []string{c.key}, c.nonce)
	}
}

func (c *claim) read(answer string) error {
	word, rest, _ := strings.Cut(answer, " ")
	switch c.stands = standing(word); c.stands {
	case standingNew, standingOther, standingRuns, standingPassed, standingGone:
		return nil
	case standingDone:
	default:
		return errNonsense
	}
	size, head, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(size)
	if err != nil || n < 0 || n > sharedBody {
		return errNonsense
	}
	c.size, c.head = n, head
	return nil
}

// look asks how it stands for the one that claimed.
func (c *claim) look(ctx context.Context) error {
	answer, err := c.of.call(ctx, scriptLook, []string{c.key}, c.nonce)
	if err != nil {
		return err
	}
	return c.read(answer)
}

// body reads the answer, part by part.
func (c *claim) body() ([]byte, error) {
	all := make([]byte, 0, c.size)
	for len(all) < c.size {
		part, err := c.of.call(context.Background(), scriptPart, []string{c.key}, strconv.Itoa(len(all)), strconv.Itoa(len(all)+sharedPart))
		if err != nil {
			return nil, err
		}
		if part == "" || len(all)+len(part) > c.size {
			return nil, errNonsense
		}
		all = append(all, part...)
	}
	return all, nil
}

// run notes that this process answers the request; stop, if there is one, is called when
// nobody waits for it any more.
func (c *claim) run(stop func()) {
	if c == nil {
		return
	}
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	if c.of.runs == nil {
		c.of.runs = make(map[*claim]func())
	}
	c.of.runs[c] = stop
}

func (c *claim) ended() {
	c.of.mu.Lock()
	defer c.of.mu.Unlock()
	delete(c.of.runs, c)
}

// finish keeps the answer for life, and reports whether it is for who asked this process. One
// that is too long is not kept.
func (c *claim) finish(head string, body []byte, life time.Duration) (mine bool) {
	if c == nil {
		return true
	}
	if len(body) > sharedBody {
		c.forget()
		return true
	}
	c.ended()
	answer, err := c.of.call(context.Background(), scriptFinish, []string{c.key}, c.nonce, head, string(body), millisOf(life))
	return err != nil || answer != "theirs"
}

// forget makes the request as if it had not been asked.
func (c *claim) forget() {
	if c == nil {
		return
	}
	c.ended()
	_, _ = c.of.call(context.Background(), scriptForget, []string{c.key}, c.nonce)
}

// leave notes that who asked this process waits no more, and reports whether nobody else does.
func (c *claim) leave() (alone bool) {
	if c == nil {
		return true
	}
	answer, err := c.of.call(context.Background(), scriptLeave, []string{c.key}, c.nonce)
	return err != nil || answer != string(standingPassed)
}

// beat keeps alive what this process answers, and stops what nobody waits for.
func (s *sharedOnce) beat() {
	s.mu.Lock()
	var claims []*claim
	var stops []func()
	for c, stop := range s.runs {
		claims, stops = append(claims, c), append(stops, stop)
	}
	s.mu.Unlock()
	const most = 256
	for from := 0; from < len(claims); from += most {
		some := claims[from:min(from+most, len(claims))]
		keys, args := make([]string, len(some)), []string{millisOf(sharedLife)}
		for i, c := range some {
			keys[i], args = c.key, append(args, c.nonce)
		}
		waited, err := s.call(context.Background(), scriptBeat, keys, args...)
		if err != nil || len(waited) != len(some) {
			continue
		}
		for i := range some {
			if stop := stops[from+i]; stop != nil && waited[i] == '0' {
				stop()
			}
		}
	}
}

// beats beats until ctx ends.
func (s *sharedOnce) beats(ctx context.Context) {
	every := time.NewTicker(sharedBeat)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			s.beat()
		case <-ctx.Done():
			return
		}
	}
}

func millisOf(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
