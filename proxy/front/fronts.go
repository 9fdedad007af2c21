package front

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Front describes one dialect's server side: its paths, and all that the shared roads must
// know of it. It is never changed.
type Front struct {
	// dialect is what its clients speak. Its name is the front's.
	dialect translate.Dialect
	// refusals is in whose form a request is refused, where the dialect has none that HTTP
	// could carry; nil: in that of dialect.
	refusals translate.Dialect
	// routes returns its paths. It is called once for each server.
	routes func() []Route
	// entry is the path in the address that clients are given.
	entry string
	// socket: that is the address of a WebSocket.
	socket bool

	// base is the path that the addresses which clients are given end with, or lack, or have
	// twice: they are answered all the same. Empty: addresses have to be right.
	base string
	// owns is what paths begin with of which the front tells that they are not served; empty:
	// base and a slash. Of several fronts the one with the longest counts.
	owns string
	// claims reports whether a request on a path that several fronts of one base share is for
	// this one; nil: it never is.
	claims func(c *call) bool
	// instead says what is to be used in place of a path that is not served; empty, or nil:
	// whatever there is.
	instead func(path string) string

	// token is the credential of a request; nil: it has none by which a longer body could be
	// allowed.
	token func(c *call) string
	// limit is how many bytes the body of a request may have, if its caller is known.
	limit func(s *settings) int
	// refuse answers a request whose body was not read; nil: with fail.
	refuse func(c *call, err *translate.Error)
	// complete adds what the headers of a request say of the question; nil: nothing.
	complete func(c *call, req *translate.Request)
	// anyType: a body is JSON whatever its Content-Type says, as the vendor's server reads it.
	anyType bool
	// newID makes an answer's id; nil: it is the channel's.
	newID func() string
	// times: the dialect tells how long an answer took.
	times bool
	// untagged is the name that clients mean by a name of a model that is not known; empty:
	// there is none. nil: names are as they are.
	untagged func(model string) string

	// status is that of a refusal; nil: the one of the catalogue.
	status func(*translate.Error) int
	// repeats: the dialect's client libraries ask again after most refusals, unless
	// X-Should-Retry forbids it.
	repeats bool
	// idHeader is where clients look for the id of a request besides X-Request-Id; empty:
	// nowhere.
	idHeader string
	// headers are those besides that its requests have, which pages may send.
	headers []string

	// framing is how the answer to a streamed question is framed; nil: as server-sent events.
	framing func(req *translate.Request) *framing
	// start: an answer whose status line cannot be held any longer begins with the event of
	// the start; false: with a comment.
	start bool
	// mark is the last event of a stream, and word what of it tells it from all others; empty:
	// there is none that an answer which passes through could lack.
	mark, word string

	// appendModels and appendModel append the list of models, and one of them; nil: there is no
	// such list.
	appendModels func(dst []byte, names []string) []byte
	appendModel  func(dst []byte, name string) []byte
}

// Name is the front's name in metrics, logs and the ledger: its dialect's.
func (f *Front) Name() string { return f.dialect.Name() }

// Entry is the address that clients are given of a server at host, which has its prefix
// behind it. secure: it is reached by TLS.
func (f *Front) Entry(host string, secure bool) string {
	scheme := "http"
	if f.socket {
		scheme = "ws"
	}
	if secure {
		scheme += "s"
	}
	return scheme + "://" + host + f.entry
}

// Route is one path of a front. Path is as fasthttp/router takes it, without a
// trailing slash; the server adds the configured prefix and also takes the path
// with a slash. Handle runs on the connection's goroutine and may not keep the
// context after it returned.
type Route struct {
	// Method is GET, POST ..., * for all, or GET+HEAD.
	Method string
	Path   string
	Handle func(c *call)
	// Forms: the body may be a form with files, which is spooled where it is long.
	Forms bool
	// Shared: another front of the same base, in whose form Handle answers then, may claim a
	// request.
	Shared bool
}

// getHead is the method of what may be asked for its head alone.
const getHead = fasthttp.MethodGet + "+" + fasthttp.MethodHead

// marks reports whether raw, an event of an answer that passes through, is its end mark.
func (f *Front) marks(raw []byte) bool {
	if len(raw) > markMost || f.word == "" || !bytes.Contains(raw, []byte(f.word)) {
		return false
	}
	return f.word[0] == '"' || bytes.IndexByte(raw, '{') < 0 // the model may say the word
}

// markMost is how long an end mark may be: longer events are none.
const markMost = 96

// statusOf is the status of a refusal.
func (f *Front) statusOf(err *translate.Error) int {
	if f.status == nil {
		return err.Status()
	}
	return f.status(err)
}

// hopeless reports whether the same question would be refused again. Clients that
// repeat ask it again all the same after some of these statuses, unless X-Should-Retry forbids
// that, and forget any Retry-After above a minute.
func (f *Front) hopeless(status int, err *translate.Error) bool {
	if !f.repeats {
		return false
	}
	switch status {
	case fasthttp.StatusUnauthorized, fasthttp.StatusForbidden, fasthttp.StatusNotFound, fasthttp.StatusUnprocessableEntity:
		return true
	}
	return err.Spent != nil
}
