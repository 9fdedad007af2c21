package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// ShortName returns the name of a tool, or for one of more than most bytes what stands for it where no
// longer one is taken: its beginning and a hash of it, always the same. most is at least 16.
func ShortName(name string, most int) string {
	if len(name) <= most {
		return name
	}
	hash := hashOf(name)
	cut := cutAt(name, most-len(hash))
	return name[:cut] + hash
}

// PlainName is ShortName where a name may have no characters but ASCII letters, digits, _ and -.
func PlainName(name string, most int) string {
	plain := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, name)
	if plain == name {
		return ShortName(name, most)
	}
	hash := hashOf(name)
	return plain[:min(len(plain), most-len(hash))] + hash
}

// hashOf tells a name from others of which the same is left.
func hashOf(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "_" + hex.EncodeToString(sum[:4])
}

// ShortID returns the id of a call, or for one of more than most bytes what stands for it, always
// the same. most is at least 37.
func ShortID(id string, most int) string {
	if len(id) <= most {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "call_" + hex.EncodeToString(sum[:16])
}

// Renamed returns the names of tools that told tells otherwise, by what it makes of them; nil
// where it tells all as they are.
func (r *Request) Renamed(told func(name string) string) map[string]string {
	var names map[string]string
	for i := range r.Tools {
		name := r.Tools[i].Name
		if other := told(name); other != name {
			if names == nil {
				names = make(map[string]string)
			}
			names[other] = name
		}
	}
	return names
}
