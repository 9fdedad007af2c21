// Package config is the configuration file: its shape, how it is read and what
// is wrong with it. It knows no other package of the project.
package config

import "time"

// Config is the whole file. The zero value of a field means its default, which
// Load fills in; so a Config from Load has no unset defaults.
//
// In the struct tags, yaml is the key, default what Load fills in, min the
// least number that the file may say (0 where there is no min), and secret
// marks what must not be empty and is never shown in a message; secret:"address" only where
// it may hold a password.
type Config struct {
	// Listen is the address of all fronts. Default 127.0.0.1:8080.
	Listen string `yaml:"listen" default:"127.0.0.1:8080"`
	// Prefix is put before every path of every front, for example /chatai.
	// Default empty.
	Prefix string `yaml:"prefix"`
	// TLS is the certificate of all fronts. Default: none, they speak plain HTTP.
	TLS    TLS    `yaml:"tls"`
	Admin  Admin  `yaml:"admin"`
	Store  Store  `yaml:"store"`
	Shared Shared `yaml:"shared"`

	Callers Callers           `yaml:"callers"`
	Limits  map[string]Limit  `yaml:"limits"`
	Presets map[string]Preset `yaml:"presets"`
	// Prices are what models cost, by the name that callers ask for; where there is
	// none, by the name at the back end that answers. Default: nothing.
	Prices map[string]Price `yaml:"prices"`
	Ledger Ledger           `yaml:"ledger"`
	Cache  Cache            `yaml:"cache"`

	Channels []Channel `yaml:"channels"`
	// Fallbacks name, for a model, the models that may answer in its place when
	// none of its own channels can.
	Fallbacks map[string][]string `yaml:"fallbacks"`
	// Balance chooses among channels of one tier: p2c (by weight, the better of two
	// draws of different channels: the less loaded, or where one is more than twice as slow as the other
	// the one that would be done sooner), weighted (exactly by weight, whatever the
	// load), busy (the fewest running requests for its weight) or hash (one
	// conversation, else one caller, stays on one channel unless that is overloaded).
	// Default p2c.
	Balance  string   `yaml:"balance" default:"p2c"`
	Timeouts Timeouts `yaml:"timeouts"`
	// Proxy is through what channels that say nothing else, and callers.jwt.jwks, are
	// reached: http://USER:PASSWORD@HOST:PORT, https://, socks5:// (names are looked up
	// here), socks5h:// (by the proxy), or direct. Default: the environment's HTTPS_PROXY,
	// HTTP_PROXY, ALL_PROXY and NO_PROXY, in lower case too; this machine is never reached
	// through those.
	Proxy string `yaml:"proxy" secret:"yes"`

	// TrustedProxies are the networks (CIDR, or one address) whose
	// X-Forwarded-For is believed: its rightmost address that is not one of them
	// tells anonymous callers apart. Default none.
	TrustedProxies []string `yaml:"trusted_proxies"`

	// Origins are the pages, such as https://chat.example.com, that may use the
	// conversations of a caller without a key as pages of this server may; "*" are all
	// pages. Other pages are answered, but their questions are neither stored nor
	// continued, and they see and change no conversation. Whoever has a key needs none of
	// this. Default none.
	Origins []string `yaml:"origins"`
	// Hosts are the names with a dot, without a port, under which callers without a key
	// reach this server; addresses and names without a dot are always good. Other names in
	// the Host header are refused then, which keeps out pages whose own name was made to
	// point here. Default none: any name is taken.
	Hosts []string `yaml:"hosts"`

	// Bodies is how many bytes the bodies of requests and the messages of sockets may
	// take together while they are read, wait and are answered, with what is made of
	// them; one caller or address may hold a quarter of it, but always room for two of
	// the largest max_body. Default 256MiB.
	Bodies      Size        `yaml:"bodies" default:"256MiB" min:"1"`
	Connections Connections `yaml:"connections"`

	// Uploads is how many bytes the bodies of forms with files may take together on the disk, in the
	// directory for temporary files; one caller or address may hold a quarter of it, but always room for
	// two of openai.max_upload. Default 1GiB.
	Uploads Size `yaml:"uploads" default:"1GiB" min:"1"`

	Rest      Rest    `yaml:"rest"`
	IAgent    IAgent  `yaml:"iagent"`
	Chatnio   Chatnio `yaml:"chatnio"`
	OpenAI    OpenAI  `yaml:"openai"`
	Anthropic HTTP    `yaml:"anthropic"`
	Gemini    HTTP    `yaml:"gemini"`
	Ollama    Ollama  `yaml:"ollama"`

	// Drain is how long running answers may go on after a signal to stop; an
	// explicit 0s cuts them at once. Default 30s.
	Drain time.Duration `yaml:"drain"`
	// Grace is for how long of that questions are still answered, with Connection: close,
	// on connections that are open: a balancer which was not drained first may have sent
	// them before it knows of the stop. Default 0: they get 503.
	Grace time.Duration `yaml:"grace"`

	// Handover is whether SIGUSR2 starts the program anew in a process that takes over the listening
	// sockets and the store, while this one ends its answers within drain; on Linux. Changing
	// it takes a restart. Default false.
	Handover bool `yaml:"handover"`

	// Reload says when the file is read again, or taken back, without being asked for it.
	Reload Reload `yaml:"reload"`

	// Traces are the spans of exchanges, by OpenTelemetry.
	Traces Traces `yaml:"traces"`
	Log    Log    `yaml:"log"`

	from source // where the values stand in the file
}

