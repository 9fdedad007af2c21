package handover

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// firstGiven is the descriptor of the first socket that a supervisor gives.
const firstGiven = 3

// given are the sockets that a supervisor has opened for this process; the nil one are none.
type given struct{ names []string }

// givenBy reads from the environment how many there are and what they are called; nil: none,
// or they are for another process.
func givenBy(lookup func(string) (string, bool)) *given {
	if pid, _ := lookup("LISTEN_PID"); pid != strconv.Itoa(os.Getpid()) {
		return nil
	}
	text, _ := lookup("LISTEN_FDS")
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 || n > 64 {
		return nil
	}
	g := &given{names: make([]string, n)}
	if names, ok := lookup("LISTEN_FDNAMES"); ok {
		copy(g.names, strings.Split(names, ":"))
	}
	return g
}

// place is where the socket called name stands among those; below 0: there is none. Where none
// has a name that is known here, the first is that of the fronts, the second that of operators
// and the third that of Ollama's paths.
func (g *given) place(name string) int {
	if g == nil {
		return -1
	}
	known := []string{Fronts, Operators, Ollama}
	if slices.ContainsFunc(g.names, func(n string) bool { return slices.Contains(known, n) }) {
		return slices.Index(g.names, name)
	}
	if i := slices.Index(known, name); i < len(g.names) {
		return i
	}
	return -1
}

// listener returns the socket called name; nil: there is none.
func (g *given) listener(name string) (net.Listener, error) {
	i := g.place(name)
	if i < 0 {
		return nil, nil
	}
	closeOnExec(firstGiven + i)
	file := os.NewFile(uintptr(firstGiven+i), name)
	ln, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("the socket that the supervisor calls %s: %w", name, err)
	}
	return ln, file.Close()
}

// The names of the sockets of serve, also as a supervisor calls them.
const (
	Fronts    = "fronts"
	Operators = "admin"
	Ollama    = "ollama"
)
