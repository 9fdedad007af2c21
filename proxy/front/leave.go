package front

import (
	"context"
	"time"

	"github.com/dragoman-gateway/dragoman/internal/conn"
)

// watchAfter is how long an answer must take before its client is watched: a
// quicker one is not worth the read.
const watchAfter = 4 * time.Millisecond

// watch returns a context that ends when the client leaves, which is looked for from
// watchAfter on. The connection must be told Unwatch.
func (c *call) watch() (context.Context, *conn.Conn) {
	watched := conn.Of(c.ctx.Conn())
	ctx, leave := watched.Life(c.s.life, errClientGone)
	watched.Watch(watchAfter, leave)
	return ctx, watched
}
