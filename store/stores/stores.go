// Package stores is the table of all kinds of store.
package stores

import (
	"fmt"
	"strings"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/store/postgres"
)

// All is every kind of store. It is never changed.
var All = []*store.Kind{
	&embedded.Memory,
	&embedded.SQLite,
	&postgres.Postgres,
	&postgres.PostgreSQL,
}

// Of returns the kind of the store at url. The error says which kinds there are.
func Of(url string) (*store.Kind, error) {
	scheme, _, ok := strings.Cut(url, ":")
	var forms []string
	for _, k := range All {
		if ok && k.Scheme == scheme {
			return k, nil
		}
		if k.Form != "" {
			forms = append(forms, k.Form)
		}
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
