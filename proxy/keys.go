package proxy

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Caller is who asks: a key, a signed token or an anonymous address.
type Caller = auth.Caller

// Identify finds the caller behind a credential. An empty token is the anonymous
// caller of address, if there may be one. The error's code is UNAUTHORIZED,
// INVALID_TOKEN or TOKEN_EXPIRED; RATE_LIMITED for one more bad credential of an
// address that sent too many (with an empty address the caller is to ask
// [Gateway.BadKey] about that); INTERNAL_ERROR where the store failed.
func (g *Gateway) Identify(token, address string) (*Caller, *translate.Error) {
	c, err := g.plan.Load().Callers.Identify(g.keys, token, address)
	if err != nil && token != "" && address != "" {
		return nil, g.BadKey(err, address)
	}
	return c, err
}

// BadKey returns what a client at address is to be told when its credential was
// refused with err: err, or RATE_LIMITED after too many bad ones.
func (g *Gateway) BadKey(err *translate.Error, address string) *translate.Error {
	return g.badKeys.Refuse(err, address)
}

// Login signs a token for the caller called name, whose key stands for a
// password; a token is none. The token is good for life at most, and no longer
// than the key is known: it stands for the very same caller. Without a
// callers.jwt.secret nobody can log in. The error's code is UNAUTHORIZED;
// RATE_LIMITED after too many wrong logins from address or under this name, with a
// right key too, since nothing is checked then; INTERNAL_ERROR where the store failed.
func (g *Gateway) Login(name, key, address string, life time.Duration) (string, *translate.Error) {
	return g.badKeys.Login(name, address, func() (string, *translate.Error) {
		return g.plan.Load().Callers.Login(g.keys, name, key, life)
	})
}

// AddKey stores k, which [auth.NewKey] has made; it works at once.
func (g *Gateway) AddKey(ctx context.Context, k *store.Key) error { return g.keys.Add(ctx, k) }

// MakeKey makes a key as [auth.NewKey] does, and stores it, if the configuration that is in
// use allows it; else the error's code is VALIDATION_ERROR.
func (g *Gateway) MakeKey(ctx context.Context, name string, a config.Access, expires time.Time) (string, *store.Key, error) {
	secret, k, err := g.plan.Load().Callers.MakeKey(name, a, expires, g.Known)
	if err != nil {
		return "", nil, err
	}
	return secret, k, g.AddKey(ctx, k)
}

// Keys lists the stored keys, oldest first.
func (g *Gateway) Keys(ctx context.Context) ([]store.Key, error) { return g.keys.List(ctx) }

// RevokeKey forgets a stored key; no question is taken under it any more once it
// has returned. The error wraps [store.ErrNotFound] where there is none.
func (g *Gateway) RevokeKey(ctx context.Context, id string) error { return g.keys.Revoke(ctx, id) }

// Purse returns what is left of the caller's budget in this period, in the unit of
// the configured prices; limited is false for a caller without a budget.
func (g *Gateway) Purse(ctx context.Context, c *Caller) (left float64, limited bool, err error) {
	b := g.plan.Load().Budgets[c.Limits]
	if b == nil {
		return 0, false, nil
	}
	left, err = g.admission.Left(ctx, b, c.Name)
	return left, true, err
}
