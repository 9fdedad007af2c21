package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dragoman-gateway/dragoman/admin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store/embedded"
	"github.com/dragoman-gateway/dragoman/translate/dialects"
)

// explainTime is how long the running gateway may take to answer.
const explainTime = 10 * time.Second

type explainCommand struct {
	Request  string
	Model    string
	Caller   string
	Nth      int
	Endpoint string
	Front    string
	File     string
	JSON     bool
	operators
}

// operators is how a command reaches the operators' side of a running gateway, where that is not as
// the file says.
type operators struct {
	URL   string
	Token string
	identity
}

// address puts the address and the token among flags; which is what else is to be said of the token.
func (o *operators) address(of *pflag.FlagSet, which string) {
	of.Var(text{into: &o.URL}, "url", "The operators' address of a running gateway, such as http://127.0.0.1:8081, instead of the file's.")
	of.Var(text{into: &o.Token, env: "DRAGOMAN_ADMIN_TOKEN"}, "token", "Its token, instead of the file's or the one beside the store"+which+".")
}

func (c *explainCommand) describe() *cobra.Command {
	cmd := &cobra.Command{
		Use:         "explain [<request-id>]",
		Short:       "Say why a question went where it went, or where one would go.",
		Annotations: map[string]string{"[<request-id>]": "What the answer's X-Request-Id or the log's id says."},
		Args:        arguments(&c.Request),
	}
	flags := cmd.Flags()
	flags.Var(text{into: &c.Model}, "model", "Foresee where a question for this model or preset would go; it is not asked.")
	flags.Var(text{into: &c.Caller}, "caller", "The configured caller who would ask, by name, or anonymous; with a request id, whose exchange is meant where several have it.")
	flags.Var(wholeNumber{into: &c.Nth}, "nth", "Which of several exchanges with the same request id is meant, from 1. Default: the oldest.")
	flags.Var(text{into: &c.Endpoint}, "endpoint", "The path beside chat that it would be asked at, such as /v1/embeddings.")
	flags.Var(text{into: &c.Front}, "front", "The dialect that it would be asked in.")
	flags.VarP(text{into: &c.File}, "config", "c", "The configuration file, which says where the gateway listens for operators. Where none answers there, the file alone is foreseen. Default: dragoman.yaml if it is there.")
	c.address(flags, "")
	switchable(flags, &c.JSON, "json", "", "Print JSON.")
	c.identity.flags(flags)
	return cmd
}

// identity is the certificate that a gateway with admin.client_ca wants to see.
type identity struct {
	Cert string
	Key  string
}

func (i *identity) flags(of *pflag.FlagSet) {
	of.Var(text{into: &i.Cert, env: "DRAGOMAN_ADMIN_CERT"}, "cert", "The PEM file of your certificate, where the gateway has admin.client_ca.")
	of.Var(text{into: &i.Key, env: "DRAGOMAN_ADMIN_CERT_KEY"}, "cert-key", "The PEM file of its key.")
}

// trust is how a gateway of conf is believed to be it: by the authorities of this system, or
// by the certificate that conf names.
func (i *identity) trust(conf *config.Config) (*tls.Config, error) {
	way := &tls.Config{}
	if conf.Admin.TLS.Cert != "" {
		way.RootCAs, _ = x509.SystemCertPool()
		if way.RootCAs == nil {
			way.RootCAs = x509.NewCertPool()
		}
		if text, err := os.ReadFile(conf.Admin.TLS.Cert); err == nil {
			way.RootCAs.AppendCertsFromPEM(text)
		}
	}
	if i.Cert == "" {
		return way, nil
	}
	pair, err := tls.LoadX509KeyPair(i.Cert, i.Key)
	if err != nil {
		return nil, fmt.Errorf("your certificate cannot be used: %w", err)
	}
	way.Certificates = []tls.Certificate{pair}
	return way, nil
}

// Run asks the running gateway, or foresees what the file alone says.
func (c *explainCommand) Run(ctx context.Context, s environment) error {
	foresees := c.Model != "" || c.Endpoint != ""
	if c.Request == "" && !foresees {
		return errors.New("want a request id, or --model")
	}
	if c.Request != "" && foresees {
		return errors.New("want a request id or --model, not both")
	}
	conf, err := c.configuration()
	if err != nil {
		return err
	}
	e, err := c.ask(ctx, conf)
	if c.Request == "" && c.File != "" && c.URL == "" && errors.Is(err, syscall.ECONNREFUSED) {
		fmt.Fprintf(s.err, "No gateway listens on %s: this is what the file alone says.\n", conf.Admin.Listen)
		e, err = c.foresee(ctx, conf)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		text, err := json.MarshalIndent(e, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(s.out, "%s\n", text)
		return err
	}
	return printExplanation(s.out, e)
}

// configuration is the file that was named or found; with --url there may be none.
func (c *explainCommand) configuration() (*config.Config, error) {
	if c.URL != "" && c.File == "" {
		return &config.Config{}, nil
	}
	conf, err := loadFile(cmp.Or(c.File, standardFile))
	if c.File == "" && errors.Is(err, fs.ErrNotExist) {
		conf, _, err = quickStart(func(string) (string, bool) { return "", false })
	}
	return conf, err
}

// foresee compiles conf and asks the result; nothing is started.
func (c *explainCommand) foresee(ctx context.Context, conf *config.Config) (*proxy.Explanation, error) {
	st, err := embedded.Open("memory:")
	if err != nil {
		return nil, err
	}
	defer func() { _ = st.Close() }()
	g, err := proxy.New(conf, st, openUpstream, slog.New(slog.DiscardHandler), proxy.Options{Endpoints: dialects.Endpoints})
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.Close() }()
	e, bad := g.Foresee(ctx, c.hypothesis())
	if bad != nil {
		return nil, bad
	}
	return e, nil
}

