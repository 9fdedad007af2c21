package proxy

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/store"
)

// SpentSince returns what the questions have cost that came after from, in billionths of the
// unit of the prices, those included whose rows are not written yet. kept is false where no
// ledger is kept.
func (g *Gateway) SpentSince(ctx context.Context, from time.Time) (cost int64, kept bool, err error) {
	if g.ledger == nil {
		return 0, false, nil
	}
	t, err := g.ledger.Totals(ctx, store.EntryFilter{From: from.UnixMilli(), Requests: true})
	return t.Cost, true, err
}
