package admin

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
)

// leastToken is how long a token that was read from a file has to be: a shorter one
// was cut off, or made by hand.
const leastToken = 20

// TokenFile returns where the operator's token of a gateway is kept whose store has that file.
func TokenFile(file string) string { return FileBeside(file, "admin-token") }

// FileBeside returns where a secret of a gateway is kept whose store has that file: in one
// beside it. Where the store has none, which is empty, the secret is kept nowhere: so is that.
func FileBeside(file, secret string) string {
	if file == "" {
		return ""
	}
	return file + "." + secret
}

// ReadToken returns the token that is kept in the file path. The error is
// [fs.ErrNotExist] where there is none yet.
func ReadToken(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(text))
	if len(token) < leastToken {
		return "", fmt.Errorf("%s holds no token that was made here: remove the file, and a new one is made", path)
	}
	return token, nil
}

// EnsureToken returns the token that is kept in the file path, which only its owner
// may read; made says that there was none and it is new. An empty path is kept
// nowhere: the token is new each time.
func EnsureToken(path string) (token string, made bool, err error) {
	if path == "" {
		return rand.Text(), true, nil
	}
	if token, err = ReadToken(path); err == nil {
		// Somebody may have copied it about: it opens everything.
		return token, false, os.Chmod(path, 0o600)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", false, err
	}
	token = rand.Text()
	_, err = f.WriteString(token + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		_ = os.Remove(path)
		return "", false, err
	}
	return token, true, nil
}

// rights tells a caller what its token opens: all, or read for what changes nothing.
func (s *Server) rights(w http.ResponseWriter, r *http.Request) error {
	may := "read"
	if s.authorized(r) == mayAll {
		may = "all"
	}
	return reply(w, http.StatusOK, map[string]any{"may": may})
}
