package archtest

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// foreignWords are what must not be in a file: paths and names of the machines
// that the code happened to be written on. They are put together here so that
// this file has none.
var foreignWords = []string{"/wo" + "rk/", "fa" + "rm-"}

func TestNoFileNamesTheMachineItWasWrittenOn(t *testing.T) {
	for _, name := range tree(t) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue // a link to nowhere, or a folder that is a repository of its own
		}
		for _, w := range foreignWords {
			if i := bytes.Index(text, []byte(w)); i >= 0 && !bytes.Contains(text, []byte{0}) {
				t.Errorf("%s:%d: has %q", name, 1+bytes.Count(text[:i], []byte("\n")), w)
			}
		}
	}
}

// top is what may stand at the top of the tree without being explained.
var top = []string{
	"cmd", "proxy", "translate", "limiter", "config", "benchmarks", "store", "admin", "internal", "docs", "test",
	"go.mod", "go.sum", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "Dockerfile",
	".ci", ".gitignore", ".gitattributes", ".dockerignore", ".github", ".editorconfig",
}

func TestTheTopOfTheTreeIsExplained(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "ARCHITECTURE.md"))
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		t.Fatal(err)
	}
	var seen []string
	for _, name := range tree(t) {
		entry, _, folder := strings.Cut(name, "/")
		if slices.Contains(seen, entry) {
			continue
		}
		seen = append(seen, entry)
		explained := strings.Contains(string(text), entry)
		if folder {
			explained = strings.Contains(string(text), entry+"/") || strings.Contains(string(text), "`"+entry+"`")
		}
		switch {
		case !slices.Contains(top, entry) && !explained:
			t.Errorf("%s stands at the top of the tree: move it, or explain it in ARCHITECTURE.md", entry)
		case folder && entry[0] != '.' && !explained && !missing:
			t.Errorf("ARCHITECTURE.md's map does not name `%s`", entry)
		}
	}
	if missing {
		t.Skip("there is no ARCHITECTURE.md")
	}
}
