package embedded

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/storetest"
)

func TestMain(m *testing.M) {
	if crash() || opener() {
		return
	}
	goleak.VerifyTestMain(m)
}

func must(t testing.TB, url string) store.Store {
	t.Helper()
	s, err := Open(url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return must(t, "memory:") })
}

func TestSQLiteConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return must(t, "sqlite:"+filepath.Join(t.TempDir(), "a b%20ü.db")) })
}

func TestSQLiteIsDurable(t *testing.T) {
	t.Parallel()
	storetest.RunDurable(t, func(t *testing.T, dir string) store.Store { return must(t, "sqlite:"+filepath.Join(dir, "d.db")) })
}

func BenchmarkMemory(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { return must(b, "memory:") })
}

func BenchmarkSQLite(b *testing.B) {
	storetest.Bench(b, func(b *testing.B) store.Store { return must(b, "sqlite:"+filepath.Join(b.TempDir(), "b.db")) })
}
