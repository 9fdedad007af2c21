package channel

import (
	"crypto/sha256"
	"encoding/base64"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// Hint is word from one gateway to others that ask the same back ends: what it has
// learnt about one model of one channel with one key. It keeps questions away for a
// while; it is no failure, and never lets anything through.
type Hint struct {
	// Cell names the record, alike in every process that has the same kind, URL, key
	// and model at the back end. None of these can be read from it.
	Cell string
	// Open is for how long its breaker lets nothing through, Cool for how long the
	// back end asked to be left alone; 0: nothing new.
	Open, Cool time.Duration
}

// cellName names the record of a model of a channel with a key.
func cellName(conf *config.Channel, key, upstream string) string {
	h := sha256.New()
	for _, part := range [...]string{conf.Kind, conf.URL, key, upstream} {
		sum := sha256.Sum256([]byte(part)) // so that no two lists of parts look alike
		h.Write(sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// Publish has the record of c told to other gateways, and returns its name.
func (c *Candidate) Publish(tell func(Hint)) (name string) {
	name = cellName(c.Channel.Conf, c.Channel.Secret(), c.Upstream)
	if c.Record.tell == nil { // else it was in the plan before, under the same name: see samePlace
		c.Record.tell = func(open, cool time.Duration) { tell(Hint{Cell: name, Open: open, Cool: cool}) }
	}
	return name
}

// Take takes word of another gateway.
func (c *Record) Take(h Hint, now time.Time) {
	if h.Open > 0 {
		raise(&c.openUntil, now.Add(min(h.Open, HintOpenMost)).UnixNano())
	}
	if h.Cool > 0 {
		raise(&c.cooldownUntil, now.Add(min(h.Cool, HintCoolMost)).UnixNano())
	}
}

func raise(v *atomic.Int64, to int64) {
	for old := v.Load(); old < to && !v.CompareAndSwap(old, to); old = v.Load() {
	}
}
