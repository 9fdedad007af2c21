package main

import (
	"fmt"
	"os"

	"github.com/dragoman-gateway/dragoman/config"
)

type checkCommand struct {
	File string `short:"c" name:"config" default:"dragoman.yaml" help:"The configuration file."`
}

// Run prints every problem of the file with its line. It fails if there is any.
func (c *checkCommand) Run(s surroundings) error {
	conf, err := loadFile(c.File)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s: good: %d channels, %d keys, %d presets\n", c.File, len(conf.Channels), len(conf.Callers.Keys), len(conf.Presets))
	return err
}

func loadFile(name string) (*config.Config, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return config.Load(text, name, os.LookupEnv)
}
