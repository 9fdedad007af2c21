package postgres

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
)

// In a bubble the clock stands at the beginning of 2000: it is that of a process whose clock is off.
func TestConversationsAreListedByTheClockOfTheServer(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).Database(t)
	put := func(t *testing.T, id string) {
		t.Helper()
		s := must(t, url)
		defer func() { _ = s.Close() }()
		turn := said(0)
		turn.At = time.Now().UnixMilli()
		if err := s.Append(t.Context(), &store.Conversation{ID: id, Owner: "o", User: "u"}, turn); err != nil {
			t.Error(err)
		}
	}
	put(t, "conv_1")
	synctest.Test(t, func(t *testing.T) { put(t, "conv_2") })
	s := opened(t, url)
	order := func() (ids string) {
		page, _, err := s.List(t.Context(), store.Filter{Owner: "o"})
		if err != nil {
			t.Error(err)
		}
		for _, c := range page {
			ids += c.ID + " "
		}
		return ids
	}
	if got := order(); got != "conv_2 conv_1 " {
		t.Errorf("the latest comes first: %s", got)
	}
	c, err := s.Load(t.Context(), "o", store.Ref{User: "u"}, store.Window{})
	if err != nil || c.ID != "conv_2" {
		t.Errorf("the latest of the user: %+v, %v", c, err)
	}
	synctest.Test(t, func(t *testing.T) {
		s := must(t, url)
		defer func() { _ = s.Close() }()
		if err := s.(store.Editor).Rename(t.Context(), "o", "conv_1", "one", time.Now().UnixMilli()); err != nil {
			t.Error(err)
		}
		// What was kept for an hour goes, by whichever clock.
		old, err := s.(store.Expirer).Stale(t.Context(), time.Now().Add(-time.Hour).UnixMilli(), "", 10)
		if err != nil || len(old) != 0 {
			t.Errorf("older than an hour: %v, %v", old, err)
		}
		all, err := s.(store.Expirer).Stale(t.Context(), time.Now().Add(time.Hour).UnixMilli(), "", 10)
		if err != nil || len(all) != 2 {
			t.Errorf("older than in an hour: %v, %v", all, err)
		}
	})
	if got := order(); got != "conv_1 conv_2 " {
		t.Errorf("after a rename: %s", got)
	}
}

func TestAClockThatIsNearlyRightCountsAndALateAnswerDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			off, took time.Duration
			want      int64
		}{
			{0, 0, 1000}, {900 * time.Millisecond, 0, 1000}, {-time.Minute, 0, 1000 - 60_000}, {time.Minute, 200 * time.Millisecond, 1000 + 60_000},
			{time.Minute, 2 * time.Second, 1000},
		} {
			var k clock
			began := time.Now()
			server := began.Add(c.off + c.took/2).UnixMilli()
			time.Sleep(c.took)
			k.heard(server, began)
			if got := k.at(1_000_000) - 999_000; got != c.want {
				t.Errorf("off by %v, told after %v: %d, not %d", c.off, c.took, got, c.want)
			}
		}
	})
}
