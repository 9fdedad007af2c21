package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dgraph-io/ristretto/v2"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/ids"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// How long what the store said of a key is believed. A key that another process revokes or
// adds is refused or taken after keyFresh at the latest. While the store does not answer a key
// that it knew is taken for keyStale; it is asked anew each keyAgain.
const (
	keyFresh  = time.Second
	keyStale  = 10 * time.Minute
	keyAgain  = time.Second
	keysKept  = 20_000                 // in the cache, known ones and unknown ones, if they are as short as most are
	keysBytes = 16 << 20               // of them
	keyWait   = 5 * time.Second        // for the store
	keyBrief  = 300 * time.Millisecond // the same, where the cache has what it said before
)

// Keyring finds the keys that are stored, through a cache. It is safe for
// concurrent use. A nil Keyring knows no key.
type Keyring struct {
	st store.Keyer
	// epoch grows with each change that this process makes: what was read before
	// is worth nothing then, also if it is put into the cache later.
	epoch atomic.Uint64
	// lost is when the store is asked anew, in Unix nanoseconds, since it did not answer for a
	// key that the cache has.
	lost atomic.Int64

	mu     sync.Mutex // guards the making of cache
	cache  atomic.Pointer[ristretto.Cache[string, *foundKey]]
	closed bool
}

// foundKey is what the store said of a key, and the caller that it makes under one
// plan. It is immutable.
type foundKey struct {
	epoch uint64
	read  time.Time // when the store said so
	hash  [sha256.Size]byte
	id    string
	key   *store.Key // nil: there is none
	plan  *Callers
	who   *Caller // nil: the plan does not know the key's limits
}

// NewKeyring returns the keys of st; nil where it keeps none. Whoever calls it calls
// Close.
func NewKeyring(st store.Store) *Keyring {
	keyer, ok := st.(store.Keyer)
	if !ok {
		return nil
	}
	return &Keyring{st: keyer}
}

// kept is the cache, which is made when it is first needed; nil after Close.
func (k *Keyring) kept() *ristretto.Cache[string, *foundKey] {
	if c := k.cache.Load(); c != nil {
		return c
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.cache.Load(); c != nil || k.closed {
		return c
	}
	c, err := ristretto.NewCache(&ristretto.Config[string, *foundKey]{
		NumCounters: 10 * keysKept, MaxCost: keysBytes, BufferItems: 64, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil // without it every key is looked up in the store
	}
	k.cache.Store(c)
	return c
}

// Close lets go of the cache.
func (k *Keyring) Close() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	if c := k.cache.Swap(nil); c != nil {
		c.Close()
	}
}

// byHash returns the caller whose key has the hash sum.
func (k *Keyring) byHash(plan *Callers, sum [sha256.Size]byte) (*Caller, *translate.Error) {
	if k == nil {
		return nil, unknownKey()
	}
	found, err := k.find(plan, string(sum[:]), func(f *foundKey) bool { return subtle.ConstantTimeCompare(f.hash[:], sum[:]) == 1 },
		func(ctx context.Context) (*store.Key, error) { return k.st.KeyByHash(ctx, sum) }, foundKey{hash: sum})
	if err != nil {
		return nil, err
	}
	return found.caller()
}

// byID returns the caller of a stored key that has not expired, and the key's
// hash; nil where there is none.
func (k *Keyring) byID(plan *Callers, id string) (*Caller, [sha256.Size]byte) {
	if k == nil {
		return nil, [sha256.Size]byte{}
	}
	found, err := k.find(plan, "id "+id, func(f *foundKey) bool { return f.id == id },
		func(ctx context.Context) (*store.Key, error) { return k.st.KeyByID(ctx, id) }, foundKey{id: id})
	if err != nil || found.key == nil {
		return nil, [sha256.Size]byte{}
	}
	who, err := found.caller()
	if err != nil {
		return nil, [sha256.Size]byte{}
	}
	return who, found.key.Hash
}

// Named returns the caller of c called name, see [Callers.Named], or else that of the stored
// key with this name or id; of several with the name that of the newest. The error's code is
// NOT_FOUND where there is none, that of a refused question for one that may ask no more, or
// INTERNAL_ERROR where the store failed.
func (k *Keyring) Named(c *Callers, name string) (*Caller, *translate.Error) {
	who, err := c.Named(name)
	if err == nil || err.Code != translate.CodeNotFound || k == nil {
		return who, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), keyWait)
	defer cancel()
	all, failed := k.st.Keys(ctx)
	if failed != nil {
		return nil, store.Failed(failed)
	}
	for _, key := range slices.Backward(all) {
		if key.Name == name || key.ID == name {
			found := foundKey{key: &key, who: c.stored(&key)}
			return found.caller()
		}
	}
	return nil, err
}

