package proxy

import (
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// refusesMember begins the quirk of a back end that refuses questions with the member that
// follows.
const refusesMember = "refuses "

// omitted are the members that questions are told without, as paths; nil: all are told.
func (k *quirks) omitted() (paths []string) {
	if k == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, q := range k.shown {
		if path, ok := strings.CutPrefix(string(q), refusesMember); ok {
			paths = append(paths, path)
		}
	}
	return paths
}

// rephrased learns from a refusal that names members which can be left out of the question,
// and reports whether the same channel is to be asked again without them: it has not read the
// question, and no client has seen anything.
func (x *Exchange) rephrased(c *candidate, err *translate.Error) bool {
	if len(err.Unknown) == 0 || x.attempts >= maxAttempts {
		return false
	}
	news := false
	for _, path := range err.Unknown {
		// Another question may have learnt it since this one was sent.
		news = c.quirks.learn(quirk(refusesMember+path)) || news || !slices.Contains(x.omit, path) && c.quirks.has(quirk(refusesMember+path))
	}
	if !news {
		return false
	}
	x.again = c
	x.g.log.Warn("the channel refuses members of a question, which are left out from now on", "channel", c.ch.ID, "model", c.upstream, "members", strings.Join(err.Unknown, ", "))
	return true
}

// askAgain returns the candidate that is to be asked once more, in another form, if it can be;
// else nil.
func (x *Exchange) askAgain() *candidate {
	c := x.again
	x.again = nil
	if c == nil || !x.reserve(c) {
		return nil
	}
	x.rec.chosen(c, bySecond, 1)
	return c
}
