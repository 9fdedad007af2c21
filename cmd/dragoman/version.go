package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for releases.
var version = "dev"

type versionCommand struct{}

func (versionCommand) describe() *cobra.Command {
	return &cobra.Command{Use: "version", Short: versionHelp}
}

const versionHelp = "Print the version, the commit and the Go version."

// Run prints the version.
func (versionCommand) Run(_ context.Context, s environment) error {
	commit := "unknown commit"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				commit = setting.Value
			}
		}
	}
	_, err := fmt.Fprintf(s.out, "dragoman %s (%s, %s)\n", version, commit, runtime.Version())
	return err
}
