package auth

import (
	"errors"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/keyset"
	"github.com/dragoman-gateway/dragoman/translate"
)

// maxToken is how long a signed token may be, in bytes.
const maxToken = 16 << 10

// verifier verifies signed tokens: those signed with a secret, and those signed with a
// private key whose public one is in a key set. Which of the two a token is to be
// verified with follows from its algorithm, and neither takes the algorithms of the
// other: a public key never serves as a secret. Nothing is remembered of a token, so
// none outlives its exp.
type verifier struct {
	conf   *config.JWT
	parser *jwt.Parser
	keys   *keyset.Set // nil: there is no endpoint, or it is not open
}

// newVerifier returns nil where conf is.
func newVerifier(conf *config.JWT) *verifier {
	if conf == nil {
		return nil
	}
	var algorithms []string
	if conf.Secret != "" {
		algorithms = append(algorithms, "HS256")
	}
	if conf.JWKS != "" {
		algorithms = append(algorithms, keyset.Algorithms()...)
	}
	options := []jwt.ParserOption{jwt.WithValidMethods(algorithms), jwt.WithExpirationRequired()}
	if conf.Issuer != "" {
		options = append(options, jwt.WithIssuer(conf.Issuer))
	}
	if conf.Audience != "" {
		options = append(options, jwt.WithAudience(conf.Audience))
	}
	return &verifier{conf: conf, parser: jwt.NewParser(options...)}
}

// open begins to fetch the key set, if there is one, or goes on with that of before if
// it is the same; close ends that. v and before may be nil.
func (v *verifier) open(before *verifier, log *slog.Logger, o keyset.Options) {
	switch {
	case v == nil || v.conf.JWKS == "":
	case before != nil && before.keys != nil && before.conf.JWKS == v.conf.JWKS && before.conf.Way() == v.conf.Way():
		v.keys = before.keys
	default:
		o.Proxy, o.Setting = v.conf.Way().URL(), v.conf.Way().From()
		v.keys = keyset.Open(v.conf.JWKS, log, o)
	}
}

// close stops the fetching, unless next, which may be nil, goes on with it. Whoever
// still has v finds the keys that it knew.
func (v *verifier) close(next *verifier) {
	if v != nil && (next == nil || next.keys != v.keys) {
		v.keys.Close()
	}
}

// keyOf returns the key that token, which has not been verified, must have been signed
// with. A token that says what whoever takes it must understand (RFC 7515, 4.1.11) is
// refused: nothing of that kind is understood here.
func (v *verifier) keyOf(token *jwt.Token) (any, error) {
	if _, said := token.Header["crit"]; said {
		return nil, errCritical
	}
	if token.Method == jwt.SigningMethodHS256 {
		if v.conf.Secret == "" {
			return nil, jwt.ErrTokenSignatureInvalid
		}
		return []byte(v.conf.Secret), nil
	}
	if v.keys == nil {
		return nil, jwt.ErrTokenSignatureInvalid
	}
	id, _ := token.Header["kid"].(string)
	return v.keys.Find(id, token.Method.Alg())
}

var errCritical = errors.New("it has the header crit, which names extensions that are not understood")

// credential is a token that was verified.
type credential struct {
	name   string // the claim username
	claims jwt.MapClaims
	secret bool // it was signed with the secret
}

// verify returns what is in a token that is good.
func (v *verifier) verify(token string) (*credential, *translate.Error) {
	if len(token) > maxToken {
		return nil, badToken(errors.New("it is too long"))
	}
	claims := jwt.MapClaims{}
	parsed, err := v.parser.ParseWithClaims(token, claims, v.keyOf)
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return nil, &translate.Error{Code: translate.CodeTokenExpired, Message: "the token has expired"}
	case errors.Is(err, keyset.ErrNone):
		return nil, &translate.Error{Code: translate.CodeInternal, Message: "the keys of tokens are not known yet; try again soon", Cause: err}
	case err != nil:
		return nil, badToken(err)
	}
	name, _ := claims["username"].(string)
	if full := v.conf.Prefix + name; name == "" || len(full) > 256 || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) ||
		strings.HasPrefix(strings.ToLower(full), anonymousPrefix) {
		return nil, badToken(errors.New("the claim username is missing, no name, or reserved"))
	}
	return &credential{name: name, claims: claims, secret: parsed.Method == jwt.SigningMethodHS256}, nil
}

func badToken(why error) *translate.Error {
	return &translate.Error{Code: translate.CodeInvalidToken, Message: "the token is not valid", Cause: why}
}

// signed finds the caller behind a signed token.
func (c *Callers) signed(stored *Keyring, token string) (*Caller, *translate.Error) {
	if c.tokens == nil {
		return nil, unknownKey()
	}
	got, err := c.tokens.verify(token)
	if err != nil {
		return nil, err
	}
	// Only who knows the secret can have given a token for a key.
	if print, given := got.claims[keyClaim].(string); given && got.secret {
		id, _ := got.claims[idClaim].(string)
		if caller := c.callerOfKey(stored, got.name, print, id); caller != nil {
			return caller, nil
		}
		return nil, &translate.Error{Code: translate.CodeInvalidToken, Message: "the token's key is not known any more"}
	}
	return c.caller(c.tokens.conf.Prefix+got.name, &c.tokens.conf.Access, time.Time{}), nil
}
