package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate"
)

// countingKeys counts what reaches the store, and can fail.
type countingKeys struct {
	store.Keyer
	reads atomic.Int32
	fail  atomic.Bool
}

func (c *countingKeys) KeyByHash(ctx context.Context, hash [32]byte) (*store.Key, error) {
	c.reads.Add(1)
	if c.fail.Load() {
		return nil, errors.New("the disk is gone")
	}
	return c.Keyer.KeyByHash(ctx, hash)
}

// entrance is the callers of a configuration, the stored keys, and the count of bad
// ones: what a gateway has of this package.
type entrance struct {
	callers *Callers
	keys    *Keyring
	badKeys *BadKeys
}

func (e *entrance) Identify(token, address string) (*Caller, *translate.Error) {
	c, err := e.callers.Identify(e.keys, token, address)
	if err != nil && address != "" {
		return nil, e.badKeys.Refuse(err, address)
	}
	return c, err
}

func (e *entrance) Login(name, key, address string, life time.Duration) (string, *translate.Error) {
	return e.badKeys.Login(name, address, func() (string, *translate.Error) { return e.callers.Login(e.keys, name, key, life) })
}

func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

func ringed(t *testing.T, conf *config.Callers, limits map[string]config.Limit) (*entrance, *countingKeys) {
	t.Helper()
	st, err := embedded.Open("memory:")
	if err != nil {
		t.Fatal(err)
	}
	counting := &countingKeys{Keyer: st.(store.Keyer)}
	g := &entrance{callers: New(conf, limits), keys: &Keyring{st: counting}, badKeys: NewBadKeys(nil)}
	t.Cleanup(g.keys.Close)
	return g, counting
}

func added(t *testing.T, g *entrance, name string, a config.Access, expires time.Time) (secret, id string) {
	t.Helper()
	secret, key := NewKey(name, a, expires)
	if err := g.keys.Add(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	return secret, key.ID
}

func mustBe(t *testing.T, g *entrance, token, want string) *Caller {
	t.Helper()
	c, err := g.Identify(token, "")
	got := ""
	if c != nil {
		got = c.Name
	}
	if err != nil {
		got = string(err.Code)
	}
	if got != want {
		t.Errorf("the credential is %q (%v), want %q", got, err, want)
	}
	return c
}

func TestAStoredKeyIsACallerUntilItIsRevoked(t *testing.T) {
	t.Parallel()
	g, _ := ringed(t, &config.Callers{Keys: []config.Key{{Name: "file", Key: "of-the-file"}}}, map[string]config.Limit{"small": {Concurrent: 1}})
	mustBe(t, g, "sk-unknown", "INVALID_TOKEN")
	secret, id := added(t, g, "alice", config.Access{Group: "gold", Models: []string{"m"}, Limits: config.Names{"small"}}, time.Time{})
	c := mustBe(t, g, secret, "alice")
	if c.Group != "gold" || !c.May("m") || c.May("other") || !c.Limited() || c.Anonymous {
		t.Errorf("got %+v", c)
	}
	if len(secret) < 35 || len(secret) > 36 || secret[:3] != "sk-" {
		t.Errorf("the key %q is too short, or too long for a form", secret)
	}
	mustBe(t, g, "of-the-file", "file")
	if err := g.keys.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	mustBe(t, g, secret, "INVALID_TOKEN")
	if err := g.keys.Revoke(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
}

func TestAStoredKeyEndsWhenItExpiresOrItsLimitsGo(t *testing.T) {
	t.Parallel()
	g, _ := ringed(t, &config.Callers{}, nil)
	old, _ := added(t, g, "alice", config.Access{}, time.Now().Add(-time.Second))
	mustBe(t, g, old, "TOKEN_EXPIRED")
	young, _ := added(t, g, "alice", config.Access{}, time.Now().Add(time.Hour))
	mustBe(t, g, young, "alice")
	unlimited, _ := added(t, g, "alice", config.Access{Limits: config.Names{"that are not configured"}}, time.Time{})
	mustBe(t, g, unlimited, "INVALID_TOKEN")
}

func TestTheStoreIsAskedOnceForAKeyWhileItIsRemembered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, counting := ringed(t, &config.Callers{}, nil)
		defer g.keys.Close()
		secret, _ := added(t, g, "alice", config.Access{}, time.Time{})
		mustBe(t, g, secret, "alice")
		mustBe(t, g, "sk-none", "INVALID_TOKEN")
		g.keys.kept().Wait()
		for range 100 {
			mustBe(t, g, secret, "alice")
			mustBe(t, g, "sk-none", "INVALID_TOKEN")
		}
		if n := counting.reads.Load(); n != 2 {
			t.Errorf("the store was asked %d times, want 2", n)
		}
		time.Sleep(keyFresh)
		mustBe(t, g, "sk-none", "INVALID_TOKEN")
		if n := counting.reads.Load(); n != 3 {
			t.Errorf("an unknown key was believed for more than %v", keyFresh)
		}
		// Another process revokes: behind this one's back.
		all, _ := counting.Keys(t.Context())
		if err := counting.RevokeKey(t.Context(), all[0].ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keyFresh)
		mustBe(t, g, secret, "INVALID_TOKEN")
	})
}

