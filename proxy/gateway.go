package proxy

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/answercache"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/proxy/balance"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
	"github.com/dragoman-gateway/dragoman/proxy/metrics"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Upstream puts questions to one configured back end with one key.
type Upstream = channel.Upstream

// Opener makes the upstream of a channel for one of its keys, without I/O.
type Opener = channel.Opener

// Model is what a name asked for comes to.
type Model = routing.Model

// Gateway is the road from questions to answers. It is safe for concurrent use.
type Gateway struct {
	plan          atomic.Pointer[routing.Plan]
	probers       atomic.Pointer[probers] // of the present plan
	store         store.Store
	log           *slog.Logger
	conversations *conversation.Registry
	memories      *memories
	proofs        conversation.Proofs
	admission     *admission.Desk
	opener        Opener
	chance        balance.Chance
	tell          func(channel.Hint) // nil: nobody
	tracer        Tracer             // nil: there are no traces
	endpoints     map[string][]translate.Endpoint
	room          fairqueue.Queue // those that wait for a full channel
	metrics       metrics.Registry
	bans          channel.BanBook
	board         channel.Board
	standing      routing.Watch // of all who ask which channels are not ready
	keys          *auth.Keyring
	badKeys       *auth.BadKeys
	counts        *countRate
	traces        journal.Traces
	captures      capture.Book
	ledger        *journal.Ledger // nil: none is kept
	refusals      *journal.Refusals
	answers       *answercache.Cache
	retention     *conversation.Retention // nil: conversations are kept for ever

	open     sync.WaitGroup  // exchanges
	mu       sync.Mutex      // guards draining against open.Add, and who is under which plan
	plans    []*routing.Plan // the present one, and those before it that exchanges are under; guarded by mu
	applying sync.Mutex      // one configuration after the other; guards closed
	closed   bool
	draining bool
	detached detached // exchanges whose clients have left
}

// Options are what a gateway is made of besides its configuration. The zero value
// is right for one process.
type Options struct {
	// Limiter counts questions; nil: this process counts for itself.
	Limiter limiter.Limiter
	// Guesses counts bad credentials, see [auth.NewBadKeys]; nil: this process counts for itself.
	Guesses limiter.Limiter
	// Chance is what is left to it: choices among equals and the jitter of waits.
	// nil is math/rand; tests that must happen again the same way set it.
	Chance balance.Chance
	// Sole says that no other process works on the store, as whoever holds its lock knows:
	// a conversation that was used in the last minute is then taken to be as it was.
	// Where it is false, or turns out not to be so, each one is looked at before its
	// turn. Either way no turn is stored in a conversation that it does not answer.
	Sole bool
	// Tell is called with health hints for other processes, see [Hint]. Many goroutines
	// call it, under locks: it must neither wait nor call the gateway. nil: no hints.
	Tell func(channel.Hint)
	// Proofs is where processes keep for each other what servers want back with calls of tools,
	// see [conversation.Proofs.Share], and ProofsWait how long a question may wait for it. nil:
	// each keeps its own.
	Proofs     conversation.Server
	ProofsWait time.Duration
	// Tracer keeps the spans of exchanges; nil: there are none.
	Tracer Tracer
	// Endpoints are the paths beside chat, by the dialect that has them, for questions that are
	// only foreseen.
	Endpoints map[string][]translate.Endpoint
}

// Models returns the models and presets that c may use, in the order of the
// configuration.
func (g *Gateway) Models(c *Caller) []string {
	p := g.plan.Load()
	var names []string
	for _, m := range p.Models {
		if _, err := p.Resolve(c, m); err == nil {
			names = append(names, m)
		}
	}
	return names
}

// Resolve finds what c means by a model's or preset's name; an empty name is the
// default. The error's code is PERMISSION_DENIED or MODEL_NOT_FOUND.
func (g *Gateway) Resolve(c *Caller, name string) (*Model, *translate.Error) {
	return g.plan.Load().Resolve(c, name)
}

// Known reports whether there is a model or a preset called name, for whomever.
func (g *Gateway) Known(name string) bool {
	p := g.plan.Load()
	return p.Routes[name] != nil || p.Presets[name] != nil
}

// Store is where conversations are kept.
func (g *Gateway) Store() store.Store { return g.store }

// Question is one exchange as a front wants it. Nobody writes to it.
type Question struct {
	ID       string // request id, in the log: every question has its own
	Session  string // id of the socket it came on, in the log; empty: it came alone
	Front    string // dialect of the front
	Caller   *Caller
	Model    *Model // from Resolve
	Received time.Time
	// At is when its messages are said to be asked, in Unix milliseconds, by a front that finds
	// turns by it; 0: when it was received.
	At int64
	// Address is where the client is, as [Gateway.Identify] takes it, for limits
	// that count by it.
	Address string
	// User is the end user behind the caller, where the dialect names one; limits
	// may count by it.
	User string
	// Request is what was asked. In a conversation ([Pending.Join]) its Messages hold only
	// what is new; else they are everything.
	// It must not change while the exchange is open.
	Request *translate.Request
	// Peeked is set where Request holds only what its Peek has found, and decodes
	// the rest from Request.Raw if that is needed. Raw is then to stay valid until
	// the exchange is closed.
	Peeked translate.Dialect
	// Holding is told what becomes of the memory that the question takes; nil: nobody is.
	Holding Holding
	// Parent is the span that the client names as that of its question; the zero value: none.
	// It is looked at only where there are traces, see [Gateway.Tracing].
	Parent translate.TraceContext
	// Capture keeps what is said, see [Gateway.Capture]; nil: nobody does.
	Capture *capture.Exchange
	// Restart asks for the last answer anew: Request.Messages is empty.
	Restart bool
	// KeepPartial stores an answer that its client stopped or left, marked as
	// incomplete; where there was nothing of it yet, what its client shows in its place.
	KeepPartial bool
	// Failure returns the text that the client shows for an answer that failed. With it
	// the store has what the client has on its screen: a question that failed is stored
	// with that text, both marked, and the question of a new conversation before a model
	// is asked. nil: a turn that fails leaves nothing.
	Failure func(*translate.Error) string
}

