package conversation

import "testing"

func TestRemoteMemoriesAreBounded(t *testing.T) {
	t.Parallel()
	m := NewMemories[string]()
	for i := range maxMemories + 500 {
		m.Put(Position{said: Fingerprint{rest: uint64(i)}}, "a", "x")
	}
	if len(m.at) > maxMemories {
		t.Errorf("%d memories", len(m.at))
	}
}

func TestAMemoryIsItsHoldersAloneAndTakenOnce(t *testing.T) {
	t.Parallel()
	m, at := NewMemories[string](), Position{scope: 1}
	lives, dead := func(string, string) bool { return true }, func(string, string) bool { return false }
	m.Put(at, "a", "x")
	if m.Remote(at, "b") != "" || m.Take(at, "b") != "" || m.Holder(Position{scope: 2}, lives) != "" {
		t.Error("another holder, or another point, has it")
	}
	if m.Holder(at, lives) != "a" || m.Remote(at, "a") != "x" || m.Take(at, "a") != "x" || m.Take(at, "a") != "" {
		t.Error("its holder does not have it once")
	}
	m.Put(at, "a", "x")
	if m.Holder(at, dead) != "" || m.Holder(at, lives) != "" {
		t.Error("what lives no more is remembered")
	}
}
