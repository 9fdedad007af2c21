package front_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

func TestAConversationIsJoinedByItsNumberBeforeItsFirstTurnIsStored(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	a := s.enter(t, "sk-alice", 0)
	// While its first turn runs.
	a.say(chatFrame("hang", "one"))
	if f, _ := a.frame(); *f.Conversation != 1 {
		t.Fatalf("got the number %d", *f.Conversation)
	}
	b := s.enter(t, "sk-alice", 1)
	b.say(chatFrame("recall", "two"))
	if f, _ := b.frame(); *f.Conversation != 1 {
		t.Errorf("joined %d", *f.Conversation)
	}
	a.say(`{"type":"stop"}`)
	if f, _ := a.frame(); !*f.End || *f.Message != "" {
		t.Errorf("got %q", *f.Message)
	}
	if f, _ := b.frame(); *f.Message == "" {
		t.Errorf("got an end at once")
	}
	// Between two turns of which the first has failed.
	c := s.enter(t, "sk-alice", 0)
	if p := c.ask("fail-500", "x"); p.number != 2 || p.fault == "" {
		t.Errorf("got %+v", p)
	}
	d := s.enter(t, "sk-alice", 2)
	if p := d.ask("mock-echo", "hi"); p.number != 2 || p.text != helloHi {
		t.Errorf("got %+v", p)
	}
	if p := c.ask("mock-echo", "after"); p.number != 2 || p.text != `Hello, you said "after" (n=3)` {
		t.Errorf("got %+v", p)
	}
	// Nobody else has such a number.
	e := s.enter(t, "plain-key", 2)
	if p := e.ask("mock-echo", "hi"); p.number != 1 || p.text != helloHi {
		t.Errorf("got %+v", p)
	}
	for _, k := range []*sock{a, c, d, e} {
		k.leave()
	}
	_ = b.ws.Close()
}

func TestANumberThatNothingWasStoredUnderIsForgottenWithItsSocket(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	nothing := `{"type":"restart","model":"mock-echo"}`
	if k.say(nothing); k.turn().number != 1 {
		t.Error("a restart of nothing has another number")
	}
	k.leave()
	// The server answers the close before it forgets.
	s.Eventually(t, "the number is forgotten", func() bool {
		k := s.enter(t, "sk-alice", 1)
		defer k.leave()
		k.say(nothing)
		return k.turn().number != 1
	})
}

func TestADeletedConversationIsBegunAnewUnderAnotherID(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.say(mask(`[{"role":"user","content":"head"}]`))
	if p := k.ask("mock-echo", "one"); p.text != `Hello, you said "one" (n=2)` {
		t.Errorf("got %+v", p)
	}
	old := s.kept(t, "alice", 1).ID
	// Deleted while a turn runs: that turn is not kept, the next begins anew.
	k.say(chatFrame("hang", "two"))
	k.frame()
	k.say(chatFrame("recall", "three"))
	s.want(t, "sk-alice", "GET", "/conversation/delete?id=1", "", 200, ok)
	k.say(`{"type":"stop"}`)
	k.frame()
	if p := k.turn(); p.number != 1 || p.text != "user: three" {
		t.Errorf("got %+v", p)
	}
	c := s.kept(t, "alice", 1)
	if c.ID == old || len(c.Messages) != 2 {
		t.Errorf("kept as %s (was %s): %+v", c.ID, old, c.Messages)
	}
	// Deleted between two turns.
	s.want(t, "sk-alice", "GET", "/conversation/delete?id=1", "", 200, ok)
	if p := k.ask("recall", "four"); p.number != 1 || p.text != "user: four" {
		t.Errorf("got %+v", p)
	}
	if again := s.kept(t, "alice", 1); again.ID == c.ID || again.ID == old {
		t.Errorf("kept as %s", again.ID)
	}
	if _, err := s.Store.Load(t.Context(), "alice", store.Ref{ID: old}, store.Newest(1)); err == nil {
		t.Error("the deleted conversation is back")
	}
	k.leave()
}

func TestCleaningForgetsRunningConversationsToo(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	socks := make([]*sock, 4)
	for i := range socks {
		socks[i] = s.enter(t, "sk-alice", 0)
		socks[i].ask("mock-echo", "one")
		socks[i].say(chatFrame("hang", "two"))
		socks[i].frame()
	}
	s.want(t, "sk-alice", "GET", "/conversation/clean", "", 200, ok)
	for _, k := range socks {
		k.say(`{"type":"stop"}`)
		k.frame()
	}
	if list := s.list(t, "sk-alice"); len(list) != 0 {
		t.Errorf("got %+v", list)
	}
	for _, k := range socks {
		if p := k.ask("recall", "three"); p.text != "user: three" {
			t.Errorf("got %+v", p)
		}
		k.leave()
	}
}

func TestNumbersAreGivenOutOnceWhileConversationsAreDeleted(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	const sockets = 12
	var mu sync.Mutex
	seen := map[int64]int{}
	var all sync.WaitGroup
	for i := range sockets {
		k := s.enter(t, "sk-alice", 0)
		all.Go(func() {
			p := k.ask("mock-echo", fmt.Sprint("from ", i))
			if want := fmt.Sprintf("Hello, you said \"from %d\" (n=1)", i); p.text != want {
				t.Errorf("got %+v", p)
			}
			mu.Lock()
			seen[p.number]++
			mu.Unlock()
			s.want(t, "sk-alice", "GET", "/conversation/delete?id="+itoa(p.number), "", 200, ok)
			k.leave()
		})
	}
	all.Wait()
	if len(seen) != sockets {
		t.Errorf("numbers of %d sockets: %v", sockets, seen)
	}
}

func TestTheLatestWishToSearchIsShown(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	for _, web := range []string{"true", "false", `"true"`} {
		k.say(`{"type":"chat","message":"hi","model":"mock-echo","context":3,"web":` + web + `}`)
		k.turn()
		want := `"enable_web":` + strings.Trim(web, `"`) + `,"shared":false,"context":0}`
		for _, path := range []string{"/conversation/list", "/conversation/load?id=1", "/conversation?id=1"} {
			if _, body := s.call(t, "GET", path, "", "Authorization", "sk-alice"); !strings.Contains(body, want) {
				t.Errorf("web %s, %s: got %s", web, path, body)
			}
		}
	}
	k.leave()
}

func TestACallerKeepsOnlySoManyMasksAndShares(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", "hi")
	k.leave()
	for i := range store.MaxMasks {
		if err := s.Store.(store.Masker).SaveMask(t.Context(), "alice", &store.Mask{Name: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	mask := `{"id":-1,"name":"m","context":[]}`
	s.want(t, "sk-alice", "POST", "/conversation/mask/save", mask, 200, maskFail("too many masks: delete one first"))
	s.want(t, "sk-bob", "POST", "/conversation/mask/save", mask, 200, maskOK)
	for i := range store.MaxShares {
		if err := s.Store.(store.Sharer).Share(t.Context(), &store.Share{Hash: fmt.Sprint(i), Owner: "alice"}); err != nil {
			t.Fatal(err)
		}
	}
	s.want(t, "sk-alice", "POST", "/conversation/share", `{"id":1,"refs":[-1]}`, 200, refusedWith("too many shares: delete one first"))
	s.want(t, "sk-alice", "GET", "/conversation/share/delete?hash=7", "", 200, ok)
	if _, body := s.call(t, "POST", "/conversation/share", `{"id":1,"refs":[-1]}`, "Authorization", "sk-alice"); !strings.Contains(body, `"status":true`) {
		t.Errorf("got %s", body)
	}
}
