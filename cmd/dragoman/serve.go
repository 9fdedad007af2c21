package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/front"
	"github.com/dragoman-gateway/dragoman/proxy/upstream"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

// standardFile is the configuration that serve looks for when none is named.
const standardFile = "dragoman.yaml"

type serveCommand struct {
	File    string `short:"c" name:"config" help:"The configuration file. Default: dragoman.yaml if it is there, else a quick start with a built-in model."`
	Listen  string `help:"Listen here instead of where the file says."`
	Verbose bool   `short:"v" help:"Log what is normally not worth a line."`
}

// Run serves until ctx ends, then lets running answers finish.
func (c *serveCommand) Run(ctx context.Context, s surroundings) error {
	level := slog.LevelInfo
	if c.Verbose {
		level = slog.LevelDebug
	}
	lines := newLogBuffer(s.err)
	defer lines.flush()
	log := slog.New(slog.NewTextHandler(lines, &slog.HandlerOptions{Level: level}))
	defer tendCollector(os.LookupEnv)()

	conf, demo, err := c.configuration()
	if err != nil {
		return err
	}
	if c.Listen != "" {
		conf.Listen = c.Listen
	}
	for _, n := range conf.Notices() {
		log.Warn("configuration", "what", n.Message, "key", n.Path)
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
	st, err := embedded.Open(conf.Store.URL)
	if err != nil {
		return fmt.Errorf("cannot open the store: %w", err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			log.Error("store", "why", err)
		}
	}()

	g, err := proxy.New(conf, st, openUpstream, log, proxy.Options{})
	if err != nil {
		return err
	}
	defer func() { _ = g.Close() }()

	// Operators come before the first question and stay until the last one has
	// ended: a drain is when they look.
	op, err := startOperator(conf, g, adminLn, log)
	if err != nil {
		return err
	}
	defer op.stop()

	server := front.New(conf, g, log)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()

	greet(s.out, conf, ln.Addr().String(), demo)
	op.greet(s.out, demo != "")

	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping", "drain", conf.Drain)
	drain, cancel := context.WithTimeout(context.Background(), conf.Drain)
	defer cancel()
	server.Shutdown(drain)
	return <-served
}

// configuration reads the file that was named or found. demo is the key that was
// made for a quick start, else empty.
func (c *serveCommand) configuration() (conf *config.Config, demo string, err error) {
	if c.File != "" {
		conf, err = loadFile(c.File)
		return conf, "", err
	}
	conf, err = loadFile(standardFile)
	if errors.Is(err, fs.ErrNotExist) {
		return quickStart(os.LookupEnv)
	}
	return conf, "", err
}

func openUpstream(conf *config.Channel, key string) (proxy.Upstream, error) {
	return upstream.New(conf, key, upstream.Options{})
}
