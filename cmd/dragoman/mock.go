package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
)

// mockCommand serves the scripted model in every dialect on one port.
type mockCommand struct {
	Listen string
	Key    []string
	Quiet  bool
}

func (m *mockCommand) describe() *cobra.Command {
	cmd := &cobra.Command{Use: "mock", Short: "Serve a scripted model in every dialect, with faults chosen by model name: docs/mock.md."}
	flags := cmd.Flags()
	m.Listen = "127.0.0.1:8090"
	flags.Var(text{into: &m.Listen, shown: "ADDR"}, "listen", "Address to listen on.")
	flags.Var(list{into: &m.Key, shown: "KEY"}, "key", "Accept this key only; may be repeated. Without one any key is accepted.")
	switchable(flags, &m.Quiet, "quiet", "q", "Print the address only.")
	return cmd
}

// Run serves until ctx ends, which is no error. It writes to out how to reach
// the model, once it listens.
func (m *mockCommand) Run(ctx context.Context, s environment) error { return m.serve(ctx, s.out) }

func (m *mockCommand) serve(ctx context.Context, out io.Writer) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", m.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", m.Listen, err)
	}
	s := mockmodel.New(mockmodel.Options{Keys: m.Key, NoRecord: true})
	defer s.Close()
	stop := context.AfterFunc(ctx, s.Close)
	defer stop()
	if _, err := out.Write(m.banner(ln.Addr().String())); err != nil {
		_ = ln.Close()
		return fmt.Errorf("print the address: %w", err)
	}
	if err := s.Serve(ln); err != nil {
		return fmt.Errorf("serve the scripted model: %w", err)
	}
	return nil
}

// banner says how each dialect reaches the server at addr. Its curl lines work
// as printed.
func (m *mockCommand) banner(addr string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "scripted model on http://%s\n", addr)
	if m.Quiet {
		return b.Bytes()
	}
	key := "any"
	if len(m.Key) > 0 {
		key = "KEY" // keys are not printed
	}
	fill := strings.NewReplacer("ADDR", addr, "KEY", key)
	b.WriteByte('\n')
	for _, d := range mockmodel.Dialects {
		fmt.Fprintf(&b, "%-10s %s\n", d.Name, fill.Replace(d.Try))
	}
	b.WriteString("\nThe model's name is the script: words joined with -, such as long-50-slow-20-cut.\n\n")
	for _, w := range mockmodel.Words {
		fmt.Fprintf(&b, "  %-11s %s\n", w.Name, w.Meaning)
	}
	return b.Bytes()
}
