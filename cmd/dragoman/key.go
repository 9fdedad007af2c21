package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/stores"
)

// keyCommand works on the store that the configuration names, beside a server that
// may run on it: that one knows of a change within two seconds.
type keyCommand struct{}

func (keyCommand) describe() *cobra.Command {
	return &cobra.Command{Use: "key <command>", Short: "Make, list and revoke keys of callers in the store, also while a server runs on it."}
}

func (keyCommand) commands() []entry {
	return []entry{&keyAddCommand{}, &keyListCommand{}, &keyRevokeCommand{}}
}

// keyFile says which store is meant.
type keyFile struct{ File string }

func (f *keyFile) flags(of *pflag.FlagSet) {
	of.VarP(text{into: &f.File}, "config", "c", "The configuration file. Default: dragoman.yaml if it is there, else the store of a quick start.")
}

// use opens the store for do.
func (f *keyFile) use(do func(*config.Config, store.Keyer) error) error {
	conf, _, _, err := findConfiguration(f.File)
	if err != nil {
		return err
	}
	kind, err := stores.Of(conf.Store.URL)
	if err != nil {
		return fmt.Errorf("store.url: %w", err)
	}
	if kind.Inside {
		return fmt.Errorf("the store is %s, which only the running server has", kind.Form)
	}
	st, err := kind.Open(conf.Store.URL)
	if err != nil {
		return fmt.Errorf("cannot open the store: %w", err)
	}
	keys, ok := st.(store.Keyer)
	if !ok {
		return errors.Join(errors.New("this store keeps no keys"), st.Close())
	}
	return errors.Join(do(conf, keys), st.Close())
}

type keyAddCommand struct {
	keyFile
	Name    string
	Group   string
	Models  []string
	Limits  []string
	Expires string
}

func (c *keyAddCommand) describe() *cobra.Command {
	cmd := &cobra.Command{
		Use:         "add <name>",
		Short:       "Make a key and print it, this once.",
		Annotations: map[string]string{"<name>": "The caller's name. Conversations belong to it; several keys may have one name."},
		Args:        arguments(&c.Name),
	}
	flags := cmd.Flags()
	c.keyFile.flags(flags)
	flags.Var(text{into: &c.Group}, "group", "The group that the caller belongs to.")
	flags.Var(list{into: &c.Models, shown: "MODELS"}, "models", "The models and presets that the caller may use, with commas. Default: all.")
	flags.Var(list{into: &c.Limits, shown: "LIMITS"}, "limits", "Names among the limits of the configuration, with commas. Default: no limit.")
	flags.Var(text{into: &c.Expires}, "expires", "When the key stops working: 720h from now, or a time such as 2027-01-31T00:00:00Z. Default: never.")
	return cmd
}

// Run prints the key on a line of its own, so that a script can take it; the rest
// goes to the standard error.
func (c *keyAddCommand) Run(ctx context.Context, s environment) error {
	expires, err := expiry(c.Expires, time.Now())
	if err != nil {
		return err
	}
	access := config.Access{Limits: c.Limits, Models: c.Models, Group: c.Group}
	return c.use(func(conf *config.Config, keys store.Keyer) error {
		if err := conf.CheckKey(config.Key{Name: c.Name, Access: access}); err != nil {
			return err
		}
		secret, key := auth.NewKey(c.Name, access, expires)
		if err := keys.AddKey(ctx, key); err != nil {
			return err
		}
		if j := conf.Callers.JWT; j != nil && j.JWKS != "" && j.Prefix == "" {
			fmt.Fprintf(s.err, "A user of signed tokens who is called %s is this caller as well: callers.jwt.prefix keeps them apart.\n", key.Name)
		}
		fmt.Fprintf(s.err, "%s for %s; it is shown only now:\n", key.ID, key.Name)
		_, err := fmt.Fprintln(s.out, secret)
		return err
	})
}

// expiry reads when a key ends; nothing is never, the zero time.
func expiry(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if d, wrong := time.ParseDuration(text); wrong == nil {
		at, err = now.Add(d), nil
	}
	if err != nil {
		return at, errors.New("--expires wants a duration such as 720h, or a time such as 2027-01-31T00:00:00Z")
	}
	if !at.After(now) {
		return at, errors.New("--expires is in the past")
	}
	if at.UnixMilli() > store.LastTime {
		return at, errors.New("--expires is after the year 9999")
	}
	return at, nil
}

type keyListCommand struct{ keyFile }

func (c *keyListCommand) describe() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the keys in the store, without what they are."}
	c.keyFile.flags(cmd.Flags())
	return cmd
}

// Run prints one line for each key.
func (c *keyListCommand) Run(ctx context.Context, s environment) error {
	return c.use(func(_ *config.Config, keys store.Keyer) error {
		all, err := keys.Keys(ctx)
		if err != nil {
			return err
		}
		return listKeys(s.out, all)
	})
}

func listKeys(w io.Writer, all []store.Key) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tNAME\tGROUP\tMODELS\tLIMITS\tCREATED\tEXPIRES")
	for _, k := range all {
		models, expires := "all", "never"
		if len(k.Models) > 0 {
			models = strings.Join(k.Models, ",")
		}
		if k.Expires != 0 {
			expires = stamp(k.Expires)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, or(k.Group), models, or(k.Limits), stamp(k.Created), expires)
	}
	return t.Flush()
}

func or(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

type keyRevokeCommand struct {
	keyFile
	ID string
}

func (c *keyRevokeCommand) describe() *cobra.Command {
	cmd := &cobra.Command{
		Use:         "revoke <id>",
		Short:       "Revoke a key by its id. A running server refuses it within two seconds.",
		Annotations: map[string]string{"<id>": "The key's id, as key list shows it."},
		Args:        arguments(&c.ID),
	}
	c.keyFile.flags(cmd.Flags())
	return cmd
}

// Run forgets the key.
func (c *keyRevokeCommand) Run(ctx context.Context, s environment) error {
	return c.use(func(_ *config.Config, keys store.Keyer) error {
		err := keys.RevokeKey(ctx, c.ID)
		if errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("there is no key %s", c.ID)
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.err, "%s is revoked\n", c.ID)
		return err
	})
}
