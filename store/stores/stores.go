// Package stores is the table of all kinds of store.
package stores

import (
	"fmt"
	"strings"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

// All is every kind of store. It is never changed.
var All = []*store.Kind{
	&embedded.Memory,
	&embedded.SQLite,
}

// Of returns the kind of the store at url. The error says which kinds there are.
func Of(url string) (*store.Kind, error) {
	scheme, _, ok := strings.Cut(url, ":")
	forms := make([]string, len(All))
	for i, k := range All {
		if ok && k.Scheme == scheme {
			return k, nil
		}
		forms[i] = k.Form
	}
	last := len(forms) - 1
	return nil, fmt.Errorf("want %s or %s", strings.Join(forms[:last], ", "), forms[last])
}

// Check says what is wrong with url; empty: nothing.
func Check(url string) string {
	kind, err := Of(url)
	if err != nil {
		return err.Error()
	}
	_, place, _ := strings.Cut(url, ":")
	return kind.Check(place)
}
