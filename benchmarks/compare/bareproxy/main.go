// Command bareproxy is the least that a reverse proxy made of fasthttp can be: it
// knows no protocol, no callers and no limits. It is the floor that dragoman is
// measured against.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/valyala/fasthttp"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8091", "address to listen on")
	to := flag.String("to", "127.0.0.1:8090", "address to pass everything to")
	flag.Parse()
	p := &proxy{client: &fasthttp.HostClient{
		Addr: *to, MaxConns: 1 << 16, StreamResponseBody: true, DisableHeaderNamesNormalizing: true, NoDefaultUserAgentHeader: true, DisablePathNormalizing: true,
	}}
	server := &fasthttp.Server{Handler: p.serve, NoDefaultServerHeader: true, NoDefaultDate: true, Concurrency: 1 << 20}
	if err := server.ListenAndServe(*listen); err != nil {
		fmt.Fprintln(os.Stderr, "bareproxy:", err)
		os.Exit(1)
	}
}

type proxy struct {
	client *fasthttp.HostClient
	bufs   sync.Pool
}

// serve passes one request on. An answer with a length is passed in one piece, any
// other read by read.
func (p *proxy) serve(ctx *fasthttp.RequestCtx) {
	defer func() {
		if recover() != nil {
			ctx.Error("internal error", fasthttp.StatusInternalServerError)
		}
	}()
	resp := fasthttp.AcquireResponse()
	if err := p.client.Do(&ctx.Request, resp); err != nil {
		fasthttp.ReleaseResponse(resp)
		ctx.Error("the model cannot be reached", fasthttp.StatusBadGateway)
		return
	}
	ctx.Response.SetStatusCode(resp.StatusCode())
	ctx.Response.Header.SetContentTypeBytes(resp.Header.ContentType())
	if n := resp.Header.ContentLength(); n >= 0 {
		body := ctx.Response.BodyWriter()
		if _, err := io.CopyN(body, resp.BodyStream(), int64(n)); err != nil {
			ctx.Error("the model broke off", fasthttp.StatusBadGateway)
		}
		_ = resp.CloseBodyStream()
		fasthttp.ReleaseResponse(resp)
		return
	}
	ctx.SetBodyStream(&pull{p: p, resp: resp}, -1)
}

// pull is a streamed answer that fasthttp lets write itself: one write for each
// read, on the connection's own goroutine.
type pull struct {
	p    *proxy
	resp *fasthttp.Response
}

// SupportsBodyWriteTo tells fasthttp to call WriteTo instead of Read.
func (*pull) SupportsBodyWriteTo() bool { return true }

// Read is never called; the type has to be an io.Reader.
func (*pull) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// WriteTo writes what comes until it ends.
func (b *pull) WriteTo(w io.Writer) (int64, error) {
	buf, _ := b.p.bufs.Get().(*[]byte)
	if buf == nil {
		fresh := make([]byte, 8<<10)
		buf = &fresh
	}
	defer b.p.bufs.Put(buf)
	from := b.resp.BodyStream()
	for {
		n, err := from.Read(*buf)
		if n > 0 {
			if _, err := w.Write((*buf)[:n]); err != nil {
				return 0, err
			}
		}
		if err == io.EOF {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// Close gives the connection back.
func (b *pull) Close() error {
	if b.resp == nil {
		return nil
	}
	err := b.resp.CloseBodyStream()
	fasthttp.ReleaseResponse(b.resp)
	b.resp = nil
	return err
}
