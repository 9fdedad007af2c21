package front_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/store/postgres"
)

// gated is a back end of kind openai that holds back its answer to a question with "wait" in it until
// it is let go.
func gated(t *testing.T) (url string, asked <-chan struct{}, letGo func()) {
	t.Helper()
	reached, gate := make(chan struct{}, 16), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), "wait") {
			reached <- struct{}{}
			select {
			case <-gate:
			case <-r.Context().Done():
			}
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, oddEvent(`{"content":"hello"}`, "stop")+oddDone)
	}))
	t.Cleanup(s.Close)
	letGo = sync.OnceFunc(func() { close(gate) })
	t.Cleanup(letGo)
	return s.URL, reached, letGo
}

// seenLeases is a store that tells of the turns that wait for one of another process.
type seenLeases struct {
	store.Store
	store.Leaser
	waits chan<- struct{}
}

func (s seenLeases) Lease(ctx context.Context, owner, id, key string) (*store.Lease, error) {
	l, err := s.Leaser.Lease(ctx, owner, id, key)
	if err == nil && l.Wait != nil {
		s.waits <- struct{}{}
	}
	return l, err
}

// A conversation is deleted at one replica while a question in it is answered there. A question that
// is asked after that waits for this one at a second replica, which does not know of the deletion: it begins
// a new conversation, which every form of its answer names.
func TestAnAnswerNamesTheConversationThatItsQuestionHasBegunAnew(t *testing.T) {
	t.Parallel()
	db := pgtest.Start(t).Database(t)
	waits := make(chan struct{}, 16)
	keep := func(string) (store.Store, error) {
		st, err := postgres.Open(db)
		if err != nil {
			return nil, err
		}
		return seenLeases{st, st.(store.Leaser), waits}, nil
	}
	url, asked, letGo := gated(t)
	text := "callers: {keys: [{name: alice, key: " + key + "}]}\nchannels:\n" + oddChannel("up", url, 1)
	one, other := world.Beside(t, text, keep), world.Beside(t, text, keep)
	ask := func(w *world.World, path, message string) string {
		status, _, body := w.Do(t, "POST", path, `{"message":"`+message+`","userId":"`+strings.ReplaceAll(path, "/", "-")+`","preset":"echo"}`, "Authorization", "Bearer "+key)
		if status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
		return body
	}
	var done sync.WaitGroup
	for _, path := range []string{"/api/chat", "/api/chat/stream"} {
		old := namedIn(ask(one, path, "hi"))
		if same := namedIn(ask(other, path, "hi")); same != old {
			t.Errorf("%s is begun anew as %s", old, same)
		}
		done.Go(func() { ask(one, path, "wait") })
		<-asked
		if status, _, body := one.Do(t, "DELETE", "/api/conversations/"+old, "", "Authorization", "Bearer "+key); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		done.Go(func() {
			answer := ask(other, path, "hi again")
			id := namedIn(answer)
			status, _, loaded := other.Do(t, "GET", "/api/conversations/"+id, "", "Authorization", "Bearer "+key)
			if id == old || status != 200 || !strings.Contains(loaded, "hi again") || strings.Contains(loaded, "wait") {
				t.Errorf("%s names %s behind %s: %s; there is %s", path, id, old, answer, loaded)
			}
		})
		<-waits
	}
	letGo()
	done.Wait()
}

// lateLeases is a store whose turns wait for one of another process, which has deleted their
// conversation.
type lateLeases struct {
	store.Store
	waits   time.Duration
	deletes bool
}

func (s lateLeases) Lease(_ context.Context, owner, id, _ string) (*store.Lease, error) {
	if !s.deletes {
		return &store.Lease{End: func() {}}, nil
	}
	return &store.Lease{End: func() {}, Wait: func(ctx context.Context) (string, int64, error) {
		select {
		case <-time.After(s.waits):
			return "", 0, s.Delete(ctx, owner, id)
		case <-ctx.Done():
			return "", 0, ctx.Err()
		}
	}}, nil
}

// A stream whose status line cannot be held any longer does not name its conversation before that is
// known.
func TestAStreamNamesItsConversationOnceItIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		leases := &lateLeases{}
		w := world.AloneOn(t, "callers: {keys: [{name: alice, key: "+key+"}]}\nchannels:\n"+channel("up", "openai", "", "echo"), func(url string) (store.Store, error) {
			st, err := embedded.Open(url)
			leases.Store = st
			return leases, err
		})
		const body = `{"message":"hi","userId":"u","preset":"echo"}`
		ask := func() string {
			status, _, answer := w.Do(t, "POST", "/api/chat/stream", body, "Authorization", "Bearer "+key)
			if status != 200 {
				t.Errorf("%d %s", status, answer)
			}
			return answer
		}
		old := namedIn(ask())
		if old == "" {
			t.Fatal("the first answer names none")
		}
		leases.waits, leases.deletes = time.Minute, true
		answer := ask()
		id := namedIn(answer)
		if status, _, loaded := w.Do(t, "GET", "/api/conversations/"+id, "", "Authorization", "Bearer "+key); id == old || status != 200 || !strings.Contains(loaded, `"hi"`) {
			t.Errorf("it names %s behind %s: %s; there is %s", id, old, answer, loaded)
		}
		if before, _, _ := strings.Cut(answer, "data:"); strings.Count(before, ":") < 2 {
			t.Errorf("no sign of life went before the start: %s", answer)
		}
	})
}

// namedIn is the id that an answer of the rest front names.
func namedIn(answer string) string {
	_, rest, _ := strings.Cut(answer, `"conversationId":`)
	var id string
	_ = json.NewDecoder(strings.NewReader(rest)).Decode(&id)
	return id
}
