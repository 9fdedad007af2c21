package mockmodel

import (
	"slices"
	"sync"
)

// chatTalk is a stored chatnio conversation.
type chatTalk struct {
	name  string
	model string // of the first save
	turns []Turn
}

// chatStore holds the chatnio conversations by token and number.
type chatStore struct {
	mu sync.Mutex
	by map[string]map[int64]chatTalk
	n  int
}

// open returns the conversation id of key, or the number of a new one: the
// highest plus one. It is not stored before it is saved, so that two sockets may
// get one number, as on the real server (docs/rules/chatnio.md 6).
func (s *chatStore) open(key string, id int64) (int64, []Turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.by[key][id]; ok {
		return id, slices.Clone(t.turns)
	}
	var top int64
	for n := range s.by[key] {
		top = max(top, n)
	}
	return top + 1, nil
}

// put stores a copy of turns. It stores nothing once the store is full.
func (s *chatStore) put(key string, id int64, model string, turns []Turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known := s.by[key][id]
	if !known && s.n >= maxTalks {
		return
	}
	if !known {
		s.n++
		t.model = model
		for _, turn := range turns {
			if turn.Role == "user" {
				t.name = chatName(turn.Text)
			}
		}
	}
	t.turns = slices.Clone(turns)
	if s.by == nil {
		s.by = make(map[string]map[int64]chatTalk)
	}
	if s.by[key] == nil {
		s.by[key] = make(map[int64]chatTalk)
	}
	s.by[key][id] = t
}

// chatName is the name of a conversation that begins with text.
func chatName(text string) string {
	if r := []rune(text); len(r) > 50 {
		return string(r[:50]) + "..."
	}
	return text
}
