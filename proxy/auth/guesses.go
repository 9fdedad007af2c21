package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What one address may do wrong: so many bad credentials at once and per minute, of
// which so many at a login; and what all addresses together may do wrong at the login
// of one user name, at once and as long as it goes on. One address alone cannot use up
// the latter for longer than a moment.
const (
	badKeysPerMinute   = 30
	badLoginsPerMinute = 20
	badNamesAtOnce     = 20
	badNamesRefill     = 40 * time.Second // for as many as come at once
	familiarKept       = 20_000

	// GuessesKept is how many addresses and user names are told apart.
	GuessesKept = 100_000
)

// guessed stands before addresses and names: where processes count together, a limit of the
// configuration may have the name of one of these rules.
const guessed = "guessed\x00"

// BadKeys counts bad credentials per address. Good ones are never counted and, but for
// logins, never refused here, whatever else comes from their address. It is safe for
// concurrent use, and its memory is bounded.
type BadKeys struct {
	limiter limiter.Limiter
	keys    *limiter.Rule // bad credentials of an address
	logins  *limiter.Rule // bad logins of an address
	names   *limiter.Rule // bad logins of a user name
	known   familiar
}

// NewBadKeys returns a count in l, which should keep GuessesKept counts and nothing else; nil: in
// this process's own memory.
func NewBadKeys(l limiter.Limiter) *BadKeys {
	if l == nil {
		l = limiter.NewLocal(limiter.Options{Keys: GuessesKept})
	}
	rule := func(name string, n int, per time.Duration) *limiter.Rule {
		return limiter.NewRule(name, config.Limit{Requests: config.Rate{N: n, Per: per}})
	}
	return &BadKeys{
		limiter: l,
		keys:    rule("bad-keys", badKeysPerMinute, time.Minute),
		logins:  rule("bad-logins", badLoginsPerMinute, time.Minute),
		names:   rule("bad-names", badNamesAtOnce, badNamesRefill),
	}
}

// Refuse returns what a client at address is to be told when its credential was
// refused with err: err, or RATE_LIMITED after too many bad ones.
func (b *BadKeys) Refuse(err *translate.Error, address string) *translate.Error {
	if err.Code != translate.CodeInvalidToken {
		return err
	}
	s := limiter.Subject{}
	s.Under(b.keys, limiter.Address, guessed+address)
	grant, over := b.admit(s)
	if over != nil {
		return over
	}
	grant.Settle(0)
	return err
}

func (b *BadKeys) admit(s limiter.Subject) (limiter.Grant, *translate.Error) {
	grant, refused := b.limiter.Admit(context.Background(), s)
	if over := (*limiter.Exceeded)(nil); errors.As(refused, &over) {
		return grant, over.Refusal()
	}
	return grant, nil
}

// Login lets check decide about a login, unless too many were wrong before: then
// nothing is checked, so that who guesses does not learn when a guess was right. Each
// has its place before it is checked, so that no more are checked at once either. An
// address from which this user logged in before is not kept out by what others guess. The
// error is that of check, or RATE_LIMITED.
func (b *BadKeys) Login(name, address string, check func() (string, *translate.Error)) (string, *translate.Error) {
	s, who := limiter.Subject{}, guestOf(name, address)
	s.Under(b.keys, limiter.Address, guessed+address)
	s.Under(b.logins, limiter.Address, guessed+address)
	if !b.known.has(who) {
		s.Under(b.names, limiter.User, guessed+name)
	}
	grant, over := b.admit(s)
	if over != nil {
		return "", over
	}
	token, err := check()
	switch {
	case err == nil:
		b.known.add(who)
		grant.Cancel()
	case err.Code == translate.CodeUnauthorized:
		grant.Settle(0)
	default:
		grant.Cancel() // it was not the caller's fault
	}
	return token, err
}

// guest is a user name at an address, as a hash.
type guest [16]byte

func guestOf(name, address string) guest {
	sum := sha256.Sum256([]byte(address + "\x00" + name))
	return guest(sum[:16])
}

// familiar are the newest of those who have logged in. It is safe for concurrent use;
// the zero value knows nobody.
type familiar struct {
	mu   sync.Mutex
	all  map[guest]struct{}
	list []guest // in the order of their first login, from next on
	next int
}

func (f *familiar) has(g guest) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, ok := f.all[g]
	return ok
}

func (f *familiar) add(g guest) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.all[g]; ok {
		return
	}
	if f.all == nil {
		f.all = map[guest]struct{}{}
	}
	f.all[g] = struct{}{}
	if len(f.list) < familiarKept {
		f.list = append(f.list, g)
		return
	}
	delete(f.all, f.list[f.next])
	f.list[f.next] = g
	f.next = (f.next + 1) % familiarKept
}
