package proxy

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/keyset"
	"github.com/dragoman-gateway/dragoman/limiter"
	"github.com/dragoman-gateway/dragoman/proxy/admission"
	"github.com/dragoman-gateway/dragoman/proxy/answercache"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/proxy/balance"
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
	proofs        proofs
	admission     *admission.Desk
	opener        Opener
	chance        balance.Chance
	tell          func(channel.Hint) // nil: nobody
	room          fairqueue.Queue    // those that wait for a full channel
	metrics       metrics.Registry
	bans          channel.BanBook
	keys          *auth.Keyring
	badKeys       *auth.BadKeys
	counts        *countRate
	traces        journal.Traces
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
}

// New compiles conf, which must have been checked, and returns a gateway that
// keeps conversations in st. open makes the upstreams; no connection is made yet, but
// for the key set of callers.jwt.jwks, which is fetched in the background.
func New(conf *config.Config, st store.Store, open Opener, log *slog.Logger, o Options) (*Gateway, error) {
	if o.Limiter == nil {
		o.Limiter = limiter.NewLocal(limiter.Options{})
	}
	if o.Chance == nil {
		o.Chance = rand.Int64N
	}
	g := &Gateway{store: st, log: log, conversations: conversation.New(st, log, o.Sole), memories: newMemories(), opener: open, chance: o.Chance, tell: o.Tell, keys: auth.NewKeyring(st), badKeys: auth.NewBadKeys(), counts: newCountRate()}
	p, err := g.compile(conf, nil)
	if err != nil {
		return nil, err
	}
	p.Callers.Open(nil, log, keyset.Options{})
	g.ledger = journal.NewLedger(st, conf.Ledger, log)
	g.refusals = journal.NewRefusals(g.ledger, log)
	var spent admission.Spendings
	if g.ledger != nil {
		spent = g.ledger
	}
	g.admission = admission.New(o.Limiter, spent, log)
	g.answers = answercache.New(int(conf.Cache.Size))
	g.plan.Store(p)
	g.plans = []*routing.Plan{p}
	g.probe(p)
	g.retention = g.conversations.Retain(conf.Store.Keep)
	return g, nil
}

// Drain refuses new questions from now on, with CHANNEL_UNAVAILABLE, and returns
// when all running exchanges are closed or ctx has ended. In the latter case it cuts
// off the answers that went on without their clients; they end soon after.
func (g *Gateway) Drain(ctx context.Context) error {
	g.mu.Lock()
	g.draining = true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer func() { _ = recover() }()
		g.open.Wait()
		g.detached.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		g.detached.cancel()
		return ctx.Err()
	}
}

// Close closes the upstreams, ends the removal of old conversations and writes what waits for the ledger. All exchanges must have been closed before.
func (g *Gateway) Close() error {
	g.applying.Lock()
	defer g.applying.Unlock()
	g.closed = true
	g.retention.Close()
	g.probers.Load().stop()
	g.plan.Load().Close()
	g.keys.Close()
	g.answers.Close()
	g.refusals.Close()
	return g.ledger.Close()
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