func TestAKeyThatIsKnownIsTakenForAWhileWithoutItsStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, counting := ringed(t, &config.Callers{}, nil)
		defer g.keys.Close()
		secret, _ := added(t, g, "alice", config.Access{}, time.Time{})
		mustBe(t, g, secret, "alice")
		mustBe(t, g, "sk-none", "INVALID_TOKEN")
		g.keys.kept().Wait()
		counting.fail.Store(true)
		time.Sleep(keyFresh)
		before := counting.reads.Load()
		for range 100 {
			mustBe(t, g, secret, "alice")
		}
		if n := counting.reads.Load(); n != before+1 {
			t.Errorf("a store that fails was asked %d times within %v", n-before, keyAgain)
		}
		mustBe(t, g, "sk-none", "INTERNAL_ERROR")
		all, _ := counting.Keys(t.Context())
		if err := counting.RevokeKey(t.Context(), all[0].ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keyStale - 2*keyFresh)
		mustBe(t, g, secret, "alice")
		counting.fail.Store(false)
		time.Sleep(keyAgain)
		mustBe(t, g, secret, "INVALID_TOKEN")
	})
}

func TestAStoreThatFailsIsNotABadKey(t *testing.T) {
	t.Parallel()
	g, counting := ringed(t, &config.Callers{}, nil)
	secret, _ := added(t, g, "alice", config.Access{}, time.Time{})
	counting.fail.Store(true)
	mustBe(t, g, secret, "INTERNAL_ERROR")
	counting.fail.Store(false)
	mustBe(t, g, secret, "alice")
}

func TestALoginWithAStoredKeyDiesWithTheKey(t *testing.T) {
	t.Parallel()
	g, _ := ringed(t, &config.Callers{JWT: &config.JWT{Secret: signingKey}}, nil)
	secret, id := added(t, g, "alice", config.Access{Group: "gold"}, time.Time{})
	token, err := g.Login("alice", secret, "192.0.2.9", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if c := mustBe(t, g, token, "alice"); c.Group != "gold" {
		t.Errorf("got %+v", c)
	}
	if _, err := g.Login("bob", secret, "192.0.2.9", time.Hour); err == nil {
		t.Error("bob logged in with the key of alice")
	}
	if err := g.keys.Revoke(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	mustBe(t, g, token, "INVALID_TOKEN")
}

func TestBadKeysAreSlowedPerAddressAndGoodOnesAreNot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, _ := ringed(t, &config.Callers{Keys: []config.Key{{Name: "file", Key: "of-the-file"}}}, nil)
		defer g.keys.Close()
		secret, _ := added(t, g, "alice", config.Access{}, time.Time{})
		codes := map[translate.Code]int{}
		for range 3 * badKeysPerMinute {
			_, err := g.Identify("sk-guess", "192.0.2.1")
			codes[err.Code]++
			if err.Code == translate.CodeRateLimited && err.Retry <= 0 {
				t.Fatal("it does not say when to come back")
			}
		}
		if codes[translate.CodeInvalidToken] != badKeysPerMinute || codes[translate.CodeRateLimited] != 2*badKeysPerMinute {
			t.Errorf("got %v", codes)
		}
		for _, good := range []string{secret, "of-the-file"} {
			if _, err := g.Identify(good, "192.0.2.1"); err != nil {
				t.Errorf("a good key of the same address: %v", err)
			}
		}
		if _, err := g.Identify("sk-guess", "192.0.2.2"); err.Code != translate.CodeInvalidToken {
			t.Errorf("another address: %v", err)
		}
		time.Sleep(time.Minute / badKeysPerMinute)
		if _, err := g.Identify("sk-guess", "192.0.2.1"); err.Code != translate.CodeInvalidToken {
			t.Errorf("after a while: %v", err)
		}
	})
}

