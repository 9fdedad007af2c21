// Package config is the configuration file: its shape, how it is read and what
// is wrong with it. It knows no other package of the project.
package config

import "time"

// Config is the whole file. The zero value of a field means its default, which
// Load fills in; so a Config from Load has no unset defaults.
//
// In the struct tags, yaml is the key, default what Load fills in, min the
// least number that the file may say (0 where there is no min), and secret
// marks what must not be empty and is never shown in a message.
type Config struct {
	// Listen is the address of all fronts. Default 127.0.0.1:8080.
	Listen string `yaml:"listen" default:"127.0.0.1:8080"`
	// Prefix is put before every path of every front, for example /chatai.
	// Default empty.
	Prefix string `yaml:"prefix"`
	TLS    TLS    `yaml:"tls"`
	Admin  Admin  `yaml:"admin"`
	Store  Store  `yaml:"store"`
	Shared Shared `yaml:"shared"`

	Callers Callers           `yaml:"callers"`
	Limits  map[string]Limit  `yaml:"limits"`
	Presets map[string]Preset `yaml:"presets"`

	Channels []Channel `yaml:"channels"`
	// Fallbacks name, for a model, the models that may answer in its place when
	// none of its own channels can.
	Fallbacks map[string][]string `yaml:"fallbacks"`
	// Balance chooses among channels of one tier: p2c, weighted, busy or hash.
	// Default p2c.
	Balance  string   `yaml:"balance" default:"p2c"`
	Timeouts Timeouts `yaml:"timeouts"`

	// TrustedProxies are the networks (CIDR, or one address) whose
	// X-Forwarded-For is believed. Default none.
	TrustedProxies []string `yaml:"trusted_proxies"`

	Rest      Rest   `yaml:"rest"`
	IAgent    IAgent `yaml:"iagent"`
	OpenAI    HTTP   `yaml:"openai"`
	Anthropic HTTP   `yaml:"anthropic"`

	// Drain is how long running answers may go on after a signal to stop; an
	// explicit 0s cuts them at once. Default 30s.
	Drain time.Duration `yaml:"drain"`

	from source // where the values stand in the file
}

// TLS names the certificate of all fronts; both or none.
type TLS struct {
	Cert string `yaml:"cert"` // PEM file
	Key  string `yaml:"key"`  // PEM file
}

// Admin is the operator's side.
type Admin struct {
	Listen string `yaml:"listen" default:"127.0.0.1:8081"` // default 127.0.0.1:8081
	Token  string `yaml:"token" secret:"yes"`
}

// Store says where conversations are kept.
type Store struct {
	// URL is "memory:" or "sqlite:PATH", PATH relative to the working directory.
	// Default sqlite:dragoman.db.
	URL string `yaml:"url" default:"sqlite:dragoman.db"`
}

// Shared is what several processes share.
type Shared struct {
	URL string `yaml:"url" secret:"yes"` // redis://…; default none
}

// Callers says who may ask.
type Callers struct {
	// Anonymous admits callers without a key; nil refuses them.
	Anonymous *Access `yaml:"anonymous"`
	Keys      []Key   `yaml:"keys"`
	JWT       *JWT    `yaml:"jwt"`
}

// Access is what a caller may do.
type Access struct {
	Limits string   `yaml:"limits"` // a name in Config.Limits; empty: no limit
	Models []string `yaml:"models"` // models and presets; empty: all
	Group  string   `yaml:"group"`
}

// Key is one caller with a key: exactly one of Key and KeySHA256.
type Key struct {
	Name      string `yaml:"name"` // unique; conversations belong to it
	Key       string `yaml:"key" secret:"yes"`
	KeySHA256 string `yaml:"key_sha256" secret:"yes"` // 64 hex digits
	// Expires is when the key stops working, RFC 3339; zero: never.
	Expires time.Time `yaml:"expires"`
	Access  `yaml:",inline"`
}

// JWT admits callers with a signed token: HS256, claims username and exp.
type JWT struct {
	Secret string `yaml:"secret" secret:"yes"`
	Access `yaml:",inline"`
}

// Limit is one named set of limits. It is read and checked; Rate's zero value
// means no such limit.
type Limit struct {
	Requests   Rate `yaml:"requests"`
	Tokens     Rate `yaml:"tokens"`
	Concurrent int  `yaml:"concurrent"`
	Shared     bool `yaml:"shared"` // one bucket for all callers that the rule names
	Queue      bool `yaml:"queue"`  // wait instead of being refused
}

