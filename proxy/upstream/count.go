package upstream

import (
	"context"
	"errors"
	"io"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/anthropic"
	"github.com/dragoman-gateway/dragoman/translate/gemini"
)

// counter is a channel that also tells how many tokens a question has.
type counter struct {
	Upstream
	counts Upstream
}

// newCounter returns a channel of kind r that is asked for counts as r says too. What counts has
// connections of its own, so that it waits for no answer.
func newCounter(conf *config.Channel, key string, o Options, r, counts route) (Upstream, error) {
	answers, err := newHTTP(conf, key, o, r)
	if err != nil {
		return nil, err
	}
	up, err := newHTTP(conf, key, o, counts)
	return &counter{answers, up}, err
}

// newAnthropic returns a channel of that kind.
func newAnthropic(conf *config.Channel, key string, o Options) (Upstream, error) {
	r := route{
		dialect: anthropic.Dialect, whole: "/messages", stream: "/messages", auth: "x-api-key",
		headers: [][2]string{{"anthropic-version", "2023-06-01"}}, beta: "anthropic-beta", needs: []string{"max_tokens"},
	}
	const path = "/messages/count_tokens"
	counts := r
	counts.dialect, counts.whole, counts.stream = anthropic.Counting, path, path
	return newCounter(conf, key, o, r, counts)
}

// newGemini returns a channel of that kind.
func newGemini(conf *config.Channel, key string, o Options) (Upstream, error) {
	r := route{dialect: gemini.Dialect, auth: "x-goog-api-key"}
	counts := r
	counts.dialect = gemini.Counting
	return newCounter(conf, key, o, r, counts)
}

// Count returns how many tokens req has. The error is always a *translate.Error.
func (c *counter) Count(ctx context.Context, req *translate.Request) (tokens int, err error) {
	whole := *req
	whole.Stream = false
	s, err := c.counts.Open(ctx, &whole)
	if err != nil {
		return 0, err
	}
	defer func() { _ = s.Close() }()
	for {
		ev, err := s.Next()
		if errors.Is(err, io.EOF) {
			return tokens, nil
		}
		if err != nil {
			return 0, err
		}
		tokens = int(max(int64(tokens), ev.Usage.Input))
		req.Dropped = whole.Dropped
	}
}

// Close implements Upstream.
func (c *counter) Close() error {
	_ = c.counts.Close()
	return c.Upstream.Close()
}
