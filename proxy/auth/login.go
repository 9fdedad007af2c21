package auth

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/dragoman-gateway/dragoman/translate"
)

// keyClaim marks a token that [Callers.Login] signed with the key it was given
// for: such a token is worth as much as the key, and dies with it.
const keyClaim = "dragoman_key"

// idClaim is the id of that key where it is a stored one.
const idClaim = "dragoman_key_id"

// Login signs a token for the caller called name, whose key, of the file or one of stored,
// stands for a password; a token is none. The token is good for life at most, and no longer
// than the key is known: it stands for the very same caller. Without a callers.jwt.secret
// nobody can log in. The error's code is UNAUTHORIZED; INTERNAL_ERROR where the store failed.
func (c *Callers) Login(stored *Keyring, name, key string, life time.Duration) (string, *translate.Error) {
	refused := &translate.Error{Code: translate.CodeUnauthorized, Message: "invalid username or password"}
	if c.tokens == nil || c.tokens.conf.Secret == "" {
		return "", refused
	}
	sum := sha256.Sum256([]byte(key))
	caller, ok := c.keys[sum]
	if !ok {
		var err *translate.Error
		if caller, err = stored.byHash(c, sum); err != nil && err.Code == translate.CodeInternal {
			return "", err
		}
	}
	if caller == nil || caller.Name != name {
		return "", refused
	}
	if _, err := caller.checkExpiry(); err != nil {
		return "", refused
	}
	claims := jwt.MapClaims{"username": name, "exp": time.Now().Add(life).Unix(), keyClaim: c.keyPrint(sum)}
	if caller.key != "" {
		claims[idClaim] = caller.key
	}
	if c.tokens.conf.Issuer != "" {
		claims["iss"] = c.tokens.conf.Issuer
	}
	if c.tokens.conf.Audience != "" {
		claims["aud"] = c.tokens.conf.Audience
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(c.tokens.conf.Secret))
	if err != nil {
		return "", &translate.Error{Code: translate.CodeUnauthorized, Message: refused.Message, Cause: err}
	}
	return token, nil
}

// keyPrint says which key a token was given for, and tells nothing of the key.
func (c *Callers) keyPrint(sum [sha256.Size]byte) string {
	mac := hmac.New(sha256.New, []byte(c.tokens.conf.Secret))
	_, _ = mac.Write(sum[:])
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// callerOfKey returns the caller of the key that a token was given for, or nil when
// that is not known any more, or has expired. id names a stored key.
func (c *Callers) callerOfKey(stored *Keyring, name, print, id string) *Caller {
	if id != "" {
		caller, sum := stored.byID(c, id)
		if caller == nil || caller.Name != name || !hmac.Equal([]byte(c.keyPrint(sum)), []byte(print)) {
			return nil
		}
		return caller
	}
	for sum, caller := range c.keys {
		if caller.Name != name || !hmac.Equal([]byte(c.keyPrint(sum)), []byte(print)) {
			continue
		}
		if known, err := caller.checkExpiry(); err == nil {
			return known
		}
	}
	return nil
}
