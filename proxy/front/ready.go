package front

import "github.com/valyala/fasthttp"

// The paths for balancers and supervisors, which no prefix stands before. They want no
// credential, and say nothing of channels or addresses.
const (
	readyPath = "/readyz"
	alivePath = "/livez"
)

// ready answers whether questions are to be sent here: 200, or 503 while the server stops.
// A store that takes no changes is told and is no reason to send questions elsewhere, since
// those that keep no conversation are answered.
func (c *call) ready() {
	status, word := fasthttp.StatusOK, "ok"
	if c.s.Stopping() {
		status, word = fasthttp.StatusServiceUnavailable, "stopping"
		c.ctx.Response.Header.Set("Retry-After", "1")
	}
	kept := "ok"
	if up := c.s.StoreUp; up != nil && !up() {
		kept = "lost"
	}
	c.plainHealth(status, `{"status":"`+word+`","store":"`+kept+`"}`)
}

// alive answers that the process is.
func (c *call) alive() { c.plainHealth(fasthttp.StatusOK, `{"status":"ok"}`) }

func (c *call) plainHealth(status int, body string) {
	c.ctx.Response.Header.Set("Cache-Control", "no-store")
	c.json(status, []byte(body+"\n"))
}
