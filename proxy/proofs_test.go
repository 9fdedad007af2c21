package proxy

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/proxy/channel"
)

func TestProofsAreKeptWithinBoundsTheOldestGoFirst(t *testing.T) {
	t.Parallel()
	one, two := &channel.Candidate{Channel: &channel.Channel{ID: "one"}, Upstream: "up"}, &channel.Candidate{Channel: &channel.Channel{ID: "two"}, Upstream: "up"}
	for name, size := range map[string]int{"many": 10, "long ones": 60 << 10} {
		var s proofs
		text := []byte(strings.Repeat("x", size))
		for i := range 3 * proofsMost {
			s.keep("alice", fmt.Append(nil, "call_", i), one, text)
			s.keep("alice", fmt.Append(nil, "call_", i), one, text) // the newest counts, once
			if s.bytes > proofsBytes || len(s.of) > proofsMost || len(s.order) > 2*proofsMost+2 {
				t.Fatalf("%s: %d bytes, %d of %d", name, s.bytes, len(s.of), len(s.order))
			}
		}
		last := fmt.Sprint("call_", 3*proofsMost-1)
		if s.find("alice", last, one) != string(text) || s.find("alice", "call_0", one) != "" || s.find("bob", last, one) != "" || s.find("alice", last, two) != "" {
			t.Errorf("%s: not the newest for who has them", name)
		}
		s.keep("alice", []byte("long"), one, make([]byte, proofBytes+1))
		if s.find("alice", "long", one) != "" {
			t.Errorf("%s: one that is too long is kept", name)
		}
	}
}