func TestOfManyGuessesAtALoginFewAreCheckedAndThenNotEvenTheRightKeyIs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		g, _ := ringed(t, &config.Callers{
			Keys: []config.Key{{Name: "alice", Key: "of-alice"}, {Name: "bob", Key: "of-bob"}}, JWT: &config.JWT{Secret: signingKey}}, nil)
		defer g.keys.Close()
		code := func(name, key, address string) translate.Code {
			_, err := g.Login(name, key, address, time.Hour)
			switch {
			case err == nil:
				return ""
			case err.Code == translate.CodeRateLimited && err.Retry <= 0:
				t.Fatal("it does not say when to come back")
			}
			return err.Code
		}
		const wrong, late = translate.CodeUnauthorized, translate.CodeRateLimited

		// All at once, from one address: what is checked is counted first.
		var mu sync.Mutex
		codes := map[translate.Code]int{}
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				c := code("alice", fmt.Sprint("guess", i), "192.0.2.1")
				mu.Lock()
				defer mu.Unlock()
				codes[c]++
			})
		}
		all.Wait()
		if codes[wrong] > badLoginsPerMinute || codes[wrong]+codes[late] != 200 {
			t.Errorf("got %v", codes)
		}
		if c := code("alice", "of-alice", "192.0.2.1"); c != late {
			t.Errorf("the right key at the address: %q", c)
		}
		if c := code("bob", "of-bob", "192.0.2.1"); c != late {
			t.Errorf("another name at the address: %q", c)
		}
		if c := code("bob", "of-bob", "192.0.2.2"); c != "" {
			t.Errorf("another name elsewhere: %q", c)
		}
		if c := code("alice", "of-alice", "192.0.2.2"); c != late {
			t.Errorf("the name elsewhere: %q", c)
		}
		// The keys themselves are taken everywhere.
		for _, at := range []string{"192.0.2.1", "192.0.2.2"} {
			if _, err := g.Identify("of-alice", at); err != nil {
				t.Errorf("the key at %s: %v", at, err)
			}
		}
		// One address that goes on cannot keep a name for itself.
		for range 120 {
			time.Sleep(time.Second)
			for range 5 {
				code("alice", "guess", "192.0.2.1")
			}
		}
		if c := code("alice", "of-alice", "192.0.2.2"); c != "" {
			t.Errorf("under an attack by one address: %q", c)
		}
		// Many addresses can, but not at addresses that have logged in before.
		at := netip.MustParseAddr("10.0.0.0")
		checked := 0
		for range 2000 {
			at = at.Next()
			if code("alice", "guess", at.String()) == wrong {
				checked++
			}
		}
		if checked > badNamesAtOnce {
			t.Errorf("%d guesses from as many addresses were checked", checked)
		}
		if c := code("alice", "of-alice", "192.0.2.3"); c != late {
			t.Errorf("a new address: %q", c)
		}
		if c := code("alice", "of-alice", "192.0.2.2"); c != "" {
			t.Errorf("a known address: %q", c)
		}
		// Guesses elsewhere count too, and right logins do not.
		for range badKeysPerMinute {
			_, _ = g.Identify("sk-guess", "192.0.2.7")
		}
		if c := code("bob", "of-bob", "192.0.2.7"); c != late {
			t.Errorf("after guesses elsewhere: %q", c)
		}
		for range 3 * badKeysPerMinute {
			if c := code("bob", "of-bob", "192.0.2.8"); c != "" {
				t.Fatalf("right logins: %q", c)
			}
		}
	})
}

func TestAStoreThatFailsIsNoWrongLogin(t *testing.T) {
	t.Parallel()
	g, counting := ringed(t, &config.Callers{JWT: &config.JWT{Secret: signingKey}}, nil)
	secret, _ := added(t, g, "alice", config.Access{}, time.Time{})
	counting.fail.Store(true)
	for range 2 * badLoginsPerMinute {
		if _, err := g.Login("alice", secret, "192.0.2.1", time.Hour); err == nil || err.Code != translate.CodeInternal {
			t.Fatalf("got %v", err)
		}
	}
	counting.fail.Store(false)
	if _, err := g.Login("alice", secret, "192.0.2.1", time.Hour); err != nil {
		t.Error(err)
	}
}

func TestThoseWhoHaveLoggedInAreRememberedWithinABound(t *testing.T) {
	t.Parallel()
	var f familiar
	for i := range 2*familiarKept + 1 {
		f.add(guestOf("alice", fmt.Sprint(i)))
	}
	if len(f.all) != familiarKept || len(f.list) != familiarKept || !f.has(guestOf("alice", fmt.Sprint(2*familiarKept))) || f.has(guestOf("alice", "0")) {
		t.Errorf("%d and %d are remembered", len(f.all), len(f.list))
	}
}

func TestTheTableOfBadKeysIsBounded(t *testing.T) {
	t.Parallel()
	g, _ := ringed(t, &config.Callers{}, nil)
	at := netip.MustParseAddr("10.0.0.0")
	for range 2 * GuessesKept {
		_ = g.badKeys.Refuse(unknownKey(), at.String())
		at = at.Next()
	}
	if s := g.badKeys.limiter.(*limiter.Local).Stats(); s.Keys > GuessesKept+s.Shared || s.Shared > 64 {
		t.Errorf("the table holds %+v", s)
	}
}

func TestTheStringsOfKeysThatWereLookedUpAreCounted(t *testing.T) {
	t.Parallel()
	small := (&foundKey{}).bytes("")
	if small*keysKept > keysBytes {
		t.Errorf("%d keys of %d bytes are more than %d", keysKept, small, keysBytes)
	}
	long := strings.Repeat("x", 1000)
	for name, f := range map[string]*foundKey{
		"id":     {id: long},
		"name":   {key: &store.Key{Name: long}},
		"group":  {key: &store.Key{Group: long}},
		"limits": {key: &store.Key{Limits: long}},
		"models": {key: &store.Key{Models: []string{long}}},
	} {
		if n := f.bytes(""); n < small+1000 {
			t.Errorf("a long %s counts as %d bytes", name, n)
		}
	}
	if n := (&foundKey{}).bytes(long); n < small+1000 {
		t.Errorf("what it is found by counts as %d bytes", n)
	}
}
