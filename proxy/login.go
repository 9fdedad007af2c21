package proxy

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/dragoman-gateway/dragoman/translate"
)

// keyClaim marks a token that [Gateway.Login] signed with the key it was given
// for: such a token is worth as much as the key, and dies with it.
const keyClaim = "dragoman_key"

// Login signs a token for the caller called name, whose key stands for a
// password; a token is none. The token is good for life at most, and no longer
// than the key is configured: it stands for the very same caller. Without a
// callers.jwt.secret nobody can log in. The error's code is UNAUTHORIZED.
func (g *Gateway) Login(name, key string, life time.Duration) (string, *translate.Error) {
	c := g.plan.Load().callers
	refused := &translate.Error{Code: translate.CodeUnauthorized, Message: "invalid username or password"}
	if c.jwt == nil {
		return "", refused
	}
	sum := sha256.Sum256([]byte(key))
	caller := c.keys[sum]
	if caller == nil || caller.Name != name {
		return "", refused
	}
	now := time.Now()
	if !caller.expires.IsZero() && now.After(caller.expires) {
		return "", refused
	}
	claims := jwt.MapClaims{"username": name, "exp": now.Add(life).Unix(), keyClaim: c.proof(sum)}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(c.jwt.Secret))
	if err != nil {
		return "", &translate.Error{Code: translate.CodeUnauthorized, Message: refused.Message, Cause: err}
	}
	return token, nil
}

// proof says which key a token was given for, and tells nothing of the key.
func (c *callers) proof(sum [sha256.Size]byte) string {
	mac := hmac.New(sha256.New, []byte(c.jwt.Secret))
	_, _ = mac.Write(sum[:])
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// behind returns the caller of the key that a token was given for, or nil when
// that is not configured any more, or has expired.
func (c *callers) behind(name, proof string) *Caller {
	for sum, caller := range c.keys {
		if caller.Name != name || !hmac.Equal([]byte(c.proof(sum)), []byte(proof)) {
			continue
		}
		if caller.expires.IsZero() || time.Now().Before(caller.expires) {
			return caller
		}
	}
	return nil
}
