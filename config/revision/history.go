package revision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"
)

// kept is how many revisions the history holds.
const kept = 50

// Author is who asked for a change.
type Author struct {
	// Name is that of a token, such as admin.token, or what took its place: start, SIGHUP,
	// watch or revert.
	Name string `json:"name"`
	// Address is where a call came from; empty: from this machine, without a call.
	Address string `json:"address,omitempty"`
}

// Revision is one configuration that ran.
type Revision struct {
	N   int       `json:"revision"` // counts up from 1
	At  time.Time `json:"at"`       // when it was put in place
	How string    `json:"how"`      // start, reload, apply, rollback or revert
	By  Author    `json:"by"`
	Why string    `json:"why,omitempty"` // of a rollback or a revert
	Sum string    `json:"sum"`           // SHA-256 of the text, in hex
	// Text is that of the file, with its variables as they are written.
	Text string `json:"text,omitempty"`
}

// history are the newest revisions, the oldest first, and the file that they are kept in.
type history struct {
	path string // empty: in memory only
	all  []Revision
}

// readHistory reads what is kept in path. What cannot be read as a history is put aside, and
// the history that is returned beside the error is empty then.
func readHistory(path string) (*history, error) {
	h := &history{path: path}
	if path == "" {
		return h, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return &history{}, err // what cannot be read must not be replaced
	}
	var in struct {
		Revisions []Revision `json:"revisions"`
	}
	if err := json.Unmarshal(text, &in); err != nil {
		return h, errors.Join(fmt.Errorf("%s is no history, and is put aside: %w", path, err), os.Rename(path, path+".damaged"))
	}
	h.all = in.Revisions
	// Somebody may have copied it about: it holds what the configuration holds.
	return h, os.Chmod(path, 0o600)
}

// add keeps r, with the next number, and returns that. The error says that it is only in
// memory.
func (h *history) add(r Revision) (int, error) {
	r.N = 1
	if n := len(h.all); n > 0 {
		r.N = h.all[n-1].N + 1
	}
	r.Sum = sumOf([]byte(r.Text))
	h.all = append(h.all, r)
	if over := len(h.all) - kept; over > 0 {
		h.all = slices.Delete(h.all, 0, over)
	}
	if h.path == "" {
		return r.N, nil
	}
	text, err := json.MarshalIndent(map[string]any{"revisions": h.all}, "", " ")
	if err != nil {
		return r.N, err
	}
	return r.N, replace(h.path, append(text, '\n'), 0o600)
}

// of returns the revision with number n.
func (h *history) of(n int) (Revision, bool) {
	i := slices.IndexFunc(h.all, func(r Revision) bool { return r.N == n })
	if i < 0 {
		return Revision{}, false
	}
	return h.all[i], true
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
