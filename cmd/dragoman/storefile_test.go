package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// program runs this binary as the program with args in dir, and returns its exit code and
// all that it prints.
func program(t *testing.T, dir string, args ...string) (code int, said string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), serveArgs+"="+strings.Join(args, "\n"))
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Error(err)
		return -1, ""
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

func TestSixKeysAddedAtOnceToANewFileAreAllMade(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		conf := keyConf(t)
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				if code, said := program(t, "", "key", "add", "alice", "-c", conf); code != 0 {
					t.Errorf("round %d: %d: %s", round, code, said)
				}
			})
		}
		all.Wait()
		if _, list, _ := keyRun(t, "list", "-c", conf); strings.Count(list, "alice") != 6 {
			t.Errorf("round %d: %s", round, list)
		}
	}
}

func TestAServerAndAKeyBesideItBothMakeANewFile(t *testing.T) {
	t.Parallel()
	for range 5 {
		conf := childConf(t, filepath.Join(t.TempDir(), "new.db"))
		var beside sync.WaitGroup
		for range 2 {
			beside.Go(func() {
				if code, said := program(t, "", "key", "add", "bob", "-c", conf); code != 0 {
					t.Errorf("the key: %d: %s", code, said)
				}
			})
		}
		c := serving(t, conf)
		beside.Wait()
		if status, body, err := c.ask("u", "hi"); status != 200 {
			t.Errorf("the server: %d %s %v", status, body, err)
		}
		if code, list := program(t, "", "key", "list", "-c", conf); code != 0 || strings.Count(list, "bob") != 2 {
			t.Errorf("while it serves: %d, %s", code, list)
		}
		c.stop(t)
	}
}

func TestASecondServerOnAFileIsRefusedInWordsWhateverTheFileIsCalled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, link, hard := filepath.Join(dir, "one.db"), filepath.Join(t.TempDir(), "link.db"), filepath.Join(dir, "hard.db")
	first := serving(t, childConf(t, db))
	if err := os.Symlink(db, link); err != nil {
		t.Fatal(err)
	}
	refused := func(name, want string) {
		t.Helper()
		code, said := program(t, dir, "serve", "--listen", "127.0.0.1:0", "-c", childConf(t, name))
		if code != 1 || !strings.Contains(said, name) || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d: %s", name, code, said)
		}
	}
	for _, name := range []string{db, link, "one.db", "../" + filepath.Base(dir) + "/one.db"} {
		refused(name, "is used by another process (process ")
	}
	if err := os.Link(db, hard); err != nil {
		t.Fatal(err)
	}
	refused(hard, "hard links")
	if err := os.Remove(hard); err != nil {
		t.Fatal(err)
	}
	if status, body, err := first.ask("u", "still here?"); status != 200 {
		t.Errorf("the first one: %d %s %v", status, body, err)
	}
	// What a process that was killed leaves behind is in nobody's way.
	first.kill()
	again := serving(t, childConf(t, link))
	again.stop(t)
}

func TestAQuickStartBesideAnotherIsRefusedInWords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := serving(t, childConf(t, filepath.Join(dir, "dragoman.db")))
	code, said := program(t, dir, "serve", "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(said, "dragoman.db is used by another process") {
		t.Errorf("exit code %d: %s", code, said)
	}
	first.stop(t)
}

func TestAStoreIsCompactedOnlyWhileNoServerRunsOnIt(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "c.db")
	conf := childConf(t, db)
	c := serving(t, conf)
	if status, body, err := c.ask("u", "kept"); status != 200 {
		t.Fatal(status, body, err)
	}
	if code, said := program(t, "", "store", "compact", "-c", conf); code != 1 || !strings.Contains(said, db+" is used by another process (process ") {
		t.Errorf("while it serves: %d, %s", code, said)
	}
	c.stop(t)
	code, said := program(t, "", "store", "compact", "-c", conf)
	if code != 0 || !strings.Contains(said, "Compacting it needs ") || !strings.Contains(said, "are free there") || !strings.Contains(said, "It has ") {
		t.Errorf("after it: %d, %s", code, said)
	}
	c = serving(t, conf)
	if !c.stored(t)["kept"] {
		t.Error("what was kept is lost")
	}
	c.stop(t)
	checkIntegrity(t, db)
}

func TestAConversationOfTheAgeThatTheFileSaysIsRemovedWithItsWords(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "a.db")
	conf := childConf(t, db)
	text, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(conf, []byte(strings.Replace(string(text), "store: {", "store: {keep: 1s, ", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	c := serving(t, conf)
	if status, body, err := c.ask("u", "secretword"); status != 200 {
		t.Fatal(status, body, err)
	}
	gone := func() bool {
		// The log first: what goes from there to the file meanwhile is found in that.
		for _, end := range []string{"-wal", ""} {
			if b, err := os.ReadFile(db + end); err == nil && bytes.Contains(b, []byte("secretword")) {
				return false
			}
		}
		return true
	}
	for until := time.Now().Add(time.Minute); !gone(); {
		if time.Now().After(until) {
			t.Fatal("it is never removed")
		}
		if status, _, err := c.call("GET", "/info", ""); status != 200 {
			t.Fatal(status, err)
		}
	}
	if ids := c.ids(t); len(ids) != 0 {
		t.Errorf("%q are listed", ids)
	}
	c.stop(t)
}
