package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

// openStore opens the store at url for the one server that works on it: it remembers
// what it has written, which a second one would not know of. release closes it.
func openStore(url string, log *slog.Logger) (st store.Store, release func(), err error) {
	hold, err := embedded.Hold(url)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot open the store: %w", err)
	}
	if st, err = embedded.Open(url); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("cannot open the store: %w", err), hold.Close())
	}
	return st, func() {
		if err := errors.Join(st.Close(), hold.Close()); err != nil {
			log.Error("store", "why", err)
		}
	}, nil
}
