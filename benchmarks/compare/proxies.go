//go:build unix

package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

func timesOf(n int) time.Duration { return time.Duration(n) }

// proxy starts what a target goes through. It is nil for the model itself.
func (b *bench) proxy(ctx context.Context, s scenario, t target) (addr string, p *process, err error) {
	if t.Proxy == "direct" {
		return b.addr, nil, nil
	}
	if addr, err = freeAddr(); err != nil {
		return "", nil, err
	}
	var args []string
	switch t.Proxy {
	case "bare":
		args = []string{b.path("bareproxy"), "-listen", addr, "-to", b.addr}
	case "nginx":
		if err := b.writeNginx(addr, s.Buffers); err != nil {
			return "", nil, err
		}
		args = []string{b.nginx, "-p", b.dir, "-c", b.path("nginx.conf"), "-e", b.path("nginx-errors.log")}
	case "dragoman":
		if err := b.writeDragoman(addr, s, t); err != nil {
			return "", nil, err
		}
		args = []string{cmp.Or(t.Binary, b.path("dragoman")), "serve", "-c", b.path("dragoman.yaml")}
	}
	if p, err = b.start(proxyCore, nil, args...); err != nil {
		return "", nil, err
	}
	err = p.await(ctx, addr)
	if err == nil && t.Proxy == "nginx" {
		err = p.awaitChild(ctx)
	}
	if err != nil {
		p.stop()
		return "", nil, err
	}
	return addr, p, nil
}

// writeNginx writes the least configuration with kept connections to the model.
func (b *bench) writeNginx(addr string, buffers bool) error {
	buffering := "off"
	if buffers {
		buffering = "on"
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;\n"
	}
	text := fmt.Sprintf(`daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid %[1]s/nginx.pid;
%[5]sevents { worker_connections 16384; }
http {
  access_log off;
  client_body_temp_path %[1]s/nginx-body;
  proxy_temp_path %[1]s/nginx-proxy;
  fastcgi_temp_path %[1]s/nginx-fastcgi;
  uwsgi_temp_path %[1]s/nginx-uwsgi;
  scgi_temp_path %[1]s/nginx-scgi;
  keepalive_requests 1000000000;
  upstream model { server %[2]s; keepalive 4096; keepalive_requests 1000000000; }
  server {
    listen %[3]s backlog=4096;
    location / {
      proxy_pass http://model;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering %[4]s;
      proxy_read_timeout 600s;
    }
  }
}
`, b.dir, b.addr, addr, buffering, user)
	return os.WriteFile(b.path("nginx.conf"), []byte(text), 0o600)
}

// writeDragoman writes a configuration with a channel of every kind, one caller
// and the log on; that of now with what is added.
func (b *bench) writeDragoman(addr string, s scenario, t target) (err error) {
	if b.operator, err = freeAddr(); err != nil {
		return err
	}
	store := "memory:"
	if s.Store == "sqlite" {
		store = "sqlite:" + b.path("turns.db")
		for _, name := range []string{"turns.db", "turns.db-wal", "turns.db-shm"} {
			_ = os.Remove(b.path(name))
		}
	}
	_ = os.Remove(b.path("dragoman.yaml.history")) // each start is the first
	text := &strings.Builder{}
	fmt.Fprintf(text, "listen: %s\nadmin: {listen: %q, token: %s}\nstore: {url: %q}\ndrain: 0s\n", addr, b.operator, operatorToken, store)
	if t.Binary == "" {
		text.WriteString(b.added.configuration())
	}
	fmt.Fprintf(text, "callers: {keys: [{name: bench, key: %s}]}\nchannels:\n", key)
	for _, c := range []struct{ kind, url string }{
		{"openai", "http://" + b.addr + "/v1"}, {"anthropic", "http://" + b.addr + "/v1"}, {"rest", "http://" + b.addr},
		{"iagent", "ws://" + b.addr + "/ws/v1/chat"}, {"mock", ""},
	} {
		at := ""
		if c.url != "" {
			at = fmt.Sprintf("url: %q, keys: [k], ", c.url)
		}
		fmt.Fprintf(text, "  - {id: %s, kind: %s, %smodels: [%s]}\n", c.kind, c.kind, at, prefixes[c.kind]+s.Model)
	}
	return os.WriteFile(b.path("dragoman.yaml"), []byte(text.String()), 0o600)
}
