package mockmodel

import (
	"slices"
	"strconv"
	"sync"
	"time"
)

// maxTalks bounds what a stateful dialect remembers; further conversations have
// no memory.
const maxTalks = 100_000

// maxTurns bounds how many messages a conversation keeps; the oldest go first.
const maxTurns = 1000

// restTalk is one conversation of the rest dialect.
type restTalk struct {
	restWho
	ID      string
	Turns   []Turn
	Times   []int64 // of each turn, Unix milliseconds
	Updated int64
}

// restStore holds the conversations of the rest dialect. Its talks are changed
// under its lock only.
type restStore struct {
	mu    sync.Mutex
	byWho map[restWho]*restTalk
	byID  map[string]*restTalk
}

// restWho is what identifies a conversation (docs/rules/rest.md 2.5).
type restWho struct{ key, group, user string }

// of returns the conversation of who, begun under id when there is none, and a
// copy of its turns.
func (s *restStore) of(who restWho, id string) (string, []Turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.byWho[who]; t != nil {
		return t.ID, slices.Clone(t.Turns)
	}
	if s.byWho == nil {
		s.byWho, s.byID = make(map[restWho]*restTalk), make(map[string]*restTalk)
	}
	if len(s.byWho) < maxTalks {
		t := &restTalk{restWho: who, ID: id, Updated: time.Now().UnixMilli()}
		s.byWho[who], s.byID[id] = t, t
	}
	return id, nil
}

// with calls f on a conversation of key. It returns false when there is none.
func (s *restStore) with(key, id string, f func(*restTalk)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byID[id]
	if t == nil || t.key != key {
		return false
	}
	f(t)
	return true
}

func (t *restTalk) add(turns ...Turn) {
	if len(t.Turns) >= maxTurns {
		t.Turns, t.Times = slices.Delete(t.Turns, 0, len(turns)), slices.Delete(t.Times, 0, len(turns))
	}
	t.Updated = time.Now().UnixMilli()
	for _, turn := range turns {
		t.Turns = append(t.Turns, turn)
		t.Times = append(t.Times, t.Updated)
	}
}

func (s *restStore) remove(key, id string) bool {
	return s.with(key, id, func(t *restTalk) {
		delete(s.byID, id)
		delete(s.byWho, t.restWho)
	})
}

func (t *restTalk) load() []byte {
	dst := quote([]byte(`{"success":true,"data":{"id":`), t.ID)
	dst = append(dst, `,"messages":[`...)
	for i, turn := range t.Turns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = quote(append(dst, `{"role":`...), turn.Role)
		dst = quote(append(dst, `,"content":`...), turn.Text)
		dst = strconv.AppendInt(append(dst, `,"timestamp":`...), t.Times[i], 10)
		dst = append(dst, '}')
	}
	return append(dst, "]}}"...)
}

func (t *restTalk) summary(dst []byte) []byte {
	dst = quote(append(dst, `{"id":`...), t.ID)
	dst = quote(append(dst, `,"userId":`...), t.user)
	if t.group != "" {
		dst = quote(append(dst, `,"groupId":`...), t.group)
	}
	dst = strconv.AppendInt(append(dst, `,"messageCount":`...), int64(len(t.Turns)), 10)
	last := []rune{}
	if n := len(t.Turns); n > 0 {
		last = []rune(t.Turns[n-1].Text)
	}
	dst = quote(append(dst, `,"lastMessage":`...), string(last[:min(100, len(last))]))
	dst = strconv.AppendInt(append(dst, `,"updatedAt":`...), t.Updated, 10)
	return append(dst, '}')
}

// agentStore holds the turns of the conversations by their key.
type agentStore struct {
	mu sync.Mutex
	by map[string][]Turn
}

func (s *agentStore) load(key string) []Turn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.by[key])
}

// add appends turns. New conversations are not stored once the store is full.
func (s *agentStore) add(key string, turns ...Turn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = make(map[string][]Turn)
	}
	old, known := s.by[key]
	if !known && len(s.by) >= maxTalks {
		return
	}
	if len(old) >= maxTurns {
		old = slices.Delete(old, 0, len(turns))
	}
	s.by[key] = append(old, turns...)
}
