package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/admin/console"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/certs"
	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/internal/handover"
	"github.com/dragoman-gateway/dragoman/proxy/front"
)

// operatorWait is how long requests of operators may still run after everything else
// has stopped.
const operatorWait = time.Second

// operatorConnections is how many connections operators may have open at once: theirs
// count apart from those of clients, and must not take the descriptors of these.
const operatorConnections = 64

// operator is the operator's side while it serves.
type operator struct {
	ln     net.Listener
	scheme string // http or https
	server *admin.Server
	served chan error
	token  string
	fresh  bool   // the token was made just now
	file   string // where it is kept; empty: nowhere, or it is the configured one
	page   bool   // the console is in this binary
}

// listenForOperator takes the address of the operator's side. A quick start takes
// another one if that is in use: nobody has chosen it.
func listenForOperator(line *handover.Process, conf *config.Config, quick bool) (net.Listener, error) {
	ln, err := line.Listen(handover.Operators, conf.Admin.Listen)
	if err != nil && quick {
		ln, err = line.Listen(handover.Operators, "127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen for operators (admin.listen): %w", err)
	}
	return ln, nil
}

// startOperator begins to answer on ln as conf and side say. Whoever calls it calls stop.
func startOperator(conf *config.Config, ln net.Listener, side admin.Options) (*operator, error) {
	o := &operator{ln: ln, served: make(chan error, 1), token: conf.Admin.Token}
	if o.token == "" {
		var err error
		o.file = admin.TokenFile(storeFile(conf.Store.URL))
		if o.token, o.fresh, err = admin.EnsureToken(o.file); err != nil {
			return nil, fmt.Errorf("cannot keep the operator's token: %w", err)
		}
	}
	page, err := console.New()
	if err != nil {
		return nil, fmt.Errorf("cannot read the console's files: %w", err)
	}
	if o.page = page != nil; o.page {
		side.Console = page
	}
	scheme, ln, err := secured(conf, ln, side.Log)
	if err != nil {
		return nil, err
	}
	o.scheme = scheme
	side.Token, side.ReadToken, side.Listen = o.token, conf.Admin.ReadToken, conf.Admin.Listen
	o.server = admin.New(side)
	bounded := conn.Listen(ln, conn.Options{Total: min(operatorConnections, max(4, conn.Descriptors()/32)), Log: side.Log.With("side", "operators")})
	go func() { o.served <- o.server.Serve(bounded) }()
	return o, nil
}

// secured is ln behind TLS, if conf has a certificate for operators.
func secured(conf *config.Config, ln net.Listener, log *slog.Logger) (scheme string, over net.Listener, err error) {
	if conf.Admin.TLS.Cert == "" {
		return "http", ln, nil
	}
	files, err := certs.Open(certs.Files{Cert: conf.Admin.TLS.Cert, Key: conf.Admin.TLS.Key, ClientCA: conf.Admin.ClientCA}, log)
	if err != nil {
		return "", nil, fmt.Errorf("cannot serve TLS to operators (admin.tls): %w", err)
	}
	return "https", tls.NewListener(ln, files.Config()), nil
}

// holders tells operators what clients of server hold open.
func holders(server *front.Server) func() admin.Clients {
	return func() admin.Clients {
		connections, sockets, streams := server.Open()
		return admin.Clients{Connections: connections, Sessions: sockets + streams, Streams: streams}
	}
}

// healthOf tells operators whether server has started, its store takes changes, and which
// configuration it has.
func healthOf(server *front.Server, watch *storeWatch, common *shared, sum *digest) func() admin.Health {
	return func() admin.Health {
		return admin.Health{Starting: server.Starting(), Stopping: server.Stopping(), Store: watch.up(), Configuration: sum.String(), Differing: common.differing()}
	}
}

// leave leaves new connections to another process, which has the same listening socket.
// Requests that run are answered, and streams of events end.
func (o *operator) leave() {
	_ = o.ln.Close()
	o.server.Leave()
}

// stop ends the operator's side and waits for it.
func (o *operator) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), operatorWait)
	defer cancel()
	o.server.Shutdown(ctx)
	<-o.served
}

// greet says where the operator's side is. A token is printed when it was made and,
// since nobody has a file yet, at every quick start.
func (o *operator) greet(w io.Writer, quick bool) {
	known := o.fresh || quick && o.file != ""
	fmt.Fprintf(w, "\n  operators   %s://%s\n", o.scheme, o.ln.Addr())
	if o.page {
		o.greetConsole(w, known)
	}
	switch {
	case known:
		fmt.Fprintf(w, "  token       %s", o.token)
		if o.file != "" {
			fmt.Fprintf(w, "   (kept in %s)", o.file)
		}
		fmt.Fprintln(w)
	case o.file != "":
		fmt.Fprintf(w, "  token       in %s\n", o.file)
	}
}

// greetConsole prints the address of the console, with the token where that is printed anyway. It is in the
// fragment, which no browser sends, and which the page takes out of the address bar.
func (o *operator) greetConsole(w io.Writer, known bool) {
	signIn := ""
	if known {
		signIn = "#token=" + o.token
	}
	fmt.Fprintf(w, "  console     %s://%s/%s\n", o.scheme, o.ln.Addr(), signIn)
}

// sockets tells operators of the sockets of a server.
type sockets struct{ of *front.Server }

func (s sockets) Counts() (all []admin.SocketCount) {
	for _, c := range s.of.Sockets() {
		all = append(all, admin.SocketCount(c))
	}
	return all
}

func (s sockets) Open() (all []admin.Socket) {
	for _, k := range s.of.OpenSockets() {
		all = append(all, admin.Socket(k))
	}
	return all
}

func (s sockets) Close(id string) bool { return s.of.CloseSocket(id) }
