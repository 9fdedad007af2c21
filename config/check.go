package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/internal/fold"
)

// Validate checks the whole of c and returns a [*Problems] with everything that
// is wrong, or nil. [Load] has called it; a Config made in code is one that
// began as [Default] and has no lines.
func (c *Config) Validate() error {
	return problems(c.from.file, check(c, func(string) bool { return false }))
}

// checker collects what is wrong with one Config.
type checker struct {
	*Config
	failed func(path string) bool // could not be read, so nothing may be concluded from it
	all    []Problem
	served map[string]bool // models that a channel serves
	unsure bool            // some channel's models could not be read
}

func check(c *Config, failed func(string) bool) []Problem {
	k := &checker{Config: c, failed: failed, served: map[string]bool{}}
	k.unsure = c.Channels == nil && failed("channels")
	for i, ch := range c.Channels {
		path := index("channels", i)
		k.unsure = k.unsure || failed(child(path, "models")) || len(ch.Models) == 0 && failed(path) && !c.from.set(child(path, "models"))
		for _, m := range ch.Models {
			k.served[m.Name] = true
		}
	}
	k.addresses()
	k.shared()
	k.callers()
	k.limits()
	k.prices()
	k.fallbacks()
	k.presets()
	k.channels()
	k.proxies()
	k.timeouts("timeouts", c.Timeouts)
	k.fronts()
	k.traces()
	k.log()
	return k.all
}

func (k *checker) add(path, format string, args ...any) {
	k.all = append(k.all, Problem{Line: k.from.line(path), Path: path, Message: fmt.Sprintf(format, args...)})
}

func (k *checker) choice(path, value string, words ...string) {
	if !slices.Contains(words, value) {
		k.add(path, "%s is not known; want %s", k.from.quote(path, value), oneOf(words...))
	}
}

func (k *checker) notNegative(path string, n int) {
	if n < 0 {
		k.add(path, "must not be negative")
	}
}

func (k *checker) atLeastOne(path string, n int) {
	if n < 1 {
		k.add(path, "must be at least 1")
	}
}

// name checks a word that ends up in logs, metrics and messages.
func (k *checker) name(path, value string) {
	switch {
	case value == "":
		k.add(path, "is missing")
	case len(value) > 256 || !utf8.ValidString(value) || strings.ContainsFunc(value, unicode.IsControl):
		k.add(path, "must be at most 256 bytes of text without control characters")
	}
}

func (k *checker) addresses() {
	front, ok := k.address("listen", k.Listen)
	admin, also := k.address("admin.listen", k.Admin.Listen)
	if ok && also && front == admin && front.Port() != 0 {
		k.add("admin.listen", "is the address of the fronts already")
	}
	if k.Ollama.Listen != "" {
		own, given := k.address("ollama.listen", k.Ollama.Listen)
		switch {
		case !given || own.Port() == 0:
		case ok && own.Port() == front.Port():
			k.add("ollama.listen", "must have another port than listen")
		case also && own.Port() == admin.Port():
			k.add("ollama.listen", "must have another port than admin.listen")
		}
	}
	k.header("admin.token", k.Admin.Token)
	k.header("admin.read_token", k.Admin.ReadToken)
	if k.Admin.ReadToken != "" && k.Admin.ReadToken == k.Admin.Token {
		k.add("admin.read_token", "must not be the token: it would open everything")
	}
	if r := k.Reload.Revert; r != nil && r.Jump > 1 {
		k.add("reload.revert.jump", "must be at most 1: it is a share")
	}
	k.prefix()
	k.web()
	if (k.TLS.Cert == "") != (k.TLS.Key == "") {
		k.add("tls", "needs both cert and key, or neither")
	}
	if (k.Admin.TLS.Cert == "") != (k.Admin.TLS.Key == "") {
		k.add("admin.tls", "needs both cert and key, or neither")
	}
	if k.Admin.ClientCA != "" && k.Admin.TLS.Cert == "" {
		k.add("admin.client_ca", "needs admin.tls: clients show certificates in TLS only")
	}
	for i, p := range k.TrustedProxies {
		if _, err := netip.ParsePrefix(p); err == nil {
			continue
		}
		if _, err := netip.ParseAddr(p); err != nil {
			k.add(index("trusted_proxies", i), "want a network such as 10.0.0.0/8, or one address")
		}
	}
}

