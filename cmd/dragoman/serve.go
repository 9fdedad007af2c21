package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/config/revision"
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

	// The address is taken first: a second instance must fail before it touches
	// the store of the first.
	ln, err := net.Listen("tcp", conf.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen: %w", err)
	}
	defer func() { _ = ln.Close() }()
	adminLn, err := listenForOperator(conf, demo != "")
	if err != nil {
		return err
	}
	defer func() { _ = adminLn.Close() }()

	// The store comes before everything that keeps conversations in it, and is
	// closed after all of that.
	st, sole, release, err := openStore(conf.Store.URL, log)
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
	options.Sole = sole
	g, err := proxy.New(conf, st, openUpstream, log, options)
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()
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
	served := make(chan error, 1)
	go func() { defer close(served); served <- server.Serve(ln) }()

	greet(s.out, conf, ln.Addr().String(), demo)
	op.greet(s.out, demo != "")
	super.ready()

	broken := s.awaitEnd(ctx, served, book, log)
	wait := book.Config().Drain
	log.Info("stopping", "drain", wait)
	super.stopping(wait)
	shutDown(server, wait)
	if broken == nil {
		broken = <-served
	}
	return broken
}

// shutDown lets answers that run end within wait.
func shutDown(server *front.Server, wait time.Duration) {
	drain, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	server.Shutdown(drain)
}

// level is from which on lines are worth logging.
func (c *serveCommand) level() slog.Level {
	if c.Verbose {
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// awaitEnd returns when ctx ends, or with what served brings. Until then it has the
// configuration read again at each hangup.
func (s environment) awaitEnd(ctx context.Context, served <-chan error, book *revision.Book, log *slog.Logger) error {
	if s.hangups != nil {
		signal.Notify(s.hangups, syscall.SIGHUP)
		defer signal.Stop(s.hangups)
	}
	for {
		select {
		case err := <-served:
			log.Error("the fronts accept no more connections", "why", err)
			return err
		case <-s.hangups:
			_, _ = book.Reload(revision.Author{Name: "SIGHUP"}) // it says in the log what came of it
		case <-ctx.Done():
			return nil
		}
	}
}

func openUpstream(conf *config.Channel, key string) (proxy.Upstream, error) {
	return upstream.New(conf, key, upstream.Options{})
}