// Reload says when the file is read again, or taken back, without being asked for it.
type Reload struct {
	// Watch has the file read again when it has changed and not been written to for a
	// second. Default false.
	Watch bool `yaml:"watch"`
	// Revert takes a configuration back by itself that makes questions fail: the one before
	// is written to the file and applied. Default: nothing is taken back; {} does it.
	Revert *Revert `yaml:"revert"`
}

// Revert says which configuration is taken back by itself. Failed are the questions that end
// with an error which neither their clients nor their limits have caused.
type Revert struct {
	// Within is how long a configuration is on trial after it was applied. Default 2m.
	Within time.Duration `yaml:"within" default:"2m"`
	// Jump is by how much the share of failed questions must rise over that of the same
	// time before, from 0 to 1. Default 0.2.
	Jump float64 `yaml:"jump" default:"0.2"`
	// Questions is how many must have ended before it is judged. Default 20.
	Questions int `yaml:"questions" default:"20" min:"1"`
}

// Traces says where spans of exchanges go, and of which ones. All of it counts from a reload on.
type Traces struct {
	// Endpoint is where a collector takes OTLP over HTTP, http://127.0.0.1:4318 or https://;
	// /v1/traces is put behind it unless it ends so. No proxy is used. Default: there are no
	// traces.
	Endpoint string `yaml:"endpoint"`
	// Headers are sent to the collector, such as its credential. Default: none.
	Headers map[string]string `yaml:"headers"`
	// Sample is the share of exchanges whose spans are sent, from 0 to 1; those that failed
	// are sent in any case. Where a caller with a key names a span of its own in traceparent,
	// that span's flag decides instead. Default 0.01.
	Sample *float64 `yaml:"sample" default:"0.01"`
	// Timeout is how long it is tried to send some; after that they are dropped. Default 10s.
	Timeout time.Duration `yaml:"timeout" default:"10s"`
	// Service is the name under which the collector knows this gateway (service.name).
	// Default dragoman.
	Service string `yaml:"service" default:"dragoman"`
}

// Log says how the log is written, and which exchanges have a line. All of it counts from a
// reload on.
type Log struct {
	// Format is text or json. Default text.
	Format string `yaml:"format" default:"text"`
	// Level is from which on lines are written: debug, info, warn or error; dragoman serve -v
	// is debug in any case. Default info.
	Level string `yaml:"level" default:"info"`
	// Requests says which exchanges have a line: on, off, or a share of them from 0 to 1.
	// Those that failed, or took more than one attempt, have one in any case. Default on.
	Requests string `yaml:"requests" default:"on"`
}

// TLS names a certificate and its key; both or none. Files that were replaced count from the
// next handshake on; files that cannot be used change nothing, and the log says so.
type TLS struct {
	// Cert is the PEM file of the certificate and its chain.
	Cert string `yaml:"cert"`
	// Key is the PEM file of the private key.
	Key string `yaml:"key"`
}

// Admin is the operator's side.
type Admin struct {
	// Listen is the address of the operator's pages; not the one of the fronts.
	// Default 127.0.0.1:8081.
	Listen string `yaml:"listen" default:"127.0.0.1:8081"`
	// Token opens the operator's pages. Default: a random one, made and printed
	// once, and kept in a file beside the store.
	Token string `yaml:"token" secret:"yes"`
	// ReadToken opens what only shows how things stand, and no conversation: for
	// dashboards. It must not be the token. Default: there is none.
	ReadToken string `yaml:"read_token" secret:"yes"`
	// TLS is the certificate of the operator's side. Default: none, it speaks plain HTTP.
	TLS TLS `yaml:"tls"`
	// ClientCA is the PEM file of those who sign the certificates that operators must show
	// besides the token; it needs admin.tls, and is read again when it changes. Default: none
	// is wanted.
	ClientCA string `yaml:"client_ca"`
}

