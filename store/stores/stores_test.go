package stores

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
)

func TestAURLThatNamesNoStoreIsSaidSo(t *testing.T) {
	t.Parallel()
	const want = "want memory:, sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/DATABASE"
	for url, message := range map[string]string{
		"":                     want,
		"memory":               want,
		"mysql://u:p@h/db":     want,
		"postgres://u:p@h/db":  "",
		"postgresql://h/db":    "",
		"memory:":              "",
		"memory:x":             "nothing may stand behind memory:",
		"sqlite:":              "sqlite: needs the path of a file behind it",
		"sqlite::memory:":      "conversations that are only in memory are memory: here",
		"sqlite:a?b":           "the path must hold neither ? nor #",
		"sqlite:a#b":           "the path must hold neither ? nor #",
		"sqlite:a\x00b":        "the path must hold neither ? nor #",
		"sqlite:folder/a.db":   "",
		"sqlite:/folder/a b.d": "",
	} {
		if got := Check(url); got != message {
			t.Errorf("%q: %q, want %q", url, got, message)
		}
	}
}

// Whoever opens stores reads the table alone: each row must have what it is asked for.
func TestEveryKindOfStoreOpensWhatItsFormSays(t *testing.T) {
	t.Parallel()
	for _, kind := range All {
		url := kind.Scheme + ":"
		if strings.HasPrefix(kind.Scheme, "postgres") {
			_, place, _ := strings.Cut(pgtest.Start(t).Database(t), ":")
			url += place
		}
		if kind.File != nil {
			url += filepath.Join(t.TempDir(), "a.db")
			if got := kind.Scheme + ":" + kind.File(url); got != url {
				t.Errorf("the file of %s is that of %s", url, got)
			}
		}
		if got, err := Of(url); err != nil || got != kind {
			t.Errorf("%s is of another kind: %v", url, err)
		}
		if message := Check(url); message != "" {
			t.Errorf("%s: %s", url, message)
		}
		opens(t, kind, url)
	}
}

func opens(t *testing.T, kind *store.Kind, url string) {
	t.Helper()
	if kind.Hold != nil {
		lock, err := kind.Hold(url, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := lock.Close(); err != nil {
				t.Error(err)
			}
		}()
	}
	st, err := kind.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
}
