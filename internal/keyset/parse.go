package keyset

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// key is one public key and what it may verify.
type key struct {
	id         string
	algorithms []string
	public     crypto.PublicKey
}

// Sizes of RSA moduli in bits: weaker keys are not safe, longer ones only slow.
const (
	rsaLeast = 2048
	rsaMost  = 4096 // as go-jose has it
)

// maxKeys is how many keys of a set are looked at.
const maxKeys = 100

// maxID is how many bytes the name of a key may have, in a set and in a token.
const maxID = 256

// parse reads a JWK set (RFC 7517, section 5). Keys that cannot verify one of
// [Algorithms] are passed over, as that section asks; an error is what is no set, or
// one that has keys and among them none of use. A set without keys is one.
func parse(text []byte) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("what came is no JSON")
	}
	if set.Keys == nil {
		return nil, errors.New("what came is no key set")
	}
	keys := make([]key, 0, min(len(set.Keys), maxKeys))
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		if k, ok := parseKey(raw); ok {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 && len(set.Keys) > 0 {
		return nil, errors.New("the set has no key that can be used")
	}
	return keys, nil
}

// parseKey reads one key; one that the libraries stumble over is none of use.
func parseKey(raw []byte) (one key, ok bool) {
	defer func() {
		if recover() != nil {
			one, ok = key{}, false
		}
	}()
	var k jose.JSONWebKey
	if err := k.UnmarshalJSON(raw); err != nil || len(k.KeyID) > maxID {
		return key{}, false
	}
	may := usable(&k)
	return key{id: k.KeyID, algorithms: may, public: k.Key}, len(may) > 0
}

// usable is what k may verify: what fits its type and curve, and if it names an
// algorithm (RFC 7517, section 4.4) only that. Private and symmetric keys are none
// that an endpoint should show, and are not taken.
func usable(k *jose.JSONWebKey) []string {
	if k.Use != "" && k.Use != "sig" {
		return nil
	}
	var fit []string
	switch public := k.Key.(type) {
	case *rsa.PublicKey:
		if n := public.N.BitLen(); n < rsaLeast || n > rsaMost || public.N.Bit(0) == 0 || public.E < 3 || public.E%2 == 0 || public.E > math.MaxInt32 {
			return nil // among them all with which the standard library would verify nothing
		}
		fit = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			fit = []string{"ES256"}
		case elliptic.P384():
			fit = []string{"ES384"}
		case elliptic.P521():
			fit = []string{"ES512"}
		}
	}
	if k.Algorithm == "" {
		return fit
	}
	if slices.Contains(fit, k.Algorithm) {
		return []string{k.Algorithm}
	}
	return nil
}
