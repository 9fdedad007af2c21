package conversation

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what processes keep of proofs for each other. The oldest go first.
const (
	sharedProofs     = 80_000
	sharedProofBytes = 64 << 20
	sharedProofLife  = 7 * 24 * time.Hour
	sharedExtra      = 320       // what one takes there beside its text, about
	proofsAtOnce     = 256       // calls of tools in one call of the server
	proofsReply      = 128 << 10 // bytes of proofs in one reply of it
	proofsSent       = 512 << 10 // the same in one request to it
	proofReplies     = 16        // of one question
	proofsAgain      = time.Second
	proofsLeast      = 250 * time.Millisecond // for all calls of one question or answer
)

const (
	proofPrefix = "{dragoman}:proof:"
	proofRing   = "{dragoman}:proofs"
)

const (
	// scriptKeepProofs keeps a text under each key but the first, which is a ring of all: n says
	// how many bytes these take, the numbers from a to before z have the size and the key of
	// each, and a key has the number under which it was told last.
	scriptKeepProofs = `
local ring, most, many, life, extra = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], tonumber(ARGV[4])
local is = redis.call('HMGET', ring, 'n', 'a', 'z')
local n, a, z = tonumber(is[1] or 0), tonumber(is[2] or 0), tonumber(is[3] or 0)
for i = 2, #KEYS do
  local size = extra + #ARGV[i + 3]
  redis.call('SET', KEYS[i], ARGV[i + 3], 'PX', life)
  redis.call('HSET', ring, z, size .. ' ' .. KEYS[i], KEYS[i], z)
  n, z = n + size, z + 1
end
while a < z and (n > most or z - a > many) do
  local size, key = string.match(redis.call('HGET', ring, a), '^(%d+) (.*)$')
  redis.call('HDEL', ring, a)
  if tonumber(redis.call('HGET', ring, key)) == a then
    redis.call('HDEL', ring, key)
    redis.call('DEL', key)
  end
  n, a = n - tonumber(size), a + 1
end
redis.call('HSET', ring, 'n', n, 'a', a, 'z', z)
redis.call('PEXPIRE', ring, life)
return ''`
	// scriptFindProofs returns how long the text under each key is, 0 where there is none, and
	// behind these the texts. It leaves out the last keys where a reply gets too long.
	scriptFindProofs = `
local sizes, texts, n = {}, {}, 0
for i, text in ipairs(redis.call('MGET', unpack(KEYS))) do
  text = text or ''
  n = n + #text
  if n > tonumber(ARGV[1]) then break end
  sizes[i], texts[i] = #text, text
end
return table.concat(sizes, ' ') .. '\n' .. table.concat(texts)`
)

// Server is where processes keep proofs for each other, which runs Lua as Redis does. Its
// method is that of limiter.Counts.
type Server interface {
	Run(ctx context.Context, script string, keys, args []string) (string, error)
}

// sharedServer is a Server that is left alone for a while once it has failed.
type sharedServer struct {
	server Server
	wait   time.Duration
	most   int          // bytes that it keeps, of all proofs
	rests  atomic.Int64 // Unix nanoseconds until which it is not asked
}

// Share has proofs known to all processes that work on server. What one question asks it, or one
// answer tells it, may take wait, and 250 ms in any case. Share is called before s is used.
func (s *Proofs) Share(server Server, wait time.Duration) {
	s.shared = &sharedServer{server: server, wait: max(wait, proofsLeast), most: sharedProofBytes}
}

// Shared reports whether other processes can know of proofs that this one does not.
func (s *Proofs) Shared() bool { return s.shared != nil }

// run runs a script. It reports false where the server does not answer.
func (s *sharedServer) run(ctx context.Context, script string, keys, args []string) (string, bool) {
	if time.Now().UnixNano() < s.rests.Load() {
		return "", false
	}
	answer, err := s.server.Run(ctx, script, keys, args)
	if err != nil && context.Cause(ctx) != context.Canceled {
		s.rests.Store(time.Now().Add(proofsAgain).UnixNano())
	}
	return answer, err == nil
}

// sharedKey names a proof on the server. Neither the caller nor the call can be read from it.
func sharedKey(caller, id, from string) string {
	h := sha256.New()
	for _, s := range [...]string{caller, id, from} {
		h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	return proofPrefix + base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// Tell has other processes know what the back end from wants back with the calls ids of caller,
// as it was kept here. It returns when the server has it all, or does not answer in
// time: then this process alone knows it. Tell belongs before the end mark of the answer that
// has the calls: with that their client may ask another process at once.
func (s *Proofs) Tell(caller, from string, ids []string) {
	if s.shared == nil || len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.shared.wait)
	defer cancel()
	bounds := []string{
		strconv.Itoa(s.shared.most), strconv.Itoa(sharedProofs), strconv.FormatInt(sharedProofLife.Milliseconds(), 10), strconv.Itoa(sharedExtra),
	}
	keys, args, bytes := []string{proofRing}, bounds, 0
	for i, id := range ids {
		if text := s.Find(caller, id, from); text != "" {
			keys, args, bytes = append(keys, sharedKey(caller, id, from)), append(args, text), bytes+len(text)
		}
		if len(keys) == 1 || i < len(ids)-1 && len(keys) <= proofsAtOnce && bytes < proofsSent {
			continue
		}
		if _, ok := s.shared.run(ctx, scriptKeepProofs, keys, args); !ok {
			return
		}
		keys, args, bytes = keys[:1:1], bounds[:len(bounds):len(bounds)], 0
	}
}

// Ask finds out what the back end from wants back with those of the calls ids of caller of which
// this process knows nothing: Find has it then. Where the server does not answer in time
// nothing more is known. Ask gives up with ctx.
func (s *Proofs) Ask(ctx context.Context, caller, from string, ids []string) {
	if s.shared == nil {
		return
	}
	var unknown, keys []string
	for _, id := range ids {
		if id != "" && len(id) <= proofID && s.Find(caller, id, from) == "" {
			unknown, keys = append(unknown, id), append(keys, sharedKey(caller, id, from))
		}
	}
	if len(keys) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, s.shared.wait)
	defer cancel()
	for range proofReplies {
		answer, ok := s.shared.run(ctx, scriptFindProofs, keys[:min(len(keys), proofsAtOnce)], []string{strconv.Itoa(proofsReply)})
		if !ok {
			return
		}
		found, ok := readProofs(answer, min(len(keys), proofsAtOnce))
		if !ok {
			return
		}
		for i, text := range found {
			if text != "" && translate.IsProof(text) {
				s.Keep(caller, []byte(unknown[i]), from, []byte(text))
			}
		}
		if unknown, keys = unknown[len(found):], keys[len(found):]; len(keys) == 0 {
			return
		}
	}
}

// readProofs reads an answer of scriptFindProofs to a question for at most so many texts. It
// reports false where that makes no sense.
func readProofs(answer string, most int) (texts []string, ok bool) {
	head, rest, ok := strings.Cut(answer, "\n")
	sizes := strings.Fields(head)
	if !ok || len(sizes) == 0 || len(sizes) > most {
		return nil, false
	}
	for _, size := range sizes {
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > len(rest) || n > proofBytes {
			return nil, false
		}
		texts, rest = append(texts, rest[:n]), rest[n:]
	}
	return texts, rest == ""
}
