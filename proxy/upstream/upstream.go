// Package upstream is the client side of the gateway: how models are reached.
//
// One [Upstream] is one channel with one of its keys. What it opens is a
// [translate.Stream] that is pulled: no goroutine and no channel stand between
// the bytes of a connection and whoever reads the events. Only the pooled
// connections of an iagent channel have goroutines, since many questions share
// one of them.
//
// # Failures
//
// Every error is a *[translate.Error] with its Fault set. When the context of
// an exchange has ended, the error is the context's cause if that is a
// *translate.Error, so that whoever set a limit says what exceeding it means;
// else it is CodeCanceled with FaultGone. Nothing here is tried twice: whether
// a question may be put again is the gateway's to decide.
//
// # Connections
//
// The HTTP kinds keep their own connections instead of using an HTTP client: an
// answer is read into one buffer, chunk framing is removed in place, and the
// number of events that are already there is known, which is what lets a writer
// put several of them into one write. A connection is looked at before it is
// used again, so that a server that closed it meanwhile costs no failed
// question; after the end of an answer the rest of its body is read when it is
// there, never waited for by the one who got the answer.
//
// # Secrets
//
// Neither a key nor an address is ever in the Message of an error, and a key
// not in its Cause either, even where a server repeats it.
package upstream

import (
	"context"
	"crypto/tls"
	"net"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Upstream puts questions to one channel with one key. It is safe for
// concurrent use.
type Upstream interface {
	// Open sends req, whose Model is the back end's name of the model, and
	// returns when the back end may begin to answer. ctx bounds the whole life
	// of the stream, not only Open. The error is always a *translate.Error.
	//
	// A stream of an exchange with req.PassThrough has Raw on one event of each
	// frame; a frame that means nothing is a KindOpaque event. An answer that
	// came whole though a stream was asked for, or the other way round, has no
	// Raw at all: its bytes are not what the client waits for.
	Open(ctx context.Context, req *translate.Request) (translate.Stream, error)
	// Close ends idle connections now and busy ones when their answers end.
	// Open fails from then on.
	Close() error
}

// Options are settings that a channel's configuration does not have. The gateway uses the
// zero value.
type Options struct {
	// Trace, if not nil, is shown every message as it goes out ('>') and the
	// pieces of answers as they come in ('<'). Headers and first frames, which
	// carry the key, are not shown. data is valid during the call only. It may
	// be called concurrently.
	Trace func(dir byte, data []byte)
	// TLS is the configuration for https and wss addresses. nil verifies the
	// server against the roots of the system.
	TLS *tls.Config
	// Dial makes the connections under everything, to host:port. nil dials TCP by
	// whatever IP version works first. It may be called concurrently, and returns
	// soon after ctx has ended.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Chance draws a number below n, for the jitter of waits. nil is math/rand.
	Chance func(n int64) int64
}

func (o Options) trace(dir byte, data []byte) {
	if o.Trace != nil {
		o.Trace(dir, data)
	}
}

// tlsConfig returns what a connection to host is made with.
func (o Options) tlsConfig(host string) *tls.Config {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.TLS != nil {
		conf = o.TLS.Clone()
	}
	if conf.ServerName == "" {
		conf.ServerName = host
	}
	if conf.ClientSessionCache == nil {
		conf.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	conf.NextProtos = []string{"http/1.1"} // a server that speaks nothing of it says so
	return conf
}
