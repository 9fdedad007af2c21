package proxy

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what is kept of proofs, for all callers together; the oldest go first.
const (
	proofsMost  = 10_000
	proofsBytes = 8 << 20
	proofBytes  = 64 << 10 // of one
	proofExtra  = 200      // what one takes beside its texts
)

// proofs are what servers want back with the calls of tools that their models made, such as
// signatures of thoughts, and what clients of other dialects have no place for. The zero
// value has none. It is safe for concurrent use.
type proofs struct {
	count atomic.Int32 // so that nobody waits for the lock where there are none

	mu    sync.Mutex
	of    map[proofKey]proof
	order []proofKey // the oldest first, from at on; some may be gone
	at    int
	bytes int
}

// proofKey is a call as its client knows it.
type proofKey struct{ caller, id string }

// proof is what one call comes with.
type proof struct {
	from string // the channel and its name of the model: nobody else understands it
	text string
}

func (k *proofKey) size(p proof) int {
	return proofExtra + len(k.caller) + len(k.id) + len(p.from) + len(p.text)
}

// keep notes a proof of c for the call id of caller.
func (s *proofs) keep(caller string, id []byte, c *channel.Candidate, text []byte) {
	if len(text) > proofBytes || len(id) == 0 || len(id) > translate.MaxID*4 {
		return
	}
	// The key outlives the question, whose name may be a part of its body.
	k, p := proofKey{strings.Clone(caller), string(id)}, proof{c.Source(), string(text)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = make(map[proofKey]proof)
	}
	if old, ok := s.of[k]; ok {
		s.bytes -= k.size(old)
	} else {
		s.order = append(s.order, k)
	}
	s.of[k] = p
	for s.bytes += k.size(p); s.bytes > proofsBytes || len(s.of) > proofsMost; {
		oldest := s.order[s.at]
		s.order[s.at] = proofKey{}
		s.at++
		s.bytes -= oldest.size(s.of[oldest])
		delete(s.of, oldest)
	}
	if s.at > len(s.order)/2 {
		s.order = append(s.order[:0], s.order[s.at:]...)
		clear(s.order[len(s.order):cap(s.order)])
		s.at = 0
	}
	s.count.Store(int32(len(s.of)))
}

// find returns what c wants back with the call id of caller; "": nothing.
func (s *proofs) find(caller, id string, c *channel.Candidate) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.of[proofKey{caller, id}]
	if p.from != c.Source() {
		return ""
	}
	return p.text
}
