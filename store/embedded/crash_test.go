package embedded

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// crashAt names the file of the process that is to be killed.
const crashAt = "DRAGOMAN_TEST_CRASH"

// crash is that process: it appends from eight goroutines for ever and prints
// what was acknowledged. It reports whether this is that process.
func crash() bool {
	path := os.Getenv(crashAt)
	if path == "" {
		return false
	}
	s, err := Open("sqlite:" + path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return true
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				c := store.Conversation{ID: fmt.Sprintf("conv_%d_%d_%d", os.Getpid(), i, n), Owner: "o"}
				if err := s.Append(context.Background(), &c, crashTurn(c.ID)); err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				mu.Lock()
				fmt.Printf("%s %d\n", c.ID, c.Num)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return true
}

func crashTurn(id string) store.Turn {
	var m [3]store.Message
	for i := range m {
		m[i] = store.Message{Message: translate.TextMessage(translate.RoleUser, fmt.Sprint(id, i)), At: 1}
	}
	return store.Turn{Messages: m[:], Model: "m", At: 1}
}

func TestAcknowledgedTurnsSurviveAKilledProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "crash.db")
	nums := map[string]string{} // number to id, of everything acknowledged
	for range 3 {
		killed(t, path, nums)
	}
	s := must(t, "sqlite:"+path)
	defer func() { _ = s.Close() }()
	for num, id := range nums {
		c, err := s.Load(t.Context(), "o", store.Ref{ID: id}, store.Window{})
		if err != nil || fmt.Sprint(c.Num) != num {
			t.Fatalf("%s with number %s is lost: %+v, %v", id, num, c, err)
		}
	}
	page, total, err := s.List(t.Context(), store.Filter{Owner: "o"})
	if err != nil || total != len(page) || total < len(nums) {
		t.Fatalf("total %d, listed %d, acknowledged %d, %v", total, len(page), len(nums), err)
	}
	for _, v := range page {
		if v.Messages != 3 || v.LastMessage != v.ID+"2" {
			t.Errorf("half a turn: %+v", v)
		}
	}
	t.Logf("%d turns were acknowledged, %d are there", len(nums), total)
}

// killed starts the process and kills it after 150 acknowledged turns.
func killed(t *testing.T, path string, nums map[string]string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashAt+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == 150 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		var id, num string
		if _, err := fmt.Sscan(lines.Text(), &id, &num); err != nil {
			continue // the line that the kill cut off
		}
		if other, ok := nums[num]; ok {
			t.Errorf("number %s was given to %s and %s", num, other, id)
		}
		nums[num] = id
	}
	_ = cmd.Wait() // it was killed
}
