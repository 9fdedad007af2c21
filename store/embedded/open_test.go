package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
)

// openAt names the file of the process that opens it, stores one key and ends.
const openAt = "DRAGOMAN_TEST_OPEN"

// opener is that process. It reports whether this is it.
func opener() bool {
	path := os.Getenv(openAt)
	if path == "" {
		return false
	}
	s, err := Open("sqlite:" + path)
	if err == nil {
		id := fmt.Sprint("key_", os.Getpid())
		err = s.(store.Keyer).AddKey(context.Background(), &store.Key{ID: id, Hash: sha256.Sum256([]byte(id)), Name: "n", Created: 1})
	}
	if err == nil {
		err = s.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// older makes the file of a version that knew of so many files of schema; 0: an empty one.
func older(t testing.TB, path string, schemas int) {
	t.Helper()
	if schemas == 0 {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	script := "PRAGMA journal_mode = WAL;"
	for _, name := range schemaFiles(t)[:schemas] {
		text, err := schema.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		script += string(text) + ";"
	}
	foreign(t, path, script+fmt.Sprintf("PRAGMA user_version = %d; INSERT INTO owners VALUES ('o', 7, 0)", schemas))
}

func schemaFiles(t testing.TB) []string {
	t.Helper()
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// foreign makes a database by a script.
func foreign(t testing.TB, path, script string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(script); err != nil {
		t.Fatal(err)
	}
}

func TestSixProcessesThatOpenANewOrAnOlderFileAtOnceAllWork(t *testing.T) {
	t.Parallel()
	const rounds, processes = 5, 6
	for schemas := range len(schemaFiles(t)) + 1 {
		for round := range rounds {
			path := filepath.Join(t.TempDir(), "at-once.db")
			if round > 0 || schemas > 0 { // else there is no file at all
				older(t, path, schemas)
			}
			var all sync.WaitGroup
			for range processes {
				all.Go(func() {
					cmd := exec.CommandContext(t.Context(), os.Args[0])
					cmd.Env = append(os.Environ(), openAt+"="+path)
					if said, err := cmd.CombinedOutput(); err != nil {
						t.Errorf("schema %d, round %d: %v: %s", schemas, round, err, said)
					}
				})
			}
			all.Wait()
			s := must(t, "sqlite:"+path).(*sqlite)
			keys, err := s.Keys(t.Context())
			if err != nil || len(keys) != processes {
				t.Errorf("schema %d, round %d: %d keys, %v", schemas, round, len(keys), err)
			}
			if num, err := s.Number(t.Context(), "o"); err != nil || schemas > 0 && num != 7 {
				t.Errorf("schema %d: what was there is lost: number %d, %v", schemas, num, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// around reads the file and what lies beside it.
func around(t testing.TB, path string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, end := range []string{"", "-wal", "-journal"} {
		if b, err := os.ReadFile(path + end); err == nil && len(b) > 0 {
			all[end] = b
		}
	}
	return all
}

func TestAFileThatIsNotOursIsRefusedInWordsAndLeftAsItIs(t *testing.T) {
	t.Parallel()
	newer := len(schemaFiles(t)) + 1
	write := func(b []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	script := func(text string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) { foreign(t, path, text) }
	}
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"text":                         {write([]byte(strings.Repeat("no database\n", 1000))), "not a database"},
		"one byte":                     {write([]byte("x")), "not a database"},
		"zeros":                        {write(make([]byte, 8192)), "not a database"},
		"the beginning of a head":      {write([]byte("SQLite format 3\x00")), "not a database"},
		"another program's":            {script("CREATE TABLE t (x); INSERT INTO t VALUES (1)"), "another program"},
		"another program's, versioned": {script("CREATE TABLE t (x); PRAGMA user_version = 2"), "another program"},
		"another program's, by its id": {script("PRAGMA application_id = 1196437808"), "another program"},
		"another program's, in WAL":    {script("PRAGMA journal_mode = WAL; CREATE TABLE t (x)"), "another program"},
		"one with names like ours":     {script("CREATE TABLE owners (x); CREATE TABLE t (y); PRAGMA user_version = 1"), "another program"},
		"a version below 0":            {script("PRAGMA user_version = -1"), "another program"},
		"a version without its tables": {script("PRAGMA user_version = 1"), "its tables are lost"},
		"a newer version's": {func(t *testing.T, path string) {
			older(t, path, 1)
			foreign(t, path, fmt.Sprint("PRAGMA user_version = ", newer))
		}, "newer version"},
		"a newer version's, without it": {script("PRAGMA user_version = 1000"), "newer version"},
		"another's with a log that is not written back": {func(t *testing.T, path string) {
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = db.Close() }()
			db.SetMaxOpenConns(1)
			if _, err := db.Exec("PRAGMA journal_mode = WAL; CREATE TABLE t (x)"); err != nil {
				t.Fatal(err)
			}
			for end, b := range around(t, path) {
				if err := os.WriteFile(path+".copy"+end, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}, "another program"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "a b%20ü.db")
			c.make(t, path)
			if _, err := os.Stat(path + ".copy"); err == nil {
				path += ".copy"
			}
			before := around(t, path)
			s, err := Open("sqlite:" + path)
			if err == nil {
				_ = s.Close()
				t.Fatal("it was opened")
			}
			if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("it says %q, want %q", err, c.want)
			}
			for end, b := range before {
				if after, err := os.ReadFile(path + end); err != nil || !bytes.Equal(after, b) {
					t.Errorf("PATH%s was changed, %v", end, err)
				}
			}
		})
	}
}

func TestAnEmptyFileIsNewButNotBesideTheRestOfAnother(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "e.db")
	older(t, path, 0)
	if err := os.WriteFile(path+"-wal", []byte("what was said last"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open("sqlite:" + path); err == nil || !strings.Contains(err.Error(), path+"-wal is not") {
		t.Errorf("with the rest of another: %v", err)
	}
	if b, err := os.ReadFile(path + "-wal"); err != nil || string(b) != "what was said last" {
		t.Errorf("the rest was changed: %q, %v", b, err)
	}
	if err := os.Remove(path + "-wal"); err != nil {
		t.Fatal(err)
	}
	if err := must(t, "sqlite:"+path).Close(); err != nil {
		t.Error(err)
	}
}

func TestAFileWithTwoNamesIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "one.db")
	if err := must(t, "sqlite:"+path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, filepath.Join(dir, "two.db")); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"one.db", "two.db"} {
		if _, err := Open("sqlite:" + filepath.Join(dir, name)); err == nil || !strings.Contains(err.Error(), "hard links") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheLockIsOnTheFileWhateverItIsCalled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "one.db")
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil { // the file itself is not there yet
		t.Skip(err)
	}
	hold, err := Hold("sqlite:" + link)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link, filepath.Join(dir, "..", filepath.Base(dir), "one.db")} {
		_, err := Hold("sqlite:" + name)
		if err == nil || !strings.Contains(err.Error(), name+" is used by another process (process ") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := must(t, "sqlite:"+path).Close(); err != nil {
		t.Errorf("what takes no lock works beside it: %v", err)
	}
	if err := hold.Close(); err != nil {
		t.Error(err)
	}
	again, err := Hold("sqlite:" + path)
	if err != nil {
		t.Fatalf("what is left of it is in the way: %v", err)
	}
	_ = again.Close()
	none, err := Hold("memory:")
	if err != nil || none.Close() != nil {
		t.Errorf("memory: %v", err)
	}
}

func TestALockThatCannotBeMadeIsSaidInWords(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "one.db")
	if err := os.Mkdir(path+".lock", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Hold("sqlite:" + path); err == nil || !strings.Contains(err.Error(), "cannot lock "+path) {
		t.Errorf("got %v", err)
	}
}
