package proxy

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// leasable is the one candidate of a gateway whose channel takes one request at a time.
func leasable(t *testing.T) *channel.Candidate {
	w := newWorld(t, conf(backend("a", func(c *config.Channel) { c.Concurrent = 1 })), nil)
	return &w.g.plan.Load().Routes["m"].Tiers[0][0]
}

func TestALeaseIsGivenBackOnceHoweverOftenItIsReleased(t *testing.T) {
	t.Parallel()
	c := leasable(t)
	first, b := c.Lease(false)
	if b.State != "" {
		t.Fatal(b)
	}
	if _, b := c.Lease(false); b.State != "full" {
		t.Errorf("a second lease: %+v", b)
	}
	first.Release()
	first.Release()
	if n := c.Channel.InFlight.Load(); n != 0 || c.Channel.Slots.Taken() != 0 {
		t.Errorf("%d requests, %d slots", n, c.Channel.Slots.Taken())
	}
	second, b := c.Lease(false)
	if b.State != "" {
		t.Fatal(b)
	}
	second.Judge(nil)
	second.Release()
}

func TestALeaseIsJudgedOnce(t *testing.T) {
	t.Parallel()
	c := leasable(t)
	failed := fault(translate.FaultBroken)
	for range openAfter - 1 {
		l, b := c.Lease(false)
		if b.State != "" {
			t.Fatal(b)
		}
		l.Judge(failed)
		l.Judge(failed)
		l.Excuse(failed)
		l.Release()
	}
	if c.Record.Out() {
		t.Fatalf("the breaker is open after %d failures", openAfter-1)
	}
	unused, _ := c.Lease(false)
	unused.Release()
	last, b := c.Lease(false)
	if b.State != "" {
		t.Fatal(b)
	}
	last.Judge(failed)
	last.Release()
	if !c.Record.Out() {
		t.Errorf("the breaker is closed after %d failures", openAfter)
	}
}
