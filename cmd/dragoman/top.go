package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

const (
	topAgain   = time.Second      // after the gateway was lost
	topSilence = 15 * time.Second // without an event, after which it counts as lost
	topEvent   = 16 << 20         // bytes of an event at most
)

type topCommand struct {
	File string
	Once bool
	operators
}

func (c *topCommand) describe() *cobra.Command {
	cmd := &cobra.Command{Use: "top", Short: "Show how a running gateway and its channels stand, live."}
	flags := cmd.Flags()
	flags.VarP(text{into: &c.File}, "config", "c", "The configuration file, which says where the gateway listens for operators. Default: dragoman.yaml if it is there.")
	c.address(flags, "; the read token is enough")
	switchable(flags, &c.Once, "once", "", "Print how things stand now, and end. So does a standard output that is no terminal.")
	c.identity.flags(flags)
	return cmd
}

// Run shows how the gateway and its channels stand, until it is interrupted.
func (c *topCommand) Run(ctx context.Context, s environment) error {
	to := &explainCommand{File: c.File, operators: c.operators}
	conf, err := to.configuration()
	if err != nil {
		return err
	}
	v := &topView{}
	if v.address, _, err = to.reach(conf); err != nil {
		return err
	}
	if c.Once || !isTerminal(s.out) {
		if err := v.fetch(ctx, to, conf); err != nil {
			return err
		}
		_, err = io.WriteString(s.out, strings.Join(v.lines(time.Now(), topWide, topTall), "\n")+"\n")
		return err
	}
	p := newPainter(s.out)
	defer p.leave()
	return v.follow(ctx, to, conf, p)
}

// fetch asks for everything once.
func (v *topView) fetch(ctx context.Context, to *explainCommand, conf *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	var overview struct {
		Overview json.RawMessage `json:"overview"`
		Points   []admin.Point   `json:"points"`
	}
	for path, into := range map[string]any{"/api/overview": &overview, "/api/channels": &v.channels, "/api/exchanges?limit=20": &v.ended} {
		text, err := to.call(ctx, conf, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return fmt.Errorf("the gateway's answer cannot be read: %w", err)
		}
	}
	v.points = overview.Points
	return json.Unmarshal(overview.Overview, &v.overview)
}

// follow shows what the stream of events brings, and opens it anew, from where it broke off,
// when the gateway is gone.
func (v *topView) follow(ctx context.Context, to *explainCommand, conf *config.Config, p *painter) error {
	for ctx.Err() == nil {
		err := v.listen(ctx, to, conf, p)
		switch refused := (*refusedCall)(nil); {
		case ctx.Err() != nil:
			return nil
		case p.broken != nil:
			return p.broken
		case errors.As(err, &refused) && refused.status < 500 && refused.status != http.StatusTooManyRequests:
			return err
		}
		if v.lost(err, time.Now()); p.paint(v) != nil {
			return p.broken
		}
		select {
		case <-time.After(topAgain):
		case <-ctx.Done():
		}
	}
	return nil
}

// listen opens the stream, fetches how all stands, reads events until the stream ends, and
// paints once a second. Fetched before it is open, what ends in between would be missing.
func (v *topView) listen(ctx context.Context, to *explainCommand, conf *config.Config, p *painter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	body, err := to.open(ctx, conf, "/api/events", v.cursor)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if err := v.fetch(ctx, to, conf); err != nil {
		return err
	}
	v.gone, v.since = nil, time.Time{}
	_ = p.paint(v) // a terminal that is gone is seen at the next one
	quiet := time.AfterFunc(topSilence, func() {
		defer func() { _ = recover() }()
		cancel()
	})
	defer quiet.Stop()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, topEvent)
	kind, id := "", ""
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ": ")
		switch key {
		case "id":
			id = value
		case "event":
			kind = value
		case "data":
			quiet.Reset(topSilence)
			v.cursor = id
			if err := v.take(kind, value); err != nil {
				return err
			}
			if kind == "overview" && p.paint(v) != nil { // it comes once a second
				return p.broken
			}
		}
	}
	if err := lines.Err(); err != nil && ctx.Err() == nil {
		return err
	}
	return errors.New("the stream of events has ended")
}

// take takes in an event. Kinds that are not known here are left out.
func (v *topView) take(kind, data string) error {
	var into any
	var one journal.Summary
	var point admin.Point
	switch kind {
	case "overview":
		into = &v.overview
	case "channels":
		v.channels.Channels = nil // what is left out of one must not stay
		into = &v.channels
	case "exchange":
		into = &one
	case "point":
		into = &point
	default:
		return nil
	}
	if err := json.Unmarshal([]byte(data), into); err != nil {
		return fmt.Errorf("an event cannot be read: %w", err)
	}
	switch kind {
	case "exchange":
		if len(v.ended.Exchanges) > 0 && one.Cursor <= v.ended.Exchanges[0].Cursor {
			return nil // it was fetched
		}
		v.ended.Exchanges = append([]journal.Summary{one}, v.ended.Exchanges[:min(len(v.ended.Exchanges), topEnded-1)]...)
	case "point":
		v.points = append(v.points[max(0, len(v.points)-journal.Slots+1):], point)
	}
	return nil
}

// lost notes why the gateway is gone, and since when.
func (v *topView) lost(err error, now time.Time) {
	if v.gone = err; v.since.IsZero() {
		v.since = now
	}
}

// topView is what is shown.
type topView struct {
	address  string
	cursor   string
	overview admin.Overview
	channels struct {
		Channels []proxy.ChannelState `json:"channels"`
	}
	ended struct {
		Exchanges []journal.Summary `json:"exchanges"`
	}
	points []admin.Point
	gone   error     // nil: it answers
	since  time.Time // when it was lost; zero: it was not
}

// painter shows lines on a terminal, on a screen of its own.
type painter struct {
	out    io.Writer
	colour bool
	broken error
}

func newPainter(out io.Writer) *painter {
	p := &painter{out: out, colour: os.Getenv("NO_COLOR") == ""}
	p.write("\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J") // another screen, no cursor, no line goes on in the next
	return p
}

// leave shows the screen that was there before.
func (p *painter) leave() { p.write("\x1b[?7h\x1b[?25h\x1b[?1049l") }

func (p *painter) write(text string) {
	if _, err := io.WriteString(p.out, text); err != nil && p.broken == nil {
		p.broken = fmt.Errorf("show it: %w", err)
	}
}

// paint shows v, in as much room as there is now.
func (p *painter) paint(v *topView) error {
	wide, tall := sizeOf(p.out)
	var text strings.Builder
	text.WriteString("\x1b[H")
	for i, line := range v.lines(time.Now(), wide, tall) {
		if i > 0 {
			text.WriteString("\r\n")
		}
		if p.colour {
			line = coloured(line)
		}
		text.WriteString(line + "\x1b[K")
	}
	text.WriteString("\x1b[J")
	p.write(text.String())
	return p.broken
}
