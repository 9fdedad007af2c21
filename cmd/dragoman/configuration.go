package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store/stores"
)

// standardFile is the configuration that serve looks for when none is named.
const standardFile = "dragoman.yaml"

// findConfiguration reads the file that was named, or the standard one. Where neither is there
// it is that of a quick start: file is empty then, and demo the key that was made for it.
func findConfiguration(named string) (conf *config.Config, file, demo string, err error) {
	if named != "" {
		conf, err = loadFile(named)
		return conf, named, "", err
	}
	conf, err = loadFile(standardFile)
	if errors.Is(err, fs.ErrNotExist) {
		conf, demo, err = quickStart(os.LookupEnv)
		return conf, "", demo, err
	}
	return conf, standardFile, "", err
}

func loadFile(name string) (*config.Config, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	store := config.Check{Path: "store.url", Wrong: func(c *config.Config) string { return stores.Check(c.Store.URL) }}
	return config.Load(text, name, os.LookupEnv, store)
}