// Holding accounts for the memory of one question. One goroutine calls it at a time.
type Holding interface {
	// Decoded says that the question, which was only peeked at, has become req.
	Decoded(req *translate.Request)
	// Release says that an answer which went on without its client is over. Of all
	// others whoever has asked sees the end; see [Exchange.Detached].
	Release()
}

func applyPreset(r *translate.Request, system string, maxTokens *int, temperature, topP *float64) {
	if system != "" {
		r.Messages = append(r.Messages, translate.TextMessage(translate.RoleSystem, system))
	}
	if r.Params.MaxTokens == nil {
		r.Params.MaxTokens = maxTokens
	}
	if r.Params.Temperature == nil {
		r.Params.Temperature = temperature
	}
	if r.Params.TopP == nil {
		r.Params.TopP = topP
	}
}

// Caller is who asks: a key, a signed token or an anonymous address.
type Caller = auth.Caller

// countRate bounds how often a caller may have tokens counted, which no limit of the
// configuration counts.
type countRate struct {
	limiter *limiter.Local
	rule    *limiter.Rule
}

func newCountRate() *countRate {
	return &countRate{
		limiter: limiter.NewLocal(limiter.Options{Keys: countersKept}),
		rule:    limiter.NewRule("count_tokens", config.Limit{Requests: config.Rate{N: countsPerMinute, Per: time.Minute}}),
	}
}

// detached are the exchanges that are read to their end although their clients have
// left. Its zero value is empty. It is safe for concurrent use.
type detached struct {
	running sync.WaitGroup
	mu      sync.Mutex
	stops   map[*Exchange]func() // each ends the attempt's context
	over    bool
}

func (d *detached) forget(x *Exchange) {
	if x.q.Holding != nil {
		x.q.Holding.Release()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.stops, x)
}

// cancel cuts off what is running, and lets nothing in any more.
func (d *detached) cancel() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.over = true
	for _, stop := range d.stops {
		stop()
	}
}

const (
	countsPerMinute = 60 // of a caller
	countersKept    = 100_000
	countWait       = 10 * time.Second // for a channel that counts
)

// Identify finds the caller behind a credential. An empty token is the anonymous
// caller of address, if there may be one. The error's code is UNAUTHORIZED,
// INVALID_TOKEN or TOKEN_EXPIRED; RATE_LIMITED for one more bad credential of an
// address that sent too many (with an empty address the caller is to ask
// [Gateway.BadKey] about that); INTERNAL_ERROR where the store failed.
func (g *Gateway) Identify(token, address string) (*Caller, *translate.Error) {
	c, err := g.plan.Load().Callers.Identify(g.keys, token, address)
	if err != nil && token != "" && address != "" {
		return nil, g.BadKey(err, address)
	}
	return c, err
}

// BadKey returns what a client at address is to be told when its credential was
// refused with err: err, or RATE_LIMITED after too many bad ones.
func (g *Gateway) BadKey(err *translate.Error, address string) *translate.Error {
	return g.badKeys.Refuse(err, address)
}

// Login signs a token for the caller called name, whose key stands for a
// password; a token is none. The token is good for life at most, and no longer
// than the key is known: it stands for the very same caller. Without a
// callers.jwt.secret nobody can log in. The error's code is UNAUTHORIZED;
// RATE_LIMITED after too many wrong logins from address or under this name, with a
// right key too, since nothing is checked then; INTERNAL_ERROR where the store failed.
func (g *Gateway) Login(name, key, address string, life time.Duration) (string, *translate.Error) {
	return g.badKeys.Login(name, address, func() (string, *translate.Error) {
		return g.plan.Load().Callers.Login(g.keys, name, key, life)
	})
}

// AddKey stores k, which [auth.NewKey] has made; it works at once.
func (g *Gateway) AddKey(ctx context.Context, k *store.Key) error { return g.keys.Add(ctx, k) }

// MakeKey makes a key as [auth.NewKey] does, and stores it, if the configuration that is in
// use allows it; else the error's code is VALIDATION_ERROR.
func (g *Gateway) MakeKey(ctx context.Context, name string, a config.Access, expires time.Time) (string, *store.Key, error) {
	secret, k, err := g.plan.Load().Callers.MakeKey(name, a, expires, g.Known)
	if err != nil {
		return "", nil, err
	}
	return secret, k, g.AddKey(ctx, k)
}

// Keys lists the stored keys, oldest first.
func (g *Gateway) Keys(ctx context.Context) ([]store.Key, error) { return g.keys.List(ctx) }

// RevokeKey forgets a stored key; no question is taken under it any more once it
// has returned. The error wraps [store.ErrNotFound] where there is none.
func (g *Gateway) RevokeKey(ctx context.Context, id string) error { return g.keys.Revoke(ctx, id) }

// Purse returns what is left of the caller's budget in this period, in the unit of
// the configured prices; limited is false for a caller without a budget.
func (g *Gateway) Purse(ctx context.Context, c *Caller) (left float64, limited bool, err error) {
	b := g.plan.Load().Budgets[c.Limits]
	if b == nil {
		return 0, false, nil
	}
	left, err = g.admission.Left(ctx, b, c.Name)
	return left, true, err
}