// Store says where conversations are kept.
type Store struct {
	// URL is "memory:", "sqlite:PATH" with PATH relative to the working directory, or
	// postgres://USER:PASSWORD@HOST:PORT/DATABASE, on which several processes may work at once;
	// behind it sslmode and the other settings of PostgreSQL's own programs, and pool_max_conns,
	// the most connections (16). Default sqlite:dragoman.db.
	URL string `yaml:"url" default:"sqlite:dragoman.db" secret:"address"`
	// Keep is how long conversations are kept after their last change, such as 90d; older ones
	// are removed for good while the server runs, but for those in use. Shares and masks stay.
	// Default: 0, for ever.
	Keep time.Duration `yaml:"keep"`
}

// Shared is the server on which several processes share counts, hints and what is of the moment.
type Shared struct {
	// URL names a Redis or Valkey, redis://USER:PASSWORD@HOST:PORT/DB, rediss:// with TLS, or
	// valkey:// and valkeys://; user, password and DB may be left out. Processes with the same
	// URL count limits, wrong keys and passwords together, and tell each other which channels to
	// leave alone and what servers want back with calls of tools. Default: none, every process
	// is on its own.
	URL string `yaml:"url" secret:"yes"`
	// Wait is how long a question waits for the server, 10ms to 2s, before this process counts
	// by itself until the server answers again. A longer one keeps the counts exact where the
	// server is far away or the machine is busy, and holds questions up when the server is lost.
	// Default 75ms.
	Wait time.Duration `yaml:"wait" default:"75ms"`
}

// Callers says who may ask.
type Callers struct {
	// Anonymous admits callers without a key. Default: they are refused; {}
	// admits them to everything.
	Anonymous *Anonymous `yaml:"anonymous"`
	// Keys are the callers with a key. Default none.
	Keys []Key `yaml:"keys"`
	// JWT admits callers with a signed token, with the claims username and exp.
	// Default: no tokens.
	JWT *JWT `yaml:"jwt"`
	// Limits are names among limits under which every question counts, whoever
	// asks, besides those of its caller. Default: none.
	Limits Names `yaml:"limits"`
}

// Anonymous is the set of rights of callers without a key.
type Anonymous struct {
	// MaxBody is how long a request of one may be, where the path does not bound it to
	// less. Default 1MiB.
	MaxBody Size `yaml:"max_body" default:"1MiB" min:"1"`
	Access  `yaml:",inline"`
}

// Names is a list that may also be written as a single name.
type Names []string

// Access holds the rights of a caller.
type Access struct {
	// Limits is a name among limits, or a list of them: a question must pass all.
	// Default: no limit.
	Limits Names `yaml:"limits"`
	// Models are the models and presets that the caller may use. Default: all.
	Models []string `yaml:"models"`
	// Group is the group that the caller belongs to. Default: none.
	Group string `yaml:"group"`
}

// Key is one caller with a key: exactly one of Key and KeySHA256.
type Key struct {
	// Name is unique; conversations belong to it. It must not begin with
	// "anonymous".
	Name string `yaml:"name"`
	// Key is the key itself; this or key_sha256.
	Key string `yaml:"key" secret:"yes"`
	// KeySHA256 is the SHA-256 of the key in 64 hex digits, so that the file
	// holds no secret.
	KeySHA256 string `yaml:"key_sha256" secret:"yes"`
	// Expires is when the key stops working, in RFC 3339 such as
	// 2027-01-31T00:00:00Z. Default: never.
	Expires time.Time `yaml:"expires"`
	Access  `yaml:",inline"`
}

