// Package embedded keeps conversations inside the process: in one SQLite file,
// or in memory. Both behave the same; only the file outlives the process.
package embedded

import (
	"fmt"
	"os"
	"strings"

	"github.com/dragoman-gateway/dragoman/store"
)

// Memory and SQLite are the kinds of store that are here.
var (
	Memory = store.Kind{
		Scheme: "memory", Form: "memory:", Inside: true,
		Check: func(place string) string {
			if place != "" {
				return "nothing may stand behind memory:"
			}
			return ""
		},
		Open: Open, Hold: hold, Compact: Compact,
	}
	SQLite = store.Kind{
		Scheme: "sqlite", Form: "sqlite:PATH",
		Check: func(place string) string {
			switch {
			case place == "":
				return "sqlite: needs the path of a file behind it"
			case place == ":memory:":
				return "conversations that are only in memory are memory: here"
			case strings.ContainsAny(place, "?#\x00"):
				return "the path must hold neither ? nor #"
			}
			return ""
		},
		Open: Open, Hold: hold, Compact: Compact,
		File: func(url string) string { return strings.TrimPrefix(url, "sqlite:") },
	}
)

func hold(url string, from *os.File) (store.Lock, error) {
	if from != nil {
		l, err := adopt(url, from)
		if l != nil {
			return l, nil
		}
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	l, err := Hold(url)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// Open opens the store that url names: "memory:", which forgets everything when
// the process ends, or "sqlite:PATH", which makes the file where it is missing
// (but no folder) and brings an older schema up to date. PATH is relative to the
// working directory. The error says what is wrong with the place.
//
// What it returns also implements [store.Editor], [store.Sharer], [store.Masker],
// [store.Keyer] and [store.Ledger]. In memory the ledger keeps the newest 50,000
// rows.
//
// A call whose context ends returns the context's error. With SQLite a change
// that was already handed to the writer may be made all the same; whoever must
// know loads the conversation again.
func Open(url string) (store.Store, error) {
	if url == "memory:" {
		return newMemory(), nil
	}
	path, err := pathOf(url)
	if err != nil {
		return nil, err
	}
	s, err := openSQLite(path)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return s, nil
}
