package postgres

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/internal/logtest"
	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, url string) store.Store {
	t.Helper()
	s, err := Open(url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPostgresConforms(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	t.Run("alone", func(t *testing.T) {
		t.Parallel()
		storetest.Run(t, func(t *testing.T) store.Store { return must(t, server.Database(t)) })
	})
	t.Run("opened again", func(t *testing.T) {
		t.Parallel()
		var urls sync.Map
		storetest.RunDurable(t, func(t *testing.T, dir string) store.Store {
			url, there := urls.Load(dir)
			if !there {
				url = server.Database(t)
				urls.Store(dir, url)
			}
			return must(t, url.(string))
		})
	})
}

// A pooler that gives each transaction another connection keeps nothing of the one before.
func TestPostgresConformsBehindAPooler(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	pooler := pgtest.StartPooler(t, server)
	t.Run("conforms", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store { return must(t, pooler.Through(server, server.Database(t))) })
	})
	t.Run("leases", func(t *testing.T) {
		t.Parallel()
		url := pooler.Through(server, server.Database(t))
		one, two := opened(t, url), opened(t, url)
		var log lines
		two.(*database).Tell(slog.New(slog.NewTextHandler(&log, nil)))
		first, second := take(t, one, "o", "conv_1", ""), take(t, two, "o", "conv_1", "")
		first.End()
		if _, _, err := second.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		second.End()
		log.await(t, "five times a second")
	})
}

// lines is a log that can be waited for.
type lines struct{ logtest.Log }

func (l *lines) await(t *testing.T, words string) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for !strings.Contains(l.String(), words) {
		select {
		case <-look.C:
		case <-t.Context().Done():
			t.Fatalf("the log says nothing of %q", words)
		}
	}
}