// JWT admits callers with a signed token, with the claims username and exp. There
// must be secret, jwks or both.
type JWT struct {
	// Secret is what tokens are signed with by HS256. Default: no such tokens.
	Secret string `yaml:"secret" secret:"yes"`
	// JWKS is where the public keys are of tokens signed by RS256, PS256 or ES256 (or
	// 384, 512), as a JWK set: an https address, or http on this machine. It is
	// fetched at the start, every 15 minutes, and at most every 10 seconds for a token
	// whose key is not known; what was fetched last stays while it cannot be reached.
	// Default: no such tokens.
	JWKS string `yaml:"jwks"`
	// Issuer is what the claim iss of every token must be. Default: anything.
	Issuer string `yaml:"issuer"`
	// Audience is what the claim aud of every token must be, or hold. Default:
	// anything.
	Audience string `yaml:"audience"`
	// Prefix is put before the user names of tokens, which keeps these users apart from
	// the callers with a key: no key may have a name that begins with it. At most 64
	// bytes. Default: none, and a user with the name of a key is that caller.
	Prefix string `yaml:"prefix"`
	Access `yaml:",inline"`

	way Way // to JWKS
}

// Limit is one named set of limits. A question that several of them apply to
// must pass all, and one that is refused costs nothing under any.
type Limit struct {
	// Per says what is counted apart: caller, user (the end user behind a caller,
	// whom rest and iagent name; elsewhere the caller), group (all callers of one
	// group; a caller without a group is counted alone), address (of the client; an
	// IPv6 one by its /64), model (what answers, whoever asks) or all (everything
	// together). Default caller.
	Per string `yaml:"per"`
	// Requests is how many questions may come at once and per period. Default: no
	// limit.
	Requests Rate `yaml:"requests"`
	// Tokens is how many tokens, of prompts and answers, may be used per period. A
	// question reserves an estimate, which its answer corrects. Default: no limit.
	Tokens Rate `yaml:"tokens"`
	// Concurrent is how many questions may run at once. Default 0: no limit.
	Concurrent int `yaml:"concurrent"`
	// Shared makes it one bucket for all callers that name it, not one for each:
	// the same as per all. Default false.
	Shared bool `yaml:"shared"`
	// Queue lets questions over the limit wait, callers in turn, 10 s at most and up
	// to 100 of all limits together, instead of being refused. Default false.
	Queue bool `yaml:"queue"`
	// Budget is how much may be spent per period, at the prices of the models. A question reserves an estimate, which its answer corrects. Default: no limit.
	Budget Budget `yaml:"budget"`
}

// Price is the price of one model, in the unit of the budgets; chatnio clients see it as points.
type Price struct {
	// Input is for a million tokens of the question. Default 0.
	Input float64 `yaml:"input"`
	// Cached is for a million tokens of the question that the back end read from its prompt cache. Default: as input.
	Cached *float64 `yaml:"cached"`
	// Output is for a million tokens of the answer. Default 0.
	Output float64 `yaml:"output"`
	// Minute is for a minute of sound, by the second, where the back end tells how long it was (/v1/audio/*): in usage, or in duration with a
	// response_format of verbose_json. With text, srt and vtt it cannot, and such an answer costs nothing by the minute. Default 0.
	Minute float64 `yaml:"minute"`
	// Image is for each picture that was made (/v1/images/*). Default 0.
	Image float64 `yaml:"image"`
	// Call is for each question that was answered, whatever its length. Default 0.
	Call float64 `yaml:"call"`
}

// Budget is how much may be spent in a period.
type Budget struct {
	// Amount is in the unit of the prices. Default 0: no budget.
	Amount float64 `yaml:"amount"`
	// Per is day or month, as the calendar has them in UTC.
	Per string `yaml:"per"`
}

// Cache bounds the answers that presets with a cache keep.
type Cache struct {
	// Size is how much memory they may take in all. Default 64MiB.
	Size Size `yaml:"size" default:"64MiB" min:"1"`
}

// Ledger says what becomes of the rows that each question leaves in the store.
type Ledger struct {
	// Keep is how long rows are kept; an explicit 0s writes none, and budgets then
	// begin anew with each start. Default 2160h.
	Keep time.Duration `yaml:"keep"`
	// Rows is how many are kept at most, about 340 bytes each on the disk (3.4 GB); the oldest go first. Budgets are read
	// from them after a start, so that they should cover a month. An explicit 0 is no
	// bound. Default 10000000.
	Rows int `yaml:"rows"`
}

// Rate is "N/s", "N/m", "N/h" or "N/d".
type Rate struct {
	N   int
	Per time.Duration
}