// Rate is "N/s", "N/m", "N/h" or "N/d".
type Rate struct {
	N   int
	Per time.Duration
}

// Preset is a named model with a system prompt and parameters.
type Preset struct {
	Model       string   `yaml:"model"`
	System      string   `yaml:"system"`
	MaxTokens   *int     `yaml:"max_tokens" min:"1"`
	Temperature *float64 `yaml:"temperature"`
	TopP        *float64 `yaml:"top_p"`
	// History is how many earlier messages the model may see. Default 0: all.
	History int `yaml:"history"`
}

// Channel is one configured back end.
type Channel struct {
	ID   string `yaml:"id"`   // unique; in metrics and logs
	Kind string `yaml:"kind"` // chatnio, rest, iagent, openai, anthropic, mock
	// URL is the back end's base: https://api.openai.com/v1 (openai, anthropic:
	// with /v1), wss://api.chatnio.net (chatnio: with /api where the server has
	// it), http://127.0.0.1:3000 (rest: without /api), ws://host/ws/v1/chat
	// (iagent). mock has none.
	URL    string   `yaml:"url"`
	Keys   []string `yaml:"keys" secret:"yes"` // several: requests are spread over them
	Models []Model  `yaml:"models"`
	// Tier: lower is tried first. Default 1.
	Tier int `yaml:"tier" default:"1" min:"1"`
	// Weight is the channel's share inside its tier. Default 1.
	Weight int `yaml:"weight" default:"1" min:"1"`
	// Concurrent is how many requests may run at once. Default 0: no limit.
	Concurrent int      `yaml:"concurrent"`
	Timeouts   Timeouts `yaml:"timeouts"`
	// Fold is a Go text/template that makes one message out of the history for
	// rest and iagent channels. It sees .System, .History (.Role, .Text) and
	// .Message. Default: see proxy.
	Fold      string `yaml:"fold"`
	Transport string `yaml:"transport" default:"http1"` // http1 (default) or http2
	OnLeave   string `yaml:"on_leave" default:"cancel"` // cancel (default) or finish
	// Replay allows a question that may have reached the back end to be put to it
	// or to another one again. Default true.
	Replay *bool `yaml:"replay" default:"true"`
	// Connections is the size of an iagent pool. Default 4.
	Connections int    `yaml:"connections" default:"4" min:"1"`
	Agent       string `yaml:"agent"` // iagent: receiver_id where the model's upstream name says none
	Dials       Rate   `yaml:"dials"` // chatnio: dials per period; zero: slowed only after the server throttles
}

// Model is a model that a channel serves: "name", or {name, upstream}.
type Model struct {
	Name     string `yaml:"name"`     // what callers ask for
	Upstream string `yaml:"upstream"` // what the back end calls it. Default: Name
}

// Timeouts bound an answer. 0 means the default.
type Timeouts struct {
	Connect time.Duration `yaml:"connect"` // until the connection stands. Default 3s
	// Headers and First are "auto" or a duration: until the status line, and
	// until the first content. 0 is auto.
	Headers AutoDuration  `yaml:"headers"`
	First   AutoDuration  `yaml:"first"`
	Gap     time.Duration `yaml:"gap"`   // between contents. Default 30s
	Total   time.Duration `yaml:"total"` // of the whole answer. Default 10m
}

// AutoDuration is a duration, or 0 for "auto".
type AutoDuration time.Duration

// Rest has the settings of the rest front.
type Rest struct {
	SharedGroups bool `yaml:"shared_groups"`                   // one conversation for all members of a group
	MaxBody      Size `yaml:"max_body" default:"1MiB" min:"1"` // default 1MiB
}

// IAgent has the settings of the iagent front.
type IAgent struct {
	Groups string        `yaml:"groups" default:"always"` // always (default), addressed or never
	Name   string        `yaml:"name" default:"agent"`    // the default agent's id. Default "agent"
	Dedupe time.Duration `yaml:"dedupe" default:"5m"`     // default 5m
}

// HTTP has the settings of the openai and anthropic fronts.
type HTTP struct {
	MaxBody Size `yaml:"max_body" default:"32MiB" min:"1"` // default 32MiB
}

// Size is a number of bytes: 1048576, 1024KiB or 1MiB.
type Size int
