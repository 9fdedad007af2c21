package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
)

// diffTime is how long the running gateway may take to answer.
const diffTime = 5 * time.Second

// printDiff says what text, which conf was read from, would change of the gateway that runs.
// Where none answers, and none was named, there is nothing to say.
func (c *checkCommand) printDiff(ctx context.Context, s environment, conf *config.Config, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, diffTime)
	defer cancel()
	found := struct {
		Changes []config.Change
		Restart []string
	}{}
	body, err := json.Marshal(map[string]string{"text": string(text)})
	if err != nil {
		return err
	}
	to := explainCommand{operators: c.operators}
	answer, err := to.call(ctx, conf, http.MethodPost, "/api/configuration/diff", body)
	if err == nil {
		err = json.Unmarshal(answer, &found)
	}
	switch {
	case err != nil && c.URL == "" && errors.Is(err, syscall.ECONNREFUSED):
		return nil
	case err != nil && c.URL == "":
		fmt.Fprintf(s.err, "What it would change of the gateway that runs is not known: %v\n", err)
		return nil
	case err != nil:
		return err
	}
	return writeDiff(s.out, found.Changes, found.Restart)
}

func writeDiff(w io.Writer, changes []config.Change, restart []string) error {
	if len(changes) == 0 {
		_, err := fmt.Fprintln(w, "The gateway that runs has this configuration.")
		return err
	}
	text := &strings.Builder{}
	fmt.Fprintln(text, "What it would change of the gateway that runs:")
	for _, c := range changes {
		fmt.Fprintf(text, "  %-8s %s", c.Kind, c.Path)
		if c.Was != "" || c.Is != "" {
			fmt.Fprintf(text, ": %s -> %s", cmp.Or(c.Was, "nothing"), cmp.Or(c.Is, "nothing"))
		}
		if c.Restart {
			text.WriteString("  (counts only after a restart)")
		}
		text.WriteString("\n")
	}
	if len(restart) > 0 {
		fmt.Fprintf(text, "A restart is needed for %s.\n", strings.Join(restart, ", "))
	}
	_, err := io.WriteString(w, text.String())
	return err
}
