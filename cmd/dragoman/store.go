package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/internal/handover"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/stores"
)

// openStore opens the store at url for a server. release closes it. lock: no other server but
// the one before it in line can work on it meanwhile, so that what this one has written need
// not be read again; nil: others can.
func openStore(url string, line *handover.Process, log *slog.Logger) (st store.Store, lock store.Lock, release func(), err error) {
	kind, err := stores.Of(url)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("store.url: %w", err)
	}
	unlock := func() error { return nil }
	if kind.Hold != nil {
		if lock, err = holdStore(kind, url, line); err != nil {
			return nil, nil, nil, fmt.Errorf("cannot open the store: %w", err)
		}
		unlock = lock.Close
	}
	if st, err = kind.Open(url); err != nil {
		return nil, nil, nil, errors.Join(fmt.Errorf("cannot open the store: %w", err), unlock())
	}
	if told, ok := st.(interface{ Tell(*slog.Logger) }); ok {
		told.Tell(log)
	}
	return st, lock, func() {
		if err := errors.Join(st.Close(), unlock()); err != nil {
			log.Error("store", "why", err)
		}
	}, nil
}

// holdStore takes the lock of the store at url, from the process before where that has it, and
// sees to it that the next one gets it.
func holdStore(kind *store.Kind, url string, line *handover.Process) (store.Lock, error) {
	from, err := line.Lock()
	if err != nil {
		return nil, err
	}
	lock, err := kind.Hold(url, from)
	if err != nil {
		return nil, err
	}
	if err := line.Keep(lock.File()); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// storeFile is the file of the store at url; empty: it has none.
func storeFile(url string) string {
	kind, err := stores.Of(url)
	if err != nil || kind.File == nil {
		return ""
	}
	return kind.File(url)
}

type storeCommand struct{}

func (storeCommand) describe() *cobra.Command {
	return &cobra.Command{Use: "store <command>", Short: "Look after the file of the store, while no server runs on it."}
}

func (storeCommand) commands() []entry { return []entry{&storeCopyCommand{}, &storeCompactCommand{}} }

type storeCopyCommand struct {
	From   string
	To     string
	Resume bool
}

func (c *storeCopyCommand) describe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "copy <from> <to>",
		Short: "Copy everything into an empty store of another kind, and compare both.",
		Annotations: map[string]string{
			"<from>": "The store to copy, as store.url names it: sqlite:PATH or postgres://…. $NAME is that variable of the environment.",
			"<to>":   "The empty store to copy into.",
		},
		Args: arguments(&c.From, &c.To),
	}
	switchable(cmd.Flags(), &c.Resume, "resume", "", "Go on with a copy that was stopped.")
	return cmd
}

// Run prints each table with the count and the checksum that both stores have.
func (c *storeCopyCommand) Run(ctx context.Context, s environment) error {
	from, err := expanded(c.From)
	if err != nil {
		return err
	}
	to, err := expanded(c.To)
	if err != nil {
		return err
	}
	err = stores.Copy(ctx, from, to, c.Resume, func(sum stores.Sum) {
		fmt.Fprintf(s.out, "%-14s %9d  %s\n", sum.Table, sum.Rows, sum.Digest())
	})
	if err != nil {
		return fmt.Errorf("cannot copy the store: %w", err)
	}
	fmt.Fprintln(s.out, "All of it is in both stores. Name the new one in store.url before a server starts.")
	return nil
}

// expanded is url with the values of the variables of the environment that it names. It fails
// where one of them is not set.
func expanded(url string) (string, error) {
	var missing error
	url = os.Expand(url, func(name string) string {
		value, ok := os.LookupEnv(name)
		if !ok {
			missing = fmt.Errorf("cannot copy the store: the variable %s is not set", name)
		}
		return value
	})
	return url, missing
}

type storeCompactCommand struct{ keyFile }

func (c *storeCompactCommand) describe() *cobra.Command {
	cmd := &cobra.Command{Use: "compact", Short: "Write the file anew without what was deleted from it, so that it becomes short. Says the room it needs first."}
	c.keyFile.flags(cmd.Flags())
	return cmd
}

// Run prints what it is going to do, and what has come of it.
func (c *storeCompactCommand) Run(ctx context.Context, s environment) error {
	conf, _, _, err := findConfiguration(c.File)
	if err != nil {
		return err
	}
	kind, err := stores.Of(conf.Store.URL)
	if err != nil {
		return fmt.Errorf("store.url: %w", err)
	}
	if kind.Compact == nil {
		return fmt.Errorf("a store at %s has nothing to compact", kind.Form)
	}
	after, err := kind.Compact(ctx, conf.Store.URL, func(r store.Room) {
		fmt.Fprintf(s.out, "%s has %s, of which %s are used. Compacting it needs %s on the disk of %s until it is done; ",
			r.Path, sizeInWords(r.Before), sizeInWords(r.Used), sizeInWords(r.Needs), filepath.Dir(r.Path))
		if r.Free < 0 {
			fmt.Fprintln(s.out, "how much is free there is not known.")
			return
		}
		fmt.Fprintf(s.out, "%s are free there.\n", sizeInWords(r.Free))
	})
	if err != nil {
		return fmt.Errorf("cannot compact the store: %w", err)
	}
	fmt.Fprintf(s.out, "It has %s now.\n", sizeInWords(after))
	return nil
}

// sizeInWords is a size in words.
func sizeInWords(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
