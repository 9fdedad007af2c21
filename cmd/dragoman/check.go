package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/config"
)

type checkCommand struct {
	File string
	operators
}

func (c *checkCommand) describe() *cobra.Command {
	cmd := &cobra.Command{Use: "check", Short: "Say what is wrong with a configuration file."}
	flags := cmd.Flags()
	c.File = standardFile
	flags.VarP(text{into: &c.File}, "config", "c", "The configuration file.")
	c.address(flags, "")
	c.identity.flags(flags)
	return cmd
}

// Run prints every problem of the file with its line, and fails if there is any. What
// is only worth a second look is printed as a warning.
//
// Where a gateway answers at the file's address for operators, or at --url, it also prints
// what the file would change of what runs there.
func (c *checkCommand) Run(ctx context.Context, s environment) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	vars := variables{text: text}
	conf, err := loadWith(text, c.File, vars.lookup)
	if err != nil {
		return vars.missing(err)
	}
	if len(vars.set) > 0 {
		if _, err := fmt.Fprintf(s.out, "%s: read with %s of the environment in which this command runs; the gateway's may differ\n", c.File, strings.Join(vars.set, ", ")); err != nil {
			return err
		}
	}
	for _, w := range conf.Warnings() {
		if _, err := fmt.Fprintf(s.out, "%s (warning)\n", w.In(c.File)); err != nil {
			return err
		}
	}
	if err := printWays(s.out, conf); err != nil {
		return err
	}
	if err := c.printDiff(ctx, s, conf, text); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: good: %d channels, %d keys, %d presets\n", c.File, len(conf.Channels), len(conf.Callers.Keys), len(conf.Presets))
	return err
}

// printWays says through what everything outside is reached, if anything is said of
// that.
func printWays(w io.Writer, conf *config.Config) error {
	said := func(what string, way config.Way) error {
		if way.From() == "" {
			return nil
		}
		_, err := fmt.Fprintf(w, "%s: %s\n", what, way)
		return err
	}
	for i := range conf.Channels {
		ch := &conf.Channels[i]
		if err := said("channel "+ch.ID, ch.Way()); err != nil {
			return err
		}
	}
	if j := conf.Callers.JWT; j != nil {
		return said("callers.jwt.jwks", j.Way())
	}
	return nil
}

// warningsTold is how many of a configuration's warnings its line in the log names.
const warningsTold = 5

// warn says in one line what is worth a second look in conf.
func warn(log *slog.Logger, conf *config.Config) {
	all := conf.Warnings()
	if len(all) == 0 {
		return
	}
	var words []string
	for _, w := range all[:min(len(all), warningsTold)] {
		words = append(words, w.Path+" "+w.Message)
	}
	log.Warn("the configuration is worth a second look: dragoman check says where", "warnings", len(all), "what", strings.Join(words, "; "))
}
