package conversation

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// lived is a stored conversation with one message of so many bytes, after its last turn.
func lived(r *Registry, n, size int) *Thread {
	id := fmt.Sprint("conv_", n)
	msgs := []store.Message{{Message: translate.TextMessage(translate.RoleUser, strings.Repeat("x", size))}}
	t := &Thread{id: id, owner: "alice", key: threadKey{owner: "alice", key: id}, loaded: true, weight: weigh(msgs),
		conv: &store.Conversation{ID: id, Owner: "alice", Key: id, Created: 1, Messages: msgs}}
	r.join(t, r.left).Done()
	return t
}

func TestKeptConversationsAreBounded(t *testing.T) {
	t.Parallel()
	r := New(nil, slog.New(slog.DiscardHandler), true)
	for i := range idleThreads + 100 {
		lived(r, i, 10)
	}
	if len(r.byID) != idleThreads || len(r.byKey) != idleThreads || r.idle.n != idleThreads {
		t.Errorf("%d, %d and %d of many small ones are kept", len(r.byID), len(r.byKey), r.idle.n)
	}
	if r.byID["conv_99"] != nil || r.byID["conv_100"] == nil {
		t.Error("it is not the oldest that went")
	}
	for i := range 100 {
		lived(r, idleThreads+1000+i, 1<<20-1000)
	}
	if r.held > heldBytes || r.idle.n < 10 {
		t.Errorf("%d conversations of %d bytes are kept", r.idle.n, r.held)
	}
	if big := lived(r, -1, parkedMost); r.byID[big.id] != nil {
		t.Error("one that is too large is kept")
	}
}

func TestTheStringsOfAKeptConversationAreCounted(t *testing.T) {
	t.Parallel()
	long := func(i int) string { return fmt.Sprint(strings.Repeat("x", 10_000), i) }
	for name, of := range map[string]func(i int) *store.Conversation{
		"key":   func(i int) *store.Conversation { return &store.Conversation{Key: long(i)} },
		"user":  func(i int) *store.Conversation { return &store.Conversation{User: long(i)} },
		"group": func(i int) *store.Conversation { return &store.Conversation{Group: long(i)} },
		"name":  func(i int) *store.Conversation { return &store.Conversation{Name: long(i)} },
		"model": func(i int) *store.Conversation { return &store.Conversation{Model: long(i)} },
	} {
		r := New(nil, slog.New(slog.DiscardHandler), true)
		most := heldBytes / 10_000
		for i := range 2 * most {
			c := of(i)
			c.ID, c.Num, c.Created = fmt.Sprint("conv_", i), int64(i+1), 1
			key := threadKey{owner: "alice", key: c.Key}
			if c.Key == "" {
				key.num = c.Num
			}
			r.join(&Thread{id: c.ID, owner: "alice", key: key, loaded: true, conv: c}, r.left).Done()
		}
		if r.held > heldBytes || r.idle.n > most || r.idle.n < most/3 {
			t.Errorf("%s: %d are kept, counted with %d bytes", name, r.idle.n, r.held)
		}
	}
}
