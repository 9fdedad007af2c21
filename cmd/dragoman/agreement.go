package main

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// Processes tell each other which configuration they have in agreeKey, so often.
const (
	agreeKey   = "{dragoman}:configurations"
	agreeEvery = 2 * time.Second
)

// scriptAgree notes that the process ARGV[1] has the configuration ARGV[2], and returns how
// many of those that were heard of in the last 30 seconds have another one.
const scriptAgree = `
local now = tonumber(redis.call('TIME')[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. now)
redis.call('EXPIRE', KEYS[1], 3600)
local all, others = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #all, 2 do
  local sum, at = string.match(all[i + 1], '^(%x+) (%d+)$')
  if not at or now - tonumber(at) > 30 then redis.call('HDEL', KEYS[1], all[i])
  elseif sum ~= ARGV[2] then others = others + 1 end
end
return tostring(others)
`

// scriptDisagree takes the process ARGV[1] off the list.
const scriptDisagree = `redis.call('HDEL', KEYS[1], ARGV[1]) return ''`

// digest is that of the configuration that runs, which config tells.
type digest struct {
	config func() *config.Config

	mu  sync.Mutex
	of  *config.Config
	sum string
}

func (d *digest) String() string {
	conf := d.config()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.of != conf {
		d.of, d.sum = conf, config.Digest(conf)
	}
	return d.sum
}

// agree tells the others which configuration this process has, and notes how many have
// another one. What is so for two looks is said in the log: a change reaches them one after
// the other.
func (s *shared) agree(d *digest) {
	ctx, cancel := context.WithTimeout(s.ctx, hintWait)
	defer cancel()
	answer, err := s.server.Run(ctx, scriptAgree, []string{agreeKey}, []string{s.self, d.String()})
	n, odd := strconv.Atoi(strings.TrimSpace(answer))
	if err != nil || odd != nil || n < 0 {
		return
	}
	before := s.differ.Swap(int64(n))
	switch differ := n > 0; {
	case differ && before > 0 && !s.warned:
		s.warned = true
		s.log.Warn("other processes run with another configuration than this one", "processes", n, "hash", d.String())
	case !differ && s.warned:
		s.warned = false
		s.log.Info("all processes run with the same configuration again", "hash", d.String())
	}
}

// leave takes this process off the list, so that nobody compares with it any more.
func (s *shared) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), hintWait)
	defer cancel()
	_, _ = s.server.Run(ctx, scriptDisagree, []string{agreeKey}, []string{s.self})
}

// differing is how many other processes have another configuration.
func (s *shared) differing() int {
	if s == nil {
		return 0
	}
	return int(s.differ.Load())
}
