package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/conn"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
)

type serveCommand struct {
	File    string `short:"c" name:"config" help:"The configuration file. Default: dragoman.yaml if it is there, else a quick start with a built-in model."`
	Listen  string `help:"Listen here instead of where the file says."`
	Verbose bool   `short:"v" help:"Log what is normally not worth a line."`
}

// Run serves until ctx ends, then lets running answers finish.
func (c *serveCommand) Run(ctx context.Context, s environment) error {
	defer s.heed()() // at once: the system ends a process that does not
	lines := newLogBuffer(s.err)
	defer lines.flush()
	log := slog.New(newLineHandler(lines, c.level()))
	defer tendCollector(os.LookupEnv)()

	conf, from, demo, err := findConfiguration(c.File)
	if err != nil {
		return err
	}
	if c.Listen != "" {
		conf.Listen = c.Listen
	}
	warn(log, conf)

	// Connections of clients, channels and the store all need descriptors.
	if was, is := conn.RaiseDescriptors(); is > 0 {
		log.Info("descriptors", "limit", is, "before", was)
	}

	line, ln, adminLn, err := takePlaces(conf, demo != "")
	if err != nil {
		return err
	}
	defer func() { _ = errors.Join(ln.Close(), adminLn.Close(), line.Close()) }()

	// The store comes before everything that keeps conversations in it, and is
	// closed after all of that.
	st, lock, release, err := openStore(conf.Store.URL, line, log)
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
	common, err := openShared(conf.Shared.URL, log)
	if err != nil {
		return err
	}
	defer common.close()

	options := common.options()
	options.Sole = lock != nil
	g, err := proxy.New(conf, st, openUpstream, log, options)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
	g.Share(line.Before())
	common.start(g)

	watch := watchStore(st, log)
	defer watch.close()
	server := front.New(conf, g, log)
	server.StoreUp = watch.up
	book := c.book(conf, from, g, server, log)
	book.Start()
	defer book.Close()

	// Operators come before the first question and stay until the last one has
	// ended: a drain is when they look.
	op, err := startOperator(conf, adminLn, admin.Options{Gateway: g, Book: book, Shared: common.stats(), Clients: holders(server), Sockets: sockets{server}, Health: healthOf(server, watch), Log: log})
	if err != nil {
		return err
	}
	defer op.stop()

	super := newNotifier(os.LookupEnv, log)
	defer super.close()
	if err := server.Listen(ln); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { defer close(served); served <- server.Accept() }()

	greet(s.out, conf, ln.Addr().String(), demo)
	op.greet(s.out, demo != "")
	if err := line.Ready(); err != nil {
		return err
	}
	super.ready()
	v := &service{line: line, lock: lock, g: g, server: server, op: op, book: book, super: super, log: log, served: served}
	return v.untilEnd(ctx, s)
}

// level is from which on lines are worth logging.
func (c *serveCommand) level() slog.Level {
	if c.Verbose {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

func openUpstream(conf *config.Channel, key string) (proxy.Upstream, error) {
	return upstream.New(conf, key, upstream.Options{})
}
