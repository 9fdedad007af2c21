package conversation

import (
	"fmt"
	"strings"
	"testing"
)

func TestProofsAreKeptWithinBoundsTheOldestGoFirst(t *testing.T) {
	t.Parallel()
	const one, two = "one", "two"
	for name, size := range map[string]int{"many": 10, "long ones": 60 << 10} {
		var s Proofs
		text := []byte(strings.Repeat("x", size))
		for i := range 3 * proofsMost {
			s.Keep("alice", fmt.Append(nil, "call_", i), one, text)
			s.Keep("alice", fmt.Append(nil, "call_", i), one, text) // the newest counts, once
			if s.bytes > proofsBytes || len(s.of) > proofsMost || len(s.order) > 2*proofsMost+2 {
				t.Fatalf("%s: %d bytes, %d of %d", name, s.bytes, len(s.of), len(s.order))
			}
		}
		last := fmt.Sprint("call_", 3*proofsMost-1)
		if s.Find("alice", last, one) != string(text) || s.Find("alice", "call_0", one) != "" || s.Find("bob", last, one) != "" || s.Find("alice", last, two) != "" {
			t.Errorf("%s: not the newest for who has them", name)
		}
		s.Keep("alice", []byte("long"), one, make([]byte, proofBytes+1))
		if s.Find("alice", "long", one) != "" {
			t.Errorf("%s: one that is too long is kept", name)
		}
	}
}
