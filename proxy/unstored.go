package proxy

import (
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of what is kept of a conversation that lives only in memory.
const (
	unstoredMessages = 256
	unstoredBytes    = 4 << 20
)

// newest drops the oldest messages of a conversation that is not stored until it
// is within unstoredMessages and unstoredBytes, so that a connection that stays
// open does not grow for ever. System texts are dropped after all others.
func newest(msgs []store.Message) []store.Message {
	size := 0
	for i := range msgs {
		size += weight(&msgs[i])
	}
	count := len(msgs)
	if count <= unstoredMessages && size <= unstoredBytes {
		return msgs
	}
	gone := make([]bool, len(msgs))
	for _, system := range [...]bool{false, true} {
		for i := range msgs {
			if count <= unstoredMessages && size <= unstoredBytes {
				break
			}
			if (msgs[i].Role == translate.RoleSystem) == system {
				gone[i] = true
				count--
				size -= weight(&msgs[i])
			}
		}
	}
	kept := make([]store.Message, 0, count)
	for i := range msgs {
		if !gone[i] {
			kept = append(kept, msgs[i])
		}
	}
	return kept
}

// messageWeight is about what a message takes beside its texts, so that many
// empty ones count too.
const messageWeight = 128

func weight(m *store.Message) int {
	n := messageWeight + len(m.Name)
	for i := range m.Parts {
		p := &m.Parts[i]
		n += messageWeight + len(p.Text) + len(p.URL) + len(p.Data) + len(p.ID) + len(p.Name) + len(p.Args)
	}
	return n
}
