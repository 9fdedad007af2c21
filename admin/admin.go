// Package admin is the operator's side: an HTTP API on a port of its own that says
// how the gateway stands and changes what an operator may change. It is never
// imported by the path of the questions.
//
// Every route but the console at / and below /console/, /api/health, /readyz and /livez wants the operator's token as a bearer token. Errors
// have one form: {"error":{"code":"NOT_FOUND","message":"..."}}, with the codes and
// statuses of the catalogue in package translate.
package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/config/revision"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What bounds a request.
const (
	maxHead     = 16 << 10
	maxBody     = 1 << 20
	readTimeout = 10 * time.Second // head and body
	mayTake     = 60 * time.Second // to be answered and written
	mayIdle     = 120 * time.Second
)

// Options are the parts and settings of a server.
type Options struct {
	// Gateway is what it shows and changes.
	Gateway *proxy.Gateway
	// Token opens it; it must not be empty.
	Token string
	// Listen is the configured address: the name in it is one under which the
	// server may be reached.
	Listen string
	// ReadToken opens what changes nothing and shows no conversation; empty: there is none.
	ReadToken string
	// Book is the configuration and its history; nil: nothing of it is shown or changed.
	Book *revision.Book
	// Shared tells how the limits stand that several processes share; nil: there are
	// none.
	Shared func() limiter.JointStats
	// Clients tells what clients hold open; nil: nobody knows.
	Clients func() Clients
	// Sockets tells of the open sockets of clients; nil: nobody does.
	Sockets Sockets
	// Playground asks the fronts of the gateway; nil: there is none.
	Playground Playground
	// Console is the page that operators look at; nil: there is none.
	Console http.Handler
	// Health tells how the gateway stands; nil: it has started, and its store takes changes.
	Health func() Health
	// Spans tells what became of the spans of exchanges; nil, or what it returns is: there are
	// no traces.
	Spans func() *SpanStats
	// Log gets panics and failures of connections.
	Log *slog.Logger
}

// SpanStats are what became of the spans of exchanges since the process began.
type SpanStats struct {
	Exported uint64 // that the collector has taken
	Dropped  uint64 // that are lost
}

// Health is how a gateway stands.
type Health struct {
	Starting bool // no questions are taken yet
	Stopping bool // none are to be sent any more
	Store    bool // the store takes changes
	// Configuration is the digest of what runs, see [config.Digest]; empty: nobody knows.
	Configuration string
	// Differing is how many processes on the same shared server have another configuration.
	Differing int
}

// Clients is what clients hold open.
type Clients struct {
	Connections int
	Sessions    int // sockets and streamed answers
	Streams     int // the latter alone
}

// Server answers operators. It is safe for concurrent use.
type Server struct {
	g       *proxy.Gateway
	book    *revision.Book // nil: there is none
	token   [sha256.Size]byte
	reads   [sha256.Size]byte // the read token
	mayRead bool              // there is one
	bad     *auth.BadKeys     // wrong tokens, apart from those of the fronts
	name    string            // host of the configured address
	log     *slog.Logger
	http    *http.Server
	began   time.Time

	clients    func() Clients            // nil: nobody knows
	shared     func() limiter.JointStats // nil: nothing is shared
	socketsOf  Sockets                   // nil: nobody tells
	health     func() Health
	playground Playground        // nil: there is none
	page       http.Handler      // the console; nil: there is none
	spans      func() *SpanStats // nil: there are no traces

	timeline timeline // how channels stood
	standing standing // what streams of events tell
	past     history  // what was open, and the cost of the day

	boot     string        // of the cursors of events
	streams  atomic.Int32  // of events
	stopping chan struct{} // closed when they have to end
	// endStreams closes stopping; it may be called again.
	endStreams func()
}

// guarded lets through only what was meant for this server.
func (s *Server) guarded(next http.Handler) http.Handler {
	foreign := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recovered(w)
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if !s.known(r.Host) {
			fail(w, &translate.Error{Code: translate.CodePermission, Message: "the Host header does not name this server: use its address"})
			return
		}
		if foreign.Check(r) != nil {
			fail(w, &translate.Error{Code: translate.CodePermission, Message: "a page of another origin may not do that"})
			return
		}
		if !plain(r.URL) {
			fail(w, &translate.Error{Code: translate.CodeNotFound, Message: "there is nothing here"})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// plain reports whether u is a path as it is meant. Of any other one, such as
// /api//keys or *, net/http's router would answer by itself, with a page or with nothing.
func plain(u *url.URL) bool {
	at := u.EscapedPath()
	clean := path.Clean(at)
	return strings.HasPrefix(at, "/") && (clean == at || clean != "/" && clean+"/" == at)
}

// known reports whether host, from a request, may be this server: an address, a name
// without a dot, which nobody can put into the public DNS, or the configured one. A
// page whose name was made to point here after it was loaded (DNS rebinding) says its
// own name.
func (s *Server) known(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host != "" && (!strings.Contains(host, ".") || strings.HasSuffix(host, ".localhost") || host == strings.ToLower(s.name))
}

// right is what a token opens, or what a call needs.
type right uint8

// The rights: each opens what those before it do.
const (
	mayNothing right = iota
	mayRead          // admin.read_token: nothing is changed, and no conversation shown
	mayAll           // the operator's token
)

// authorized compares hashes, so that the time it takes tells nothing of the tokens, nor of
// their lengths.
func (s *Server) authorized(r *http.Request) right {
	sum := sha256.Sum256([]byte(bearer(r)))
	all := subtle.ConstantTimeCompare(sum[:], s.token[:]) == 1
	reads := subtle.ConstantTimeCompare(sum[:], s.reads[:]) == 1
	switch {
	case all:
		return mayAll
	case reads && s.mayRead:
		return mayRead
	}
	return mayNothing
}

// refusal returns the error of a call without the token. Wrong tokens are counted by
// address; the right one is taken at any time, so that nobody can lock operators out.
func (s *Server) refusal(r *http.Request) *translate.Error {
	err := &translate.Error{Code: translate.CodeUnauthorized, Message: "the operator's token is needed: Authorization: Bearer TOKEN"}
	if bearer(r) == "" {
		return err // it was no guess
	}
	bad := s.bad.Refuse(&translate.Error{Code: translate.CodeInvalidToken}, from(r.RemoteAddr))
	if bad.Code == translate.CodeRateLimited {
		return bad
	}
	return err
}

// bearer is the token that r carries, or nothing.
func bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// from is the address of a peer: an IPv6 one by its /64.
func from(peer string) string {
	at, err := netip.ParseAddrPort(peer)
	if err != nil {
		return "unknown"
	}
	addr := at.Addr().Unmap().WithZone("")
	if addr.Is6() {
		p, _ := addr.Prefix(64)
		return p.String()
	}
	return addr.String()
}

func (s *Server) recovered(w http.ResponseWriter) {
	if bug := recover(); bug != nil {
		s.log.Error("panic", "where", "admin", "what", bug, "stack", string(debug.Stack()))
		fail(w, &translate.Error{Code: translate.CodeInternal, Message: "internal error"})
	}
}