// find returns what the cache, else the store says. is tells whether an entry of
// the cache is the one that is meant.
func (k *Keyring) find(plan *Callers, at string, is func(*foundKey) bool, read func(context.Context) (*store.Key, error), found foundKey) (*foundKey, *translate.Error) {
	cache := k.kept()
	var old *foundKey
	now := time.Now()
	if cache != nil {
		if f, ok := cache.Get(at); ok && f.epoch == k.epoch.Load() && f.plan == plan && is(f) {
			old = f
		}
	}
	if old != nil && (now.Sub(old.read) < keyFresh || old.key != nil && now.UnixNano() < k.lost.Load()) {
		return old, nil
	}
	found.epoch, found.plan, found.read = k.epoch.Load(), plan, now
	wait := keyWait
	if old != nil && old.key != nil {
		wait = keyBrief
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	key, err := read(ctx)
	life := keyStale
	switch {
	case errors.Is(err, store.ErrNotFound):
		life = keyFresh
	case err != nil && old != nil && old.key != nil:
		k.lost.Store(time.Now().Add(keyAgain).UnixNano())
		return old, nil
	case err != nil:
		return nil, store.Failed(err)
	default:
		found.key, found.who = key, plan.stored(key)
	}
	if cache != nil {
		cache.SetWithTTL(at, &found, found.bytes(at), life)
	}
	return &found, nil
}

// foundBytes is about what a foundKey takes beside its strings, its caller and its place
// in the cache included.
const foundBytes = keysBytes / keysKept

// bytes is about what f, which is kept under at, takes.
func (f *foundKey) bytes(at string) int64 {
	n := foundBytes + len(at) + len(f.id)
	if k := f.key; k != nil {
		n += len(k.ID) + len(k.Name) + len(k.Group) + len(k.Limits)
		for _, m := range k.Models {
			n += 2*len(m) + 32 // the caller has them too
		}
	}
	return int64(n)
}

func (f *foundKey) caller() (*Caller, *translate.Error) {
	switch {
	case f.key == nil:
		return nil, unknownKey()
	case f.who == nil:
		return nil, &translate.Error{Code: translate.CodeInvalidToken, Message: "the limits of this key are not configured any more"}
	}
	return f.who.checkExpiry()
}

// stored makes the caller of a stored key; nil where its limits are not in the
// configuration: it must not do without any then.
func (c *Callers) stored(key *store.Key) *Caller {
	var limits []string
	if _, whole := c.rules[key.Limits]; whole {
		limits = []string{key.Limits}
	} else if key.Limits != "" {
		limits = strings.Split(key.Limits, ",")
	}
	for _, name := range limits {
		if _, ok := c.rules[name]; !ok {
			return nil
		}
	}
	var expires time.Time
	if key.Expires != 0 {
		expires = time.UnixMilli(key.Expires)
	}
	who := c.caller(key.Name, &config.Access{Limits: limits, Models: key.Models, Group: key.Group}, expires)
	who.key = key.ID
	return who
}

// NewKey makes a key for the caller called name, with 192 random bits: it has 35
// characters, since forms for logging in take no more than 36. Only what it
// returns as secret is the key itself: k holds its hash. expires may be zero.
func NewKey(name string, a config.Access, expires time.Time) (secret string, k *store.Key) {
	var random [24]byte
	_, _ = rand.Read(random[:]) // it never fails
	secret = "sk-" + base64.RawURLEncoding.EncodeToString(random[:])
	k = &store.Key{
		ID: ids.New("key_"), Hash: sha256.Sum256([]byte(secret)), Name: strings.Clone(name), Group: a.Group,
		Models: a.Models, Limits: strings.Join(a.Limits, ","), Created: time.Now().UnixMilli(),
	}
	if !expires.IsZero() {
		k.Expires = expires.UnixMilli()
	}
	return secret, k
}

// errNoKeys is what a store without room for keys leads to.
var errNoKeys = errors.New("this store keeps no keys")

// Add stores key, which [NewKey] has made; it works at once.
func (k *Keyring) Add(ctx context.Context, key *store.Key) error {
	if k == nil {
		return errNoKeys
	}
	err := k.st.AddKey(ctx, key)
	k.epoch.Add(1)
	return err
}

// List returns the stored keys, oldest first.
func (k *Keyring) List(ctx context.Context) ([]store.Key, error) {
	if k == nil {
		return nil, nil
	}
	return k.st.Keys(ctx)
}

// Revoke forgets a stored key; nobody is identified by it any more once Revoke has
// returned. The error wraps [store.ErrNotFound] where there is none.
func (k *Keyring) Revoke(ctx context.Context, id string) error {
	if k == nil {
		return errNoKeys
	}
	err := k.st.RevokeKey(ctx, id)
	k.epoch.Add(1)
	return err
}

// MakeKey makes a key as [NewKey] does, if the configuration allows it; known reports
// whether there is a model of a name. Else the error's code is VALIDATION_ERROR.
func (c *Callers) MakeKey(name string, a config.Access, expires time.Time, known func(model string) bool) (string, *store.Key, error) {
	if name == "" || len(name) > 256 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) ||
		strings.HasPrefix(strings.ToLower(name), anonymousPrefix) {
		return "", nil, translate.Invalid("name must be 1 to 256 bytes of text without control characters, and must not begin with anonymous")
	}
	if v := c.tokens; v != nil && v.conf.Prefix != "" && strings.HasPrefix(name, v.conf.Prefix) {
		return "", nil, translate.Invalid("name begins with callers.jwt.prefix, which is for the users of signed tokens")
	}
	if len(a.Group) > 256 || !utf8.ValidString(a.Group) || strings.ContainsFunc(a.Group, unicode.IsControl) {
		return "", nil, translate.Invalid("group must be at most 256 bytes of text without control characters")
	}
	for _, limit := range a.Limits {
		if _, ok := c.rules[limit]; !ok {
			return "", nil, translate.Invalid("there are no limits of this name")
		}
	}
	if c.budgets(a.Limits) > 1 {
		return "", nil, translate.Invalid("one of the limits of a key may have a budget, those of callers.limits included")
	}
	for _, m := range a.Models {
		if !known(m) {
			return "", nil, translate.Invalid("there is no such model: " + translate.Clip(m))
		}
	}
	if !expires.IsZero() && !expires.After(time.Now()) {
		return "", nil, translate.Invalid("expires is in the past")
	}
	if expires.UnixMilli() > store.LastTime {
		return "", nil, translate.Invalid("expires is after the year 9999")
	}
	secret, k := NewKey(name, a, expires)
	return secret, k, nil
}
