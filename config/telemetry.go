package config

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Share is the part of exchanges that have a line in the log, from 0 to 1. A zero Log is the
// default, 1; ok is false where Requests is no share.
func (l *Log) Share() (share float64, ok bool) {
	switch l.Requests {
	case "", "on":
		return 1, true
	case "off":
		return 0, true
	}
	share, err := strconv.ParseFloat(l.Requests, 64)
	return share, err == nil && share >= 0 && share <= 1
}

// log checks how the log is written.
func (k *checker) log() {
	k.choice("log.format", k.Log.Format, "text", "json")
	k.choice("log.level", k.Log.Level, "debug", "info", "warn", "error")
	if _, ok := k.Log.Share(); !ok && !k.failed("log.requests") {
		k.add("log.requests", "want on, off, or a share from 0 to 1 such as 0.1")
	}
}

// traces checks where spans go.
func (k *checker) traces() {
	t := &k.Traces
	if t.Endpoint != "" {
		k.collector(t.Endpoint)
	}
	if t.Sample != nil && *t.Sample > 1 {
		k.add("traces.sample", "must be at most 1: it is a share")
	}
	k.collectorHeaders(t.Headers)
	if t.Timeout < 0 {
		k.add("traces.timeout", "must not be negative")
	}
	k.name("traces.service", t.Service)
}

// collector checks the address of a collector.
func (k *checker) collector(endpoint string) {
	k.url("traces.endpoint", endpoint, true, "http", "https")
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
	case u.User != nil:
		k.add("traces.endpoint", "must hold neither a user nor a password; use traces.headers")
	case u.RawQuery != "" || u.ForceQuery:
		k.add("traces.endpoint", "must not hold a query; use traces.headers")
	}
}

// collectorHeaders checks what is sent to a collector besides spans. Unlike a channel's
// headers it may be a credential.
func (k *checker) collectorHeaders(headers map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		at := child("traces.headers", name)
		switch {
		case !headerName(name):
			k.add(at, "is no name of a header")
		case reserved(name):
			k.add(at, "is set by the gateway itself")
		}
		if err := headerValue(headers[name]); err != nil {
			k.add(at, "%s", err)
		}
	}
}

// reserved reports whether a request to a collector has the header anyway.
func reserved(name string) bool {
	low := strings.ToLower(name)
	return notHeaders[low] == ofFraming || notHeaders[low] == ofConnection || low == "host"
}