// web checks what is said of pages and of names.
func (k *checker) web() {
	for i, origin := range k.Origins {
		if Origin(origin) != "" {
			continue
		}
		k.add(index("origins", i), "want an origin such as https://chat.example.com, without a path, or *")
	}
	for i, host := range k.Hosts {
		if host == "" || !hostName(host) {
			k.add(index("hosts", i), "want a name such as chat.example.com, without scheme and port")
		}
	}
}

// Origin is text as an origin that browsers would write, in lower case and without the
// port that goes without saying; empty if it is none; "*" is itself.
func Origin(text string) string {
	if text == "*" {
		return text
	}
	text = strings.ToLower(text)
	scheme, authority, ok := strings.Cut(text, "://")
	u, err := url.Parse(text)
	if !ok || err != nil || scheme == "" || u.Host == "" || u.Host != authority {
		return ""
	}
	switch scheme {
	case "https":
		return strings.TrimSuffix(text, ":443")
	case "http":
		return strings.TrimSuffix(text, ":80")
	}
	return text
}

// address checks "host:port"; the port is a number, the host may be missing.
// What it returns has no host where that is a name.
func (k *checker) address(path, value string) (netip.AddrPort, bool) {
	host, port, err := net.SplitHostPort(value)
	if err != nil {
		k.add(path, "want an address such as 127.0.0.1:8080 or :8080")
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		k.add(path, "the port must be a number from 0 to 65535")
		return netip.AddrPort{}, false
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil && host != "" && !hostName(host) {
		k.add(path, "the host is neither an address nor a name")
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr, uint16(n)), err == nil || host == ""
}

func hostName(s string) bool {
	return len(s) <= 253 && strings.IndexFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	}) < 0
}

func (k *checker) prefix() {
	p := k.Prefix
	switch {
	case p == "":
	case p[0] != '/':
		k.add("prefix", "must begin with a slash")
	case strings.HasSuffix(p, "/"):
		k.add("prefix", "must not end with a slash")
	case strings.Contains(p, "//") || strings.ContainsAny(p, "?#%{}\\ ") || strings.ContainsFunc(p, unicode.IsControl):
		k.add("prefix", "must be a plain path such as /chatai")
	}
}

// header checks a secret that is sent in, or compared with, a header field.
func (k *checker) header(path, secret string) {
	if strings.ContainsFunc(secret, unicode.IsControl) {
		k.add(path, "holds a control character, perhaps a line end")
	}
}

func (k *checker) shared() {
	if w := k.Shared.Wait; w < 10*time.Millisecond || w > 2*time.Second {
		k.add("shared.wait", "is %v; want 10ms to 2s", w)
	}
	if k.Shared.URL == "" {
		return
	}
	k.url("shared.url", k.Shared.URL, true, "redis", "rediss", "valkey", "valkeys")
	if u, err := url.Parse(k.Shared.URL); err == nil && !database(u.Path) {
		k.add("shared.url", "the path is the number of a database, or nothing")
	}
}

// database reports whether path is that of a Redis URL: nothing, or a number.
func database(path string) bool {
	path = strings.TrimPrefix(path, "/")
	_, err := strconv.ParseUint(path, 10, 16)
	return path == "" || err == nil
}

