package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/translate/dialects"
)

type serveCommand struct {
	File    string
	Listen  string
	Verbose bool
}

func (c *serveCommand) describe() *cobra.Command {
	cmd := &cobra.Command{Use: "serve", Short: "Serve all fronts. Without a file: a quick start that needs none."}
	flags := cmd.Flags()
	flags.VarP(text{into: &c.File}, "config", "c", "The configuration file. Default: dragoman.yaml if it is there, else a quick start with a built-in model.")
	flags.Var(text{into: &c.Listen}, "listen", "Listen here instead of where the file says.")
	switchable(flags, &c.Verbose, "verbose", "v", "Log what is normally not worth a line.")
	return cmd
}

// Run serves until ctx ends, then lets running answers finish.
func (c *serveCommand) Run(ctx context.Context, s environment) error {
	defer s.heed()() // at once: the system ends a process that does not
	lines := newLogBuffer(s.err)
	defer lines.flush()
	tells := newTelemetry(lines, c.Verbose)
	defer tells.close() // behind the gateway, whose last exchanges have spans too
	log := tells.log
	defer tendCollector(os.LookupEnv)()

	conf, from, demo, err := findConfiguration(c.File)
	if err != nil {
		return err
	}
	if c.Listen != "" {
		conf.Listen = c.Listen
	}
	tells.apply(conf)

	// Connections of clients, channels and the store all need descriptors.
	tellDescriptors(log, conn.RaiseDescriptors)

	at, err := takePlaces(conf, demo != "")
	if err != nil {
		return err
	}
	defer func() { _ = at.leave() }()

	// The store comes before everything that keeps conversations in it, and is
	// closed after all of that.
	st, lock, release, err := openStore(conf.Store.URL, at.line, log)
	if err != nil {
		return err
	}
	defer release()
	if demo != "" {
		if err := letSignIn(conf); err != nil {
			return err
		}
	}

	// What is shared comes before the questions that are counted there, and ends after
	// the last of them is settled.
	common, err := openShared(conf.Shared, log)
	if err != nil {
		return err
	}
	defer common.close()

	options := common.options()
	options.Sole, options.Tracer, options.Endpoints = lock != nil, tells.tracer, dialects.Endpoints
	g, err := proxy.New(conf, st, openUpstream, log, options)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	g.Share(at.line.Before())

	watch := watchStore(st, log)
	defer watch.close()
	server := front.New(conf, g, log)
	server.StoreUp = watch.up
	common.serve(server)
	book := c.book(conf, from, g, server, tells)
	book.Start()
	defer book.Close()
	sum := &digest{config: book.Config}
	common.start(g, sum)

	// Operators come before the first question and stay until the last one has
	// ended: a drain is when they look.
	op, err := startOperator(conf, at.operators, admin.Options{Gateway: g, Book: book, Shared: common.stats(), Clients: holders(server), Sockets: sockets{server}, Playground: newPlayground(g, book, at.fronts.Addr()), Health: healthOf(server, watch, common, sum), Spans: tells.spans, Log: log})
	if err != nil {
		return err
	}
	defer op.stop()

	super := newNotifier(os.LookupEnv, log)
	defer super.close()
	if at.ollama != nil {
		server.ListenOllama(at.ollama)
	}
	if err := server.Listen(at.fronts); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { defer close(served); served <- server.Accept() }()

	greet(s.out, conf, at.fronts.Addr().String(), demo)
	op.greet(s.out, demo != "")
	if err := at.line.Ready(); err != nil {
		return err
	}
	super.ready()
	v := &service{line: at.line, lock: lock, g: g, server: server, op: op, book: book, super: super, log: log, served: served}
	return v.untilEnd(ctx, s)
}

// tellDescriptors says in the log what raise has made of the limit of descriptors, where that is news.
func tellDescriptors(log *slog.Logger, raise func() (was, is int)) {
	switch was, is := raise(); {
	case is > was:
		log.Info("more connections and files may be open at once than the system had set: the limit of descriptors is raised", "limit", is, "before", was)
	case is > 0:
		log.Debug("the limit of descriptors is the highest that the system allows", "limit", is)
	}
}

func openUpstream(conf *config.Channel, key string) (proxy.Upstream, error) {
	return upstream.New(conf, key, upstream.Options{})
}
