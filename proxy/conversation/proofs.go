package conversation

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what is kept of proofs, for all callers together; the oldest go first.
const (
	proofsMost  = 10_000
	proofsBytes = 8 << 20
	proofBytes  = 64 << 10 // of one
	proofExtra  = 200      // what one takes beside its texts
	proofID     = 4 * translate.MaxID
)

// Proofs are what servers want back with the calls of tools that their models made, such as
// signatures of thoughts, and what clients of other dialects have no place for. The zero
// value has none. It is safe for concurrent use.
type Proofs struct {
	count  atomic.Int32  // so that nobody waits for the lock where there are none
	shared *sharedServer // nil: no other process knows of them

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

// None reports whether there are no proofs at all here.
func (s *Proofs) None() bool { return s.count.Load() == 0 }

// Keep notes a proof of the back end from for the call id of caller.
func (s *Proofs) Keep(caller string, id []byte, from string, text []byte) {
	if len(text) > proofBytes || len(id) == 0 || len(id) > proofID {
		return
	}
	// The key outlives the question, whose name may be a part of its body.
	k, p := proofKey{strings.Clone(caller), string(id)}, proof{from, string(text)}
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

// Find returns what the back end from wants back with the call id of caller; "": nothing.
func (s *Proofs) Find(caller, id, from string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.of[proofKey{caller, id}]
	if p.from != from {
		return ""
	}
	return p.text
}
