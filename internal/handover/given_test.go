package handover

import (
	"os"
	"strconv"
	"testing"
)

func TestSocketsOfASupervisorAreFoundByNameElseInTheirOrder(t *testing.T) {
	t.Parallel()
	me := strconv.Itoa(os.Getpid())
	for _, c := range []struct {
		pid, n, names string
		fronts, admin int
	}{
		{me, "2", "fronts:admin", 0, 1},
		{me, "2", "admin:fronts", 1, 0},
		{me, "3", "x:y:admin", -1, 2},
		{me, "2", "dragoman.socket:dragoman.socket", 0, 1},
		{me, "2", "", 0, 1},
		{me, "1", "", 0, -1},
		{me, "1", "admin", -1, 0},
		{me, "0", "", -1, -1},
		{me, "-1", "fronts", -1, -1},
		{me, "many", "fronts", -1, -1},
		{"1", "2", "fronts:admin", -1, -1}, // another process's
		{"", "2", "fronts:admin", -1, -1},
	} {
		env := map[string]string{"LISTEN_PID": c.pid, "LISTEN_FDS": c.n, "LISTEN_FDNAMES": c.names}
		g := givenBy(func(name string) (string, bool) { return env[name], env[name] != "" })
		if fronts, admin := g.place(Fronts), g.place(Operators); fronts != c.fronts || admin != c.admin {
			t.Errorf("%+v: %d and %d", c, fronts, admin)
		}
	}
}

func TestAProcessThatIsAloneHandsNothingOver(t *testing.T) {
	t.Parallel()
	none := func(string) (string, bool) { return "", false }
	p, err := Begin(Options{Lookup: none, Environ: func() []string { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := p.Listen(Fronts, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if lock, err := p.Lock(); lock != nil || err != nil {
		t.Error(lock, err)
	}
	if err := p.Keep(nil); err != nil {
		t.Error(err)
	}
	if err := p.Ready(); err != nil || p.Before() {
		t.Error(err)
	}
	if err := p.Gone(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := p.HandOver(); err != ErrOff {
		t.Error(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}