// Preset is a named model with a system prompt and parameters.
type Preset struct {
	// Model is what answers; a channel, or a fallback, must serve it.
	Model string `yaml:"model"`
	// System is put before the conversation. Default: nothing.
	System string `yaml:"system"`
	// MaxTokens bounds an answer, in tokens. Default: what the caller says.
	MaxTokens *int `yaml:"max_tokens" min:"1"`
	// Temperature is from 0 to 2. Default: what the caller says.
	Temperature *float64 `yaml:"temperature"`
	// TopP is from 0 to 1. Default: what the caller says.
	TopP *float64 `yaml:"top_p"`
	// History is how many earlier messages the model may see. Default 0: all.
	History int `yaml:"history"`
	// Cache is how long a whole answer is given again to exactly the same question,
	// with the same history, parameters and tools, of the same caller. Answers that
	// call tools, ended early or failed are not kept. Default 0: not at all.
	Cache time.Duration `yaml:"cache"`
	// CacheShared gives it to all callers. Default false.
	CacheShared bool `yaml:"cache_shared"`
}

// Channel is one configured back end.
type Channel struct {
	// ID is unique; it names the channel in metrics and logs.
	ID string `yaml:"id"`
	// Kind is one of chatnio, rest, iagent, openai, anthropic, responses, gemini, ollama or mock.
	Kind string `yaml:"kind"`
	// URL is the back end's base, without user, password and query: https://api.openai.com/v1 (openai, anthropic, responses:
	// with /v1), https://generativelanguage.googleapis.com/v1beta (gemini), http://127.0.0.1:11434 (ollama: without /api), wss://api.chatnio.net (chatnio: with /api where the server has
	// it), http://127.0.0.1:3000 (rest: without /api), ws://host/ws/v1/chat
	// (iagent). mock has none.
	URL string `yaml:"url"`
	// Keys are the credentials at the back end. With several, requests are spread
	// over them. Default: none.
	Keys []string `yaml:"keys" secret:"yes"`
	// Models are what the channel serves, at least one: a name, or {name,
	// upstream} where the back end calls it differently.
	Models []Model `yaml:"models"`
	// Tier: lower is tried first. Default 1.
	Tier int `yaml:"tier" default:"1" min:"1"`
	// Weight is the channel's share inside its tier. Default 1.
	Weight int `yaml:"weight" default:"1" min:"1"`
	// Concurrent is how many requests may run at once, on all keys together. When
	// all channels of a model are full, up to 100 requests wait for at most 10 s,
	// callers in turn. Default 0: no limit.
	Concurrent int `yaml:"concurrent"`
	// Timeouts go before the global ones.
	Timeouts Timeouts `yaml:"timeouts"`
	// Refuses are parameters that the channel's models refuse, so that they are left out of
	// questions which are translated for it, and named in X-Dragoman-Dropped: temperature,
	// top_p, top_k, stop, penalties, logprobs, reasoning_effort, max_tokens (they know
	// max_completion_tokens), system (messages of that role amid a conversation) and
	// thinking_budget. Default: what is known of each model by its upstream name.
	Refuses []string `yaml:"refuses"`
	// Takes are such parameters that the models take, whatever is known of them by name.
	Takes []string `yaml:"takes"`
	// Efforts are the words of reasoning_effort that the models know, from the least to the
	// most; another one becomes the nearest. Default: what is known of each by its name.
	Efforts []string `yaml:"efforts"`
	// Fold is a Go text/template that makes one message out of the history for
	// rest and iagent channels. It sees .System, .History (.Role, .Text) and
	// .Message. Default: the system text; "Our conversation so far:" and a line for each
	// earlier message; "Now answer this:" and the message.
	Fold string `yaml:"fold"`
	// Transport is how the back end is spoken to: http1; http2 (https:// addresses, and
	// http:// ones without an upgrade, h2c); or auto, which lets the server choose where
	// the address is https. Sockets are http1 always. Default http1.
	Transport string `yaml:"transport" default:"http1"`
	// MaxAge is how long a connection is used: one that is older takes no more questions
	// and is closed when it has answered those it has. Default 0: as long as it lives.
	MaxAge time.Duration `yaml:"max_age"`
	// Proxy is through what the back end is reached: http://USER:PASSWORD@HOST:PORT,
	// https:// (a proxy behind TLS), socks5:// (names are looked up here), socks5h:// (by
	// the proxy), or direct. Default: what the whole file says, else the environment.
	Proxy string `yaml:"proxy" secret:"yes"`
	// Headers are sent with every request, or with the handshake of a socket. Credentials
	// are for keys and auth. Default: none.
	Headers map[string]string `yaml:"headers"`
	// Query is put behind the address of every request, such as Azure's api-version.
	// Default: nothing.
	Query map[string]string `yaml:"query"`
	// Auth is how a rest, openai, anthropic, responses, gemini or ollama channel shows its key: bearer (in
	// Authorization), x-api-key, api-key, x-goog-api-key, or none. Default: x-api-key for
	// anthropic, x-goog-api-key for gemini, bearer for the others.
	Auth string `yaml:"auth"`
	// OnLeave says what becomes of a running question whose client has left:
	// cancel, or finish, which lets the answer end and stores it.
	OnLeave string `yaml:"on_leave" default:"cancel"`
	// Replay allows a question that may have reached the back end to be put to it
	// or to another one again. Default true.
	Replay *bool `yaml:"replay" default:"true"`
	// Connections is the size of an iagent pool. Default 4.
	Connections int `yaml:"connections" default:"4" min:"1"`
	// Agent is, for iagent channels, the receiver_id where the model's upstream
	// name says none.
	Agent string `yaml:"agent"`
	// Dials is, for chatnio channels, how many connections may be made to their
	// server per period, one after the other and evenly, by all channels and keys
	// that go there: the lowest of theirs counts. Default: slowed only after the
	// server throttles one, to 4 a second until it has not for a minute, and to 2
	// a second where it does so again.
	Dials Rate `yaml:"dials"`
	// Probe asks the channel unasked, so that one that is out of use comes back
	// without a caller's question. Default: it is not probed; {} probes it.
	Probe *Probe `yaml:"probe"`

	way Way // to the back end
}

