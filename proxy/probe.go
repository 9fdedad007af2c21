package proxy

import (
	"context"
	"runtime/debug"
	"time"

	"golang.org/x/time/rate"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/proxy/routing"
	"github.com/dragoman-gateway/dragoman/proxy/watchdog"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Bounds of one probe.
const (
	probeEvents = 64 // of its answer that are read
	probeName   = "dg_probe"
)

// probe starts the probers of p in the place of those that ran before, which it ends. What
// these counted goes on to count.
func (g *Gateway) probe(p *routing.Plan) {
	before := g.probers.Load()
	before.stop()
	ctx, cancel := context.WithCancel(context.Background())
	all := &probers{of: make(map[string]*prober), end: cancel}
	for _, ch := range p.Channels {
		conf := ch.Conf.Probe
		if conf == nil {
			continue
		}
		if ch.Key > 0 {
			one := all.of[ch.ID]
			one.keys = append(one.keys, ch)
			continue
		}
		one := &prober{g: g, plan: p, conf: conf, keys: []*channel.Channel{ch}, most: rate.NewLimiter(perSecond(conf.Most), max(conf.Most.N, 1))}
		one.inherit(before.at(ch.ID))
		one.state.Every, one.state.Model = conf.Every.Seconds(), conf.Model
		all.of[ch.ID] = one
	}
	for _, one := range all.of {
		all.running.Go(func() {
			defer func() { _ = recover() }()
			one.run(ctx)
		})
	}
	g.probers.Store(all)
}

// inherit takes what was counted and, unless it has changed, the ceiling; before may
// be nil.
func (b *prober) inherit(before *prober) {
	if before == nil {
		return
	}
	b.state, b.asked = before.state, before.asked
	if b.conf.Most == before.conf.Most {
		b.most = before.most
	}
}

func perSecond(r config.Rate) rate.Limit { return rate.Limit(float64(r.N) / r.Per.Seconds()) }

func (b *prober) run(ctx context.Context) {
	every := b.conf.Every
	t := time.NewTimer(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		b.round(ctx)
		t.Reset(every + time.Duration(b.g.chance(int64(every/4)+1)))
	}
}

// round looks at each key once.
func (b *prober) round(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			b.g.log.Error("panic", "what", p, "stack", string(debug.Stack()))
		}
	}()
	asked := b.keys[0].Meter.Attempts()
	idle := asked == b.asked
	b.asked = asked
	for _, ch := range b.keys {
		for _, c := range b.due(ch, idle) {
			if ctx.Err() != nil {
				return
			}
			b.probe(ctx, c)
		}
	}
}

// due are the candidates of ch that are to be asked: those out of use; else, if no
// caller has asked the channel anything and the ceiling is far, one that works.
func (b *prober) due(ch *channel.Channel, idle bool) (all []*channel.Candidate) {
	if ch.Force() != channel.ForceNothing {
		return nil
	}
	now, well := time.Now().UnixNano(), (*channel.Candidate)(nil)
	for _, m := range ch.Conf.Models {
		c := b.plan.Candidate(ch, m.Name)
		if c == nil || b.conf.Model != "" && m.Name != b.conf.Model {
			continue
		}
		if c.Record.Rests(now) {
			continue
		}
		if ch.Quarantine.Held() {
			return []*channel.Candidate{c} // it is the key that is asked for
		}
		if c.Record.Out() || c.Record.Quarantine.Held() {
			all = append(all, c)
		} else if well == nil {
			well = c
		}
	}
	if well != nil && len(all) == 0 && idle && b.most.Tokens() > float64(b.most.Burst())/2 {
		all = append(all, well)
	}
	return all
}

// probe asks c once, if it has a slot, and nobody else is trying it.
func (b *prober) probe(ctx context.Context, c *channel.Candidate) {
	ch := c.Channel
	lease, barred := c.Lease(false)
	if barred.State != "" {
		return
	}
	defer lease.Release()
	if !b.most.Allow() {
		return
	}
	lease.Sent = time.Now()
	if g := ch.Gate; g != nil && (g.Turn.Waiting() > 0 || !g.Take(lease.Sent) || !g.Start(lease.Sent)) {
		return // a dial is for those who ask
	}
	err := b.ask(ctx, c)
	if g := ch.Gate; g != nil && err != nil && err.Fault == translate.FaultBusy {
		g.Refused(time.Now(), lease.Sent, err.Retry)
		return // that is the server's, and says nothing of the model
	}
	if ctx.Err() != nil {
		return // the gateway ends
	}
	b.judge(&lease, err)
}

// judge tells the records how the probe that has lease went, and counts it.
func (b *prober) judge(lease *channel.Lease, err *translate.Error) {
	c, count := &lease.Candidate, &b.state.Good
	switch {
	case err == nil:
		lease.Judge(nil)
	case channel.FaultPolicy[err.Fault].Quarantine, channel.FaultPolicy[err.Fault].Breaker == channel.CountsAgainst && !err.Echo:
		lease.Judge(err)
		count = &b.state.Bad
	case err.Fault == translate.FaultBusy:
		lease.Judge(err)
		count = &b.state.Neutral
	default: // the question itself was refused, or could not be put: that tells nothing
		lease.Excuse(err)
		count = &b.state.Neutral
	}
	result := resultOf(err)
	b.mu.Lock()
	*count++
	b.state.Last, b.state.Result = time.Now().UTC().Format(time.RFC3339), result
	b.mu.Unlock()
	if err != nil {
		b.g.log.Warn("a probe failed", "channel", c.Channel.ID, "key", c.Channel.Key, "model", c.Upstream, "result", result, "why", b.g.plan.Load().Mask().Log(err.Error()))
	}
}

// resultOf names how an attempt ended, as metrics and explanations do.
func resultOf(err *translate.Error) string {
	switch {
	case err == nil:
		return "ok"
	case err.Fault == 0:
		return "other"
	}
	return err.Fault.String()
}

// ask puts the question of a probe and reads as little of its answer as tells that
// there is one.
func (b *prober) ask(ctx context.Context, c *channel.Candidate) *translate.Error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.wait(c), watchdog.Slow("the model did not answer a probe in time"))
	defer cancel()
	one := 1
	req := &translate.Request{Model: c.Upstream, Stream: true, Messages: []translate.Message{translate.TextMessage(translate.RoleUser, "ping")}}
	req.Params.MaxTokens = &one
	if c.Channel.Kind.History == config.HistoryFold {
		req.Memory.ID = probeName // one remote conversation for all probes
	}
	stream, failed := c.Channel.Upstream.Open(ctx, req)
	if failed != nil {
		return typed(failed)
	}
	defer func() { _ = stream.Close() }()
	content := false
	for range probeEvents {
		ev, err := stream.Next()
		switch {
		case err != nil && content:
			return nil
		case err != nil:
			return typed(err)
		case ev.Kind == translate.KindFinish && !content && !mayBeEmpty(ev.Finish):
			return translate.Broken("the model gave an empty answer", nil)
		case ev.Kind == translate.KindFinish:
			return nil
		}
		content = content || substance(ev)
		if content && c.Channel.Kind.Remembers() {
			return nil // its length could not be bounded: the rest is not wanted
		}
	}
	if !content {
		return translate.Broken("the model sent too much before its answer", nil)
	}
	return nil
}

// wait is how long an answer to a probe of c is waited for.
func (b *prober) wait(c *channel.Candidate) time.Duration {
	if d := c.Channel.Timeouts.First; d > 0 {
		return d
	}
	if d := c.Record.Latency(false).Timeout(); d > 0 {
		return d
	}
	return firstWithAlt
}
