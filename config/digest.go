package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
)

// ownKeys are the keys at the top that say where one process is, and not what it does.
var ownKeys = []string{"listen", "tls", "admin", "store", "shared", "handover"}

// Digest returns 16 hexadecimal digits that two configurations have in common if they say the
// same, defaults included, but for where each process listens and which servers it works on.
// Nothing of a secret, and of the headers and the query of a channel, is in it.
func Digest(c *Config) string {
	h := sha256.New()
	digestRecord(h, reflect.ValueOf(c).Elem(), "")
	return hex.EncodeToString(h.Sum(nil)[:8])
}

func digestRecord(h io.Writer, v reflect.Value, at string) {
	for _, f := range reflect.VisibleFields(v.Type()) {
		key := f.Tag.Get("yaml")
		if key == "" || !f.IsExported() || strings.HasSuffix(key, ",inline") || at == "" && slices.Contains(ownKeys, key) {
			continue
		}
		one := v.FieldByIndex(f.Index)
		if below := child(at, key); !hides(f.Tag, inWords(one)) && !isExtra(below+".x") {
			digestValue(h, one, below)
		}
	}
}

func digestValue(h io.Writer, v reflect.Value, at string) {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
	case v.Kind() == reflect.Pointer:
		fmt.Fprintf(h, "%s\n", at)
		digestValue(h, v.Elem(), at)
	case isRecord(v.Type()):
		digestRecord(h, v, at)
	case v.Kind() == reflect.Map:
		keys := v.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			fmt.Fprintf(h, "%s %q\n", at, k.String())
			digestValue(h, v.MapIndex(k), child(at, k.String()))
		}
	case v.Kind() == reflect.Slice:
		fmt.Fprintf(h, "%s %d\n", at, v.Len())
		for i := range v.Len() {
			digestValue(h, v.Index(i), fmt.Sprintf("%s[%d]", at, i))
		}
	default:
		fmt.Fprintf(h, "%s=%#v\n", at, v.Interface())
	}
}