// hypothesis is the question that is not asked.
func (c *explainCommand) hypothesis() proxy.Hypothesis {
	return proxy.Hypothesis{Model: c.Model, Caller: c.Caller, Front: c.Front, Endpoint: c.Endpoint}
}

// ask asks the gateway that runs.
func (c *explainCommand) ask(ctx context.Context, conf *config.Config) (*proxy.Explanation, error) {
	ctx, cancel := context.WithTimeout(ctx, explainTime)
	defer cancel()
	method, path, body := http.MethodGet, "/api/explain/"+url.PathEscape(c.Request), []byte(nil)
	if q := (url.Values{}); c.Request != "" && (c.Caller != "" || c.Nth != 0) {
		if c.Caller != "" {
			q.Set("caller", c.Caller)
		}
		if c.Nth != 0 {
			q.Set("n", strconv.Itoa(c.Nth))
		}
		path += "?" + q.Encode()
	}
	if c.Request == "" {
		method, path = http.MethodPost, "/api/explain"
		var err error
		if body, err = json.Marshal(c.hypothesis()); err != nil {
			return nil, err
		}
	}
	text, err := c.call(ctx, conf, method, path, body)
	if err != nil {
		return nil, err
	}
	e := &proxy.Explanation{}
	return e, json.Unmarshal(text, e)
}

// call returns what the gateway that runs answers to one call of an operator.
func (c *explainCommand) call(ctx context.Context, conf *config.Config, method, path string, body []byte) ([]byte, error) {
	resp, err := c.send(ctx, conf, method, path, "", body)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(io.LimitReader(resp.Body, 4<<20))
}

// open returns a stream of events of the gateway that runs, from cursor on.
func (c *explainCommand) open(ctx context.Context, conf *config.Config, path, cursor string) (io.ReadCloser, error) {
	resp, err := c.send(ctx, conf, http.MethodGet, path, cursor, nil)
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// send puts one call to the gateway that runs, and returns its answer if that is a good one.
func (c *explainCommand) send(ctx context.Context, conf *config.Config, method, path, cursor string, body []byte) (*http.Response, error) {
	base, token, err := c.reach(conf)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if cursor != "" {
		r.Header.Set("Last-Event-ID", cursor)
	}
	way, err := c.trust(conf)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: way}}
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the gateway cannot be asked: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusUnauthorized && c.Token == "" {
		return nil, fmt.Errorf("%w: say it with --token or in DRAGOMAN_ADMIN_TOKEN", refusalOf(resp.StatusCode, text))
	}
	return nil, refusalOf(resp.StatusCode, text)
}

// reach is where the gateway listens for operators, and what opens it.
func (c *explainCommand) reach(conf *config.Config) (base, token string, err error) {
	base, token = strings.TrimRight(c.URL, "/"), cmp.Or(c.Token, conf.Admin.Token)
	if base == "" {
		host, port, err := net.SplitHostPort(conf.Admin.Listen)
		if err != nil {
			return "", "", err
		}
		if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		base = "http://" + net.JoinHostPort(host, port)
		if conf.Admin.TLS.Cert != "" {
			base = "https://" + net.JoinHostPort(host, port)
		}
	}
	if token != "" || conf.Store.URL == "" {
		return base, token, nil
	}
	file := admin.TokenFile(storeFile(conf.Store.URL))
	if file == "" {
		return base, "", nil
	}
	token, err = admin.ReadToken(file)
	if errors.Is(err, os.ErrNotExist) {
		return base, "", nil // it never ran; asking finds that out
	}
	return base, token, err
}

// refusedCall is a call that the gateway has refused.
type refusedCall struct {
	status int
	words  string
}

func (e *refusedCall) Error() string { return e.words }

func refusalOf(status int, text []byte) error {
	var body struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(text, &body) != nil || body.Error.Message == "" {
		return &refusedCall{status, fmt.Sprintf("the gateway answered with status %d: is this its address for operators?", status)}
	}
	return &refusedCall{status, fmt.Sprintf("%s (%s)", body.Error.Message, body.Error.Code)}
}