func (k *checker) callers() {
	k.names("callers.limits", k.Callers.Limits, 0)
	names, keys := map[string]int{}, map[string]int{}
	for i := range k.Callers.Keys {
		key, path := &k.Callers.Keys[i], index("callers.keys", i)
		k.callerName(child(path, "name"), key.Name)
		if first, ok := names[key.Name]; ok && key.Name != "" {
			k.add(child(path, "name"), "callers.keys[%d] has this name already", first)
		} else {
			names[key.Name] = i
		}
		sum := k.key(path, key)
		if first, ok := keys[sum]; ok && sum != "" {
			k.add(path, "callers.keys[%d] has the same key", first)
		} else {
			keys[sum] = i
		}
		k.access(path, key.Access)
	}
	if a := k.Callers.Anonymous; a != nil {
		k.access("callers.anonymous", a.Access)
	}
	if j := k.Callers.JWT; j != nil {
		k.jwt(j)
		k.access("callers.jwt", j.Access)
	}
}

func (k *checker) jwt(j *JWT) {
	if j.Secret == "" && j.JWKS == "" && !k.failed("callers.jwt.secret") && !k.failed("callers.jwt.jwks") {
		k.add("callers.jwt", "has neither secret nor jwks")
	}
	k.jwtPrefix(j.Prefix)
	if j.JWKS == "" {
		return
	}
	k.url("callers.jwt.jwks", j.JWKS, true, "https", "http")
	u, err := url.Parse(j.JWKS)
	switch {
	case err != nil:
	case u.User != nil:
		k.add("callers.jwt.jwks", "must hold neither a user nor a password")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		k.add("callers.jwt.jwks", "must be https: whoever can change what comes from there can sign in as anybody; http is for this machine only")
	}
}

func (k *checker) jwtPrefix(prefix string) {
	if prefix == "" {
		return
	}
	if len(prefix) > 64 {
		k.add("callers.jwt.prefix", "must be at most 64 bytes of text")
		return
	}
	k.callerName("callers.jwt.prefix", prefix)
	for i := range k.Callers.Keys {
		if strings.HasPrefix(k.Callers.Keys[i].Name, prefix) {
			k.add(child(index("callers.keys", i), "name"), "begins with callers.jwt.prefix, which is for the users of signed tokens")
		}
	}
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.Unmap().IsLoopback()
}

func (k *checker) callerName(path, name string) {
	k.name(path, name)
	if strings.HasPrefix(strings.ToLower(name), "anonymous") {
		k.add(path, `must not begin with "anonymous", which names callers without a key`)
	}
}

// key checks that there is one key, and returns its SHA-256 in hexadecimal, or
// an empty string.
func (k *checker) key(path string, key *Key) string {
	switch {
	case key.Key != "" && key.KeySHA256 != "":
		k.add(path, "has both key and key_sha256; want one of them")
	case key.Key != "":
		k.header(child(path, "key"), key.Key)
		sum := sha256.Sum256([]byte(key.Key))
		return hex.EncodeToString(sum[:])
	case key.KeySHA256 == "" && k.failed(child(path, "key")):
	case key.KeySHA256 == "":
		k.add(path, "has neither key nor key_sha256")
	default:
		if raw, err := hex.DecodeString(key.KeySHA256); err != nil || len(raw) != sha256.Size {
			k.add(child(path, "key_sha256"), "want 64 hexadecimal digits")
			return ""
		}
		return strings.ToLower(key.KeySHA256)
	}
	return ""
}

func (k *checker) access(path string, a Access) {
	k.names(child(path, "limits"), a.Limits, len(k.Callers.Limits))
	for i, m := range a.Models {
		at := index(child(path, "models"), i)
		if _, preset := k.Presets[m]; !preset && !k.known(m) && (k.Presets != nil || !k.failed("presets")) {
			k.add(at, "%s is neither a preset nor a model that a channel serves", k.from.quote(at, m))
		}
	}
}

// maxLimits is how many limits one question can be under.
const maxLimits = 8

