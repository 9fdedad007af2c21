package embedded

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// BenchmarkList reads the first page of a caller with few and with many
// conversations: the time must be about the same.
func BenchmarkList(b *testing.B) {
	for _, n := range []int{100, 1_000_000} {
		s := must(b, "sqlite:"+filepath.Join(b.TempDir(), "l.db")).(*sqlite)
		b.Cleanup(func() { _ = s.Close() })
		err := s.change(b.Context(), func(w *session) error {
			_, err := w.exec(`INSERT INTO conversations (id, owner, num, key, user, grp, name, model, created, updated, count, last, tail)
				WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
				SELECT 'conv_' || i, 'o', i, 'k' || i, 'u' || (i % 1000), '', 'name', 'm', 1, i * 7919 % 1000003, 2, 'last', 2 FROM n`, n)
			if err == nil {
				_, err = w.exec(`INSERT INTO owners (owner, next, live) VALUES ('o', ?1 + 1, ?1)`, n)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		user := "u7"
		for name, f := range map[string]store.Filter{
			"updated": {Owner: "o", Limit: 20},
			"num":     {Owner: "o", Limit: 20, ByNum: true},
			"user":    {Owner: "o", Limit: 20, User: &user},
		} {
			b.Run(fmt.Sprintf("%s/of=%d", name, n), func(b *testing.B) {
				for b.Loop() {
					if _, total, err := s.List(b.Context(), f); err != nil || total == 0 {
						b.Fatal(total, err)
					}
				}
			})
		}
	}
}

// BenchmarkLoad reads what a question needs of a conversation of 40 messages.
func BenchmarkLoad(b *testing.B) {
	s := must(b, "sqlite:"+filepath.Join(b.TempDir(), "l.db"))
	b.Cleanup(func() { _ = s.Close() })
	c := &store.Conversation{ID: "conv_1", Owner: "o"}
	for n := range 20 {
		if err := s.Append(b.Context(), c, turnOf(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		c, err := s.Load(b.Context(), "o", store.Ref{ID: "conv_1"}, store.Window{Messages: 64, Bytes: 1 << 20, View: store.ViewSent})
		if err != nil || len(c.Messages) != 40 {
			b.Fatal(err)
		}
	}
}

// turnOf is a question and its answer.
func turnOf(n int) store.Turn {
	return store.Turn{At: int64(n) + 1, Model: "m", Messages: []store.Message{
		{Message: translate.TextMessage(translate.RoleUser, fmt.Sprint("question ", n)), At: int64(n) + 1},
		{Message: translate.TextMessage(translate.RoleAssistant, strings.Repeat("answer ", 40)), At: int64(n) + 1},
	}}
}
