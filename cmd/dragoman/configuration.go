package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/store/stores"
)

// standardFile is the configuration that serve looks for when none is named.
const standardFile = "dragoman.yaml"

// source is the file that a configuration was read from. The zero value is none: a quick start.
type source struct {
	file string
	text []byte
}

// findConfiguration reads the file that was named, or the standard one. Where neither is there
// it is that of a quick start: from is none then, and demo the key that was made for it.
func findConfiguration(named string) (conf *config.Config, from source, demo string, err error) {
	from.file = cmp.Or(named, standardFile)
	conf, from.text, err = readFile(from.file)
	if named == "" && errors.Is(err, fs.ErrNotExist) {
		conf, demo, err = quickStart(os.LookupEnv)
		return conf, source{}, demo, err
	}
	return conf, from, "", err
}

func loadFile(name string) (*config.Config, error) {
	conf, _, err := readFile(name)
	return conf, err
}

// readFile returns the text that conf was read from as well.
func readFile(name string) (conf *config.Config, text []byte, err error) {
	if text, err = os.ReadFile(name); err != nil {
		return nil, nil, err
	}
	conf, err = loadText(text, name)
	return conf, text, err
}

// loadText reads the text of the configuration file called name.
func loadText(text []byte, name string) (*config.Config, error) {
	return loadWith(text, name, os.LookupEnv)
}

// loadWith is loadText with other variables than those of the process.
func loadWith(text []byte, name string, lookup func(string) (string, bool)) (*config.Config, error) {
	store := config.Check{Path: "store.url", Wrong: func(c *config.Config) string { return stores.Check(c.Store.URL) }}
	return config.Load(text, name, lookup, store)
}