// names checks the limits that path names, besides which more apply.
func (k *checker) names(path string, names Names, more int) {
	if len(names)+more > maxLimits {
		k.add(path, "is too long: one question can be under %d limits, those of callers.limits included", maxLimits)
	}
	budgets := 0
	for _, name := range append(slices.Clone(names), k.Callers.Limits[:more]...) {
		if k.Limits[name].Budget.Amount > 0 {
			budgets++
		}
	}
	if budgets > 1 {
		k.add(path, "has %d limits with a budget, those of callers.limits included; want one at most", budgets)
	}
	for i, name := range names {
		at := path
		if k.from.line(index(path, i)) > 0 {
			at = index(path, i)
		}
		if slices.Contains(names[:i], name) {
			k.add(at, "%s stands here already", k.from.quote(at, name))
		}
		if _, ok := k.Limits[name]; !ok && (k.Limits != nil || !k.failed("limits")) {
			k.add(at, "limits has no %s%s", k.from.quote(at, name), hint(name, maps.Keys(k.Limits)))
		}
	}
}

// hint names the nearest of words, for the end of a message.
func hint(word string, words func(func(string) bool)) string {
	if near := nearest(word, slices.Collect(words)); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// known says whether a channel serves model, or one of its fallbacks; true also
// where that cannot be told.
func (k *checker) known(model string) bool {
	if k.served[model] || k.unsure || k.failed("fallbacks") {
		return true
	}
	return slices.ContainsFunc(k.Fallbacks[model], func(m string) bool { return k.served[m] })
}

func (k *checker) limits() {
	for _, name := range slices.Sorted(maps.Keys(k.Limits)) {
		l, path := k.Limits[name], child("limits", name)
		k.rate(child(path, "requests"), l.Requests)
		k.rate(child(path, "tokens"), l.Tokens)
		k.notNegative(child(path, "concurrent"), l.Concurrent)
		k.budget(child(path, "budget"), l.Budget)
		if l.Per != "" {
			k.choice(child(path, "per"), l.Per, "caller", "user", "group", "address", "model", "all")
		}
		if l.Shared && l.Per != "" && l.Per != "all" {
			k.add(child(path, "shared"), "counts all together, and per %s apart; want one of them", l.Per)
		}
	}
}

func (k *checker) rate(path string, r Rate) {
	if r != (Rate{}) && (r.N < 1 || r.Per <= 0) {
		k.add(path, "must be at least 1 per period")
	}
}

func (k *checker) presets() {
	for _, name := range slices.Sorted(maps.Keys(k.Presets)) {
		p, path := k.Presets[name], child("presets", name)
		model := child(path, "model")
		switch {
		case p.Model == "":
			k.add(model, "is missing")
		case !k.known(p.Model):
			k.add(model, "no channel serves %s%s", k.from.quote(model, p.Model), hint(p.Model, maps.Keys(k.served)))
		}
		if p.MaxTokens != nil {
			k.atLeastOne(child(path, "max_tokens"), *p.MaxTokens)
		}
		if t := p.Temperature; t != nil && !(*t >= 0 && *t <= 2) {
			k.add(child(path, "temperature"), "must be from 0 to 2")
		}
		if t := p.TopP; t != nil && !(*t >= 0 && *t <= 1) {
			k.add(child(path, "top_p"), "must be from 0 to 1")
		}
		k.notNegative(child(path, "history"), p.History)
		k.notNegative(child(path, "cache"), int(p.Cache))
		if p.CacheShared && p.Cache == 0 {
			k.add(child(path, "cache_shared"), "says nothing without cache")
		}
	}
}

func (k *checker) fallbacks() {
	done := map[string]bool{}
	for _, model := range slices.Sorted(maps.Keys(k.Fallbacks)) {
		path := child("fallbacks", model)
		if len(k.Fallbacks[model]) == 0 {
			k.add(path, "names no model")
		}
		for i, m := range k.Fallbacks[model] {
			if at := index(path, i); !k.served[m] && !k.unsure {
				k.add(at, "no channel serves %s%s", k.from.quote(at, m), hint(m, maps.Keys(k.served)))
			}
		}
		k.cycle(model, nil, done)
	}
}

// cycle follows the fallbacks of model, each model once.
func (k *checker) cycle(model string, trail []string, done map[string]bool) {
	if i := slices.Index(trail, model); i >= 0 {
		k.add(child("fallbacks", trail[i]), "goes round in a circle: %s", strings.Join(append(trail[i:len(trail):len(trail)], model), ", "))
		return
	}
	if done[model] {
		return
	}
	for _, next := range k.Fallbacks[model] {
		k.cycle(next, append(trail[:len(trail):len(trail)], model), done)
	}
	done[model] = true
}

func (k *checker) timeouts(path string, t Timeouts) {
	for key, d := range map[string]int64{
		"connect": int64(t.Connect), "headers": int64(t.Headers), "first": int64(t.First), "gap": int64(t.Gap), "total": int64(t.Total),
	} {
		if d < 0 {
			k.add(child(path, key), "must not be negative")
		}
	}
}

func (k *checker) fronts() {
	k.choice("balance", k.Balance, "p2c", "weighted", "busy", "hash")
	k.choice("iagent.groups", k.IAgent.Groups, "always", "addressed", "never")
	k.name("iagent.name", k.IAgent.Name)
	k.notNegative("iagent.dedupe", int(k.IAgent.Dedupe))
	k.notNegative("drain", int(k.Drain))
	k.notNegative("grace", int(k.Grace))
	if k.Grace > k.Drain {
		k.add("grace", "is above drain (%v)", k.Drain)
	}
	k.atLeastOne("bodies", int(k.Bodies))
	k.atLeastOne("uploads", int(k.Uploads))
	k.atLeastOne("iagent.sockets", k.IAgent.Sockets)
	k.atLeastOne("chatnio.sockets", k.Chatnio.Sockets)
	if a := k.Callers.Anonymous; a != nil {
		k.atLeastOne("callers.anonymous.max_body", int(a.MaxBody))
	}
	k.connections()
	k.atLeastOne("rest.max_body", int(k.Rest.MaxBody))
	k.atLeastOne("openai.max_body", int(k.OpenAI.MaxBody))
	k.atLeastOne("openai.max_upload", int(k.OpenAI.MaxUpload))
	k.atLeastOne("openai.sockets", k.OpenAI.Sockets)
	k.atLeastOne("openai.socket_age", int(k.OpenAI.SocketAge))
	k.atLeastOne("anthropic.max_body", int(k.Anthropic.MaxBody))
	k.atLeastOne("gemini.max_body", int(k.Gemini.MaxBody))
	k.atLeastOne("ollama.max_body", int(k.Ollama.MaxBody))
}

func (k *checker) connections() {
	c := k.Connections
	k.notNegative("connections.total", int(c.Total))
	k.notNegative("connections.per_address", int(c.PerAddress))
	if c.Total > 0 && c.PerAddress > c.Total {
		k.add("connections.per_address", "is above connections.total")
	}
}

// fold runs the template once over a sample, so that a field that does not
// exist is found now and not by a caller.
func (k *checker) fold(path, text string) {
	t, err := fold.Parse(text)
	if err != nil {
		k.add(path, "is no template: %s", k.templateError(path, err))
		return
	}
	sample := fold.Talk{System: "system", Message: "question", History: []fold.Turn{{Role: "user", Text: "one"}, {Role: "assistant", Text: "two"}}}
	if err := t.Execute(&bounded{left: maxText}, sample); err != nil {
		k.add(path, "does not work: %s", k.templateError(path, err))
	}
}

func (k *checker) templateError(path string, err error) string {
	if k.from.hidden[path] {
		return "it came from a variable and is not shown"
	}
	return err.Error()
}

// bounded takes so many bytes and no more.
type bounded struct{ left int }

// Write returns io.ErrShortWrite once too much was written.
func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}