// Probe is how a channel is asked for its health: with a question of one word, for
// one token of an answer where the kind of channel can say so. What is throttled,
// full, taken out of use by the operator, or was asked something by a caller since
// the last time is left alone.
type Probe struct {
	// Every is the time between two probes of a key, up to a quarter longer.
	// Default 30s.
	Every time.Duration `yaml:"every" default:"30s"`
	// Model is the one that is asked. Default: each that is out of use; while none
	// is, the first.
	Model string `yaml:"model"`
	// Most is how many probes there may be, of all keys and models together; half
	// of them are kept for what is out of use. Default 100/d.
	Most Rate `yaml:"most" default:"100/d"`
}

// Model is a model that a channel serves: "name", or {name, upstream, context}.
type Model struct {
	// Name is what callers ask for.
	Name string `yaml:"name"`
	// Upstream is what the back end calls it. Default: the name.
	Upstream string `yaml:"upstream"`
	// Context is how many tokens the model takes, question and answer together. Of a
	// conversation that is longer (chatnio, rest, iagent) the newest messages that fit are
	// sent; questions of the openai, anthropic, responses, gemini and ollama dialects are never shortened. Default:
	// what is known of models with such a name, else what the back end says when it refuses
	// a question for its length.
	Context int `yaml:"context" min:"0"`
}

// Timeouts bound an answer. 0 means the default.
type Timeouts struct {
	// Connect is until the connection stands. Default 3s.
	Connect time.Duration `yaml:"connect"`
	// Headers is until the status line; auto is as long as first. Default auto.
	Headers AutoDuration `yaml:"headers"`
	// First is until the first content. auto is four times what 95 of 100 recent
	// answers of the model took, on this channel or on the quickest other one of its
	// tier that is free, between 5s and 120s; 10s until 20 are known; 120s where no
	// other channel is left. A channel that others do not wait for is passed over while
	// they are free. Default auto.
	First AutoDuration `yaml:"first"`
	// Gap is between contents. Default 30s.
	Gap time.Duration `yaml:"gap"`
	// Total is of the whole answer. Default 10m.
	Total time.Duration `yaml:"total"`
}

// AutoDuration is a duration, or 0 for "auto".
type AutoDuration time.Duration

// Connections bounds how many connections clients may have open. Beyond a bound they
// get a 503 with Retry-After, or are closed behind TLS. Changing it takes a restart.
type Connections struct {
	// Total is for all clients together; when it is reached, the connection that has
	// waited longest for a request, and for 5s at least, gives way to a new one. auto is
	// four fifths of the descriptors that the process may have, and 262144 at most.
	// Default auto.
	Total AutoCount `yaml:"total"`
	// PerAddress is for each address, an IPv6 one by its /64; addresses of
	// trusted_proxies and of this machine have no bound of their own. auto is half of the
	// total. Default auto.
	PerAddress AutoCount `yaml:"per_address"`
}

// AutoCount is a number of at least 1, or 0 for "auto".
type AutoCount int
