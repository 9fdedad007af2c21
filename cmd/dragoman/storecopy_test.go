package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/stores"
)

func TestAStoreIsCopiedByCommand(t *testing.T) {
	server := pgtest.Start(t)
	from, to := "sqlite:"+filepath.Join(t.TempDir(), "a.db"), server.Database(t)
	kind, err := stores.Of(from)
	if err != nil {
		t.Fatal(err)
	}
	st, err := kind.Open(from)
	if err == nil {
		err = st.Append(t.Context(), &store.Conversation{ID: "conv_1", Owner: "o"}, store.Turn{At: 1})
	}
	if err == nil {
		err = st.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("COPY_TO", to)
	var out, bad strings.Builder
	if code := run(t.Context(), []string{"store", "copy", from, "$COPY_TO"}, environment{out: &out, err: &bad}); code != 0 {
		t.Fatalf("exit %d: %s", code, bad.String())
	}
	if !strings.Contains(out.String(), "conversations          1  ") || !strings.Contains(out.String(), "All of it is in both stores") {
		t.Errorf("it prints %s", out.String())
	}
	if code := run(t.Context(), []string{"store", "copy", from, "$COPY_TO"}, environment{out: &out, err: &bad}); code != 1 || !strings.Contains(bad.String(), "is not empty") {
		t.Errorf("a second one: exit %d: %s", code, bad.String())
	}
	if strings.Contains(out.String()+bad.String(), pgtest.Password) || strings.Contains(out.String()+bad.String(), "a%20pass") {
		t.Error("the password is printed")
	}
}

func TestAStoreThatIsNotThereIsNotCopied(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"the store to copy from: stat ":              {"sqlite:" + filepath.Join(dir, "mistyped.db"), "sqlite:" + filepath.Join(dir, "new.db")},
		"the variable DRAGOMAN_TEST_NONE is not set": {"sqlite:" + filepath.Join(dir, "mistyped.db"), "$DRAGOMAN_TEST_NONE"},
	} {
		var out, bad strings.Builder
		if code := run(t.Context(), append([]string{"store", "copy"}, args...), environment{out: &out, err: &bad}); code != 1 || !strings.Contains(bad.String(), want) {
			t.Errorf("exit %d: %s%s; want %s", code, out.String(), bad.String(), want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("it has made %v, %v", left, err)
	}
}
