package translate

import (
	"crypto/sha256"
	"encoding/hex"
)

// ShortName returns the name of a tool, or for one of more than most bytes what stands for it where no
// longer one is taken: its beginning and a hash of it, always the same. most is at least 16.
func ShortName(name string, most int) string {
	if len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := "_" + hex.EncodeToString(sum[:4])
	cut := cutAt(name, most-len(hash))
	return name[:cut] + hash
}

// LongNames returns the names of tools that ShortName shortens, by what it makes of them; nil
// where it shortens none.
func (r *Request) LongNames(most int) map[string]string {
	var long map[string]string
	for i := range r.Tools {
		if name := r.Tools[i].Name; len(name) > most {
			if long == nil {
				long = make(map[string]string)
			}
			long[ShortName(name, most)] = name
		}
	}
	return long
}
