package channel

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"reflect"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/fold"
	"github.com/dragoman-gateway/dragoman/proxy/fairqueue"
	"github.com/dragoman-gateway/dragoman/proxy/metrics"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Upstream puts questions to one configured back end with one key.
// Implementations are in proxy/upstream; they are safe for concurrent use.
type Upstream interface {
	// Open sends req and returns when the back end may begin to answer. ctx
	// bounds the whole life of the stream, not only Open. The error is always a
	// *translate.Error; when ctx was cancelled with one as its cause, that one.
	Open(ctx context.Context, req *translate.Request) (translate.Stream, error)
	// Close ends idle connections now and busy ones when their answers end.
	Close() error
}

// Opener makes the upstream of a channel for one of its keys, without I/O.
type Opener func(conf *config.Channel, key string) (Upstream, error)

// Channel is an upstream with its share of the traffic and its record: one per
// configured channel and key.
type Channel struct {
	Weight   int32        // as a policy counts it
	Seed     uint64       // tells it from the others, the same in every run
	InFlight atomic.Int32 // requests that run on it now

	ID       string
	Key      int // which of the channel's keys
	Conf     *config.Channel
	Upstream Upstream
	Timeouts Timeouts
	Fold     *fold.Template
	Kind     *config.Kind

	Refuses, Takes translate.Traits // of its models, by its configuration

	Slots      *fairqueue.Slots // of all keys of the configured channel
	Queue      *fairqueue.Queue // where questions wait for a slot of it; the gateway's
	Log        *slog.Logger     // the same
	Dialer     Dialer           // up, if it is one
	Gate       *Gate            // of its server, if it is
	Spare      fairqueue.Slots  // word that one of its connections is idle
	Meter      *metrics.Channel // the same for all keys
	Mark       *Mark            // the same for all keys: something has happened on it; nil: nobody looks
	Quarantine Quarantine       // the key; of one model of it see Record
	doubt      doubt            // about the key
	Bans       *trials          // of its server; nil: that bans nobody
	Forced     atomic.Int32     // a Force, the same for all keys of the configured channel
}

// weightUnit is what a channel's weight counts, so that it can be shared out among
// up to eight keys without a rest.
const weightUnit = 840

// Describe has req say what the configuration of c says of its models.
func (c *Channel) Describe(req *translate.Request) {
	req.Refuses, req.Takes, req.Efforts = c.Refuses, c.Takes, c.Conf.Efforts
}

// New makes the channel of conf for its key number n, by open. Its error is open's.
func New(conf *config.Channel, key string, n int, c Timeouts, template *fold.Template, open Opener) (*Channel, error) {
	up, err := open(conf, key)
	if err != nil {
		return nil, err
	}
	ch := &Channel{ID: conf.ID, Key: n, Conf: conf, Upstream: up, Timeouts: c, Fold: template, Kind: config.KindOf(conf.Kind)}
	ch.Weight = int32(max(min(max(conf.Weight, 1), 1e6)*weightUnit/max(len(conf.Keys), 1), 1))
	ch.Seed = seedOf(conf.ID, n)
	ch.Refuses, _ = translate.TraitsOf(conf.Refuses) // config has checked the words
	ch.Takes, _ = translate.TraitsOf(conf.Takes)
	return ch, nil
}

// seedOf names a channel and key to a policy that has to find them again, also in
// another process.
func seedOf(id string, key int) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", id, key)
	return h.Sum64()
}

// Speaks reports whether the channel's wire protocol is dialect's.
func (c *Channel) Speaks(dialect string) bool { return dialect != "" && c.Kind.Dialect == dialect }

// Secret is the key itself; empty: the channel has none.
func (c *Channel) Secret() string {
	if len(c.Conf.Keys) == 0 {
		return ""
	}
	return c.Conf.Keys[c.Key]
}

// SameWay reports whether an upstream that was made for a serves b as well: all but
// how much comes to it is the same.
func SameWay(a, b *config.Channel) bool {
	x, y := *a, *b
	for _, c := range []*config.Channel{&x, &y} {
		c.Tier, c.Weight, c.Keys, c.Models = 0, 0, nil, nil
		c.Fold, c.OnLeave, c.Replay, c.Probe, c.Dials = "", "", nil, nil, config.Rate{}
		c.Timeouts = config.Timeouts{Connect: c.Timeouts.Connect}
	}
	return reflect.DeepEqual(x, y)
}

// SamePlace reports whether a and b are one back end, whose record counts for both.
func SamePlace(a, b *config.Channel) bool { return a.Kind == b.Kind && a.URL == b.URL }

// Inherit gives c what was known of before, the same channel and key of an earlier
// plan.
func (c *Channel) Inherit(before *Channel) {
	if SamePlace(c.Conf, before.Conf) {
		c.Quarantine.inherit(&before.Quarantine)
	}
	c.Forced.Store(before.Forced.Load())
}

// Force is what the operator has decided about the channel.
func (c *Channel) Force() Force { return Force(c.Forced.Load()) }
