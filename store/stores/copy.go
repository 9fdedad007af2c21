package stores

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dragoman-gateway/dragoman/store"
)

// Sum is how many rows a table has, and a checksum of all of them, whatever their order.
type Sum struct {
	Table  store.Table
	Rows   int
	digest [sha256.Size]byte
}

// Digest is the checksum in words.
func (s *Sum) Digest() string { return hex.EncodeToString(s.digest[:8]) }

// Copy copies all that the store at from keeps into the one at to, which must be empty, while
// no server works on either. Whatever stops it, resume goes on behind the last rows that were
// copied. It then reads both, and fails where a table is not the same in both. tell hears of
// each table when it has been compared.
func Copy(ctx context.Context, from, to string, resume bool, tell func(Sum)) (err error) {
	if err := exists(from); err != nil {
		return fmt.Errorf("the store to copy from: %w", err)
	}
	source, closeSource, err := openCopier(from)
	if err != nil {
		return fmt.Errorf("the store to copy from: %w", err)
	}
	defer func() { err = errors.Join(err, closeSource()) }()
	target, closeTarget, err := openCopier(to)
	if err != nil {
		return fmt.Errorf("the store to copy to: %w", err)
	}
	defer func() { err = errors.Join(err, closeTarget()) }()
	for t := range store.Tables {
		last, err := target.CopyLast(ctx, t)
		if err != nil {
			return err
		}
		if last != "" && !resume {
			return fmt.Errorf("the store to copy to is not empty: there are %s in it. --resume goes on with a copy that was stopped", t)
		}
	}
	for t := range store.Tables {
		if err := copyTable(ctx, source, target, t); err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
	}
	if err := target.CopyDone(ctx); err != nil {
		return err
	}
	return compare(ctx, source, target, tell)
}

func copyTable(ctx context.Context, source, target store.Copier, t store.Table) error {
	last, err := target.CopyLast(ctx, t)
	for err == nil {
		var rows *store.Rows
		if rows, err = source.CopyOut(ctx, t, last); err != nil || rows.Last == "" {
			return err
		}
		last, err = rows.Last, target.CopyIn(ctx, rows)
	}
	return err
}

func compare(ctx context.Context, source, target store.Copier, tell func(Sum)) error {
	for t := range store.Tables {
		one, err := sumOf(ctx, source, t)
		if err != nil {
			return err
		}
		two, err := sumOf(ctx, target, t)
		if err != nil {
			return err
		}
		if one != two {
			return fmt.Errorf("%s: %d rows with the sum %s were to be copied, %d with the sum %s are there: somebody wrote meanwhile; begin anew with an empty store", t, one.Rows, one.Digest(), two.Rows, two.Digest())
		}
		tell(one)
	}
	return nil
}

func sumOf(ctx context.Context, from store.Copier, t store.Table) (s Sum, err error) {
	s.Table = t
	for last := ""; ; {
		rows, err := from.CopyOut(ctx, t, last)
		if err != nil || rows.Last == "" {
			return s, err
		}
		last = rows.Last
		for _, row := range each(rows) {
			text, err := json.Marshal(row)
			if err != nil {
				return s, err
			}
			s.Rows++
			for i, b := range sha256.Sum256(text) {
				s.digest[i] ^= b
			}
		}
	}
}

// each returns the rows, of whatever table they are, with nothing told apart from an empty
// list.
func each(r *store.Rows) (all []any) {
	for i := range r.Owners {
		all = append(all, &r.Owners[i])
	}
	for i := range r.Conversations {
		all = append(all, &r.Conversations[i])
	}
	for i := range r.Shares {
		all = append(all, &r.Shares[i])
	}
	for i := range r.Masks {
		if len(r.Masks[i].Context) == 0 {
			r.Masks[i].Context = nil
		}
		all = append(all, &r.Masks[i])
	}
	for i := range r.Keys {
		if len(r.Keys[i].Models) == 0 {
			r.Keys[i].Models = nil
		}
		all = append(all, &r.Keys[i])
	}
	for i := range r.Entries {
		all = append(all, &r.Entries[i])
	}
	return all
}

// openCopier opens a store that no server works on, as far as its kind can tell.
// exists fails where the store at url is a file that is not there: opening it would make an empty
// one, whose copy looks like a success.
func exists(url string) error {
	kind, err := Of(url)
	if err != nil || kind.File == nil {
		return err
	}
	_, err = os.Stat(kind.File(url))
	return err
}

func openCopier(url string) (store.Copier, func() error, error) {
	kind, err := Of(url)
	if err != nil {
		return nil, nil, err
	}
	if message := Check(url); message != "" {
		return nil, nil, errors.New(message)
	}
	var lock io.Closer
	if kind.Hold != nil {
		if lock, err = kind.Hold(url, nil); err != nil {
			return nil, nil, err
		}
	}
	unlock := func() error {
		if lock == nil {
			return nil
		}
		return lock.Close()
	}
	st, err := kind.Open(url)
	if err != nil {
		return nil, nil, errors.Join(err, unlock())
	}
	end := func() error { return errors.Join(st.Close(), unlock()) }
	c, ok := st.(store.Copier)
	if !ok {
		return nil, nil, errors.Join(fmt.Errorf("what is in %s is gone with its process: there is nothing to copy", kind.Form), end())
	}
	return c, end, nil
}
