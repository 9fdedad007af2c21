package translate

import (
	"bytes"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What is certainly meant as a credential.
var (
	maskBearer   = lazily(`(?i)\b(?:bearer|basic)\s+([a-z0-9._~+/=\-*]{6,})`)
	maskNamed    = lazily(`(?i)\b(?:api[-_ ]?key|x-api-key|access[-_ ]?token|token|secret|password|passwd|authorization)["']?\s*[=:]\s*["']?([^\s"'<>,;]{8,})`)
	maskPrefixed = lazily(`(?i)\b(?:sk|pk|rk|xai|gsk|ghp|gho|ghs|hf|nvapi|pplx|fw|r8)[-_][a-z0-9_\-*.]*[a-z0-9*]|\b(?:AKIA|ASIA|AIza)[a-z0-9_\-*]{8,}|\b(?:org|proj|acct|user)-[a-z0-9]{8,}\b`)
	maskUser     = lazily(`(?i)\b[a-z][a-z0-9+.\-]*://([^\s"'<>/@]*)@`)
	maskQuery    = lazily(`(?i)[?&](?:key|token|sig|signature|code|password|secret|api_key|access_token)=([^\s"'<>&]+)`)
)

// What may be one: a long word that looks random, unless it is the id of a request.
var (
	maskToken = lazily(`[A-Za-z0-9+/_=.\-]{20,}`)
	requestID = lazily(`(?i)\b(?:request|req|trace|correlation)[-_ ]?id\b["')]*\s*[:=]?\s*["'(]*([a-z0-9_\-]{4,128})|\b(req_[a-z0-9]{6,64})\b|\b(20\d{31})\b`)
)

// What is certainly an address or a path.
var (
	maskURL     = lazily(`(?i)\b[a-z][a-z0-9+.\-]*://[^\s"'<>]*`)
	maskIPv4    = lazily(`(?i)\b(?:0x[0-9a-f]{1,2}|\d{1,4})(?:\.(?:0x[0-9a-f]{1,2}|\d{1,4})){3}\b(?::\d{1,5}\b)?`)
	maskNumber  = lazily(`(?i)\b(?:0x[0-9a-f]{8}|\d{8,12})\b(?::\d{1,5}\b)?`)
	maskIPv6    = lazily(`(?i)[0-9a-f:.]*:[0-9a-f:.]*:[0-9a-f:.]*(?:%[0-9a-z]+)?`)
	maskUnix    = lazily(`(?:^|[\s"'` + "`" + `(\[{<=:,;|])(~?/[^\s"'` + "`" + `<>()\[\]{},;|]+)`)
	maskWindows = lazily(`(?i)\b[a-z]:[\\/]+(?:[^"'<>|\r\n\\]{1,64}\\+)*[^\s"'<>|\\]*`)
	maskUNC     = lazily(`\\{2,}[A-Za-z0-9_.$\-]+(?:\\+[^\s"'<>|\\]+)+`)
	maskPod     = lazily(`\b[a-z0-9][a-z0-9\-]*-[0-9a-f]{8,10}-[a-z0-9]{5}\b`)
	maskWord    = lazily(`[A-Za-z0-9_][A-Za-z0-9_.\-]*(?::\d{1,5}\b)?`)
)

// each calls do with what the first group of re has found, or with the whole where
// there is none. Looking is spared where t, in lower case, has none of needs, without
// which re finds nothing.
func (t *text) each(re func() *regexp.Regexp, do func(from, to int), needs ...string) {
	if len(needs) > 0 && !slices.ContainsFunc(needs, func(n string) bool { return bytes.Contains(t.low, []byte(n)) }) {
		return
	}
	for _, at := range re().FindAllSubmatchIndex(t.b, -1) {
		from, to := at[0], at[1]
		for i := 2; i+1 < len(at); i += 2 {
			if at[i] >= 0 {
				from, to = at[i], at[i+1]
				break
			}
		}
		do(from, to)
	}
}

// page reports whether t is a page for a browser.
func (t *text) page() bool {
	low := bytes.TrimSpace(t.low)
	for _, begin := range []string{"<!doctype", "<html", "<head", "<body", "<?xml", "<center", "<h1"} {
		if bytes.HasPrefix(low, []byte(begin)) {
			return true
		}
	}
	return bytes.Contains(low, []byte("<html")) || bytes.Contains(low, []byte("</html>")) || bytes.Contains(low, []byte("</body>"))
}

// secrets hides what is meant as a credential.
func (t *text) secrets() {
	hide := func(from, to int) { t.hide(from, to, maskedKey) }
	t.each(maskBearer, hide, "bearer", "basic")
	t.each(maskNamed, hide, "key", "token", "secret", "passw", "authorization")
	t.each(maskPrefixed, hide, "-", "_", "akia", "asia", "aiza")
}

// users hides what opens an address that is itself shown.
func (t *text) users() {
	hide := func(from, to int) { t.hide(from, to, maskedKey) }
	t.each(maskUser, hide, "://")
	t.each(maskQuery, hide, "=")
}

// tokens hides long words that look random.
func (t *text) tokens() {
	var ids [][2]int
	t.each(requestID, func(from, to int) { ids = append(ids, [2]int{from, to}) }, "id", "req_", "20")
	next := 0
	t.each(maskToken, func(from, to int) {
		for next < len(ids) && ids[next][1] <= from {
			next++
		}
		if next < len(ids) && ids[next][0] <= from && to <= ids[next][1]+1 { // a full stop may follow
			return
		}
		if looksSecret(string(t.b[from:to])) {
			t.hide(from, to, maskedKey)
		}
	})
}

// addresses hides URLs and addresses of the internet protocol.
func (t *text) addresses() {
	hide := func(from, to int) { t.hide(from, to, maskedAddress) }
	t.each(maskURL, hide, "://")
	t.each(maskIPv4, func(from, to int) {
		if quad(string(t.b[from:to])) {
			hide(from, to)
		}
	}, ".")
	t.each(maskNumber, func(from, to int) {
		if number, _, _ := strings.Cut(string(t.b[from:to]), ":"); addressNumber(number) {
			hide(from, to)
		}
	})
	t.each(maskIPv6, t.sixth, ":")
}

// quad reports whether s is an address of four numbers, each decimal, octal or
// hexadecimal.
func quad(s string) bool {
	s, _, _ = strings.Cut(s, ":")
	for part := range strings.SplitSeq(s, ".") {
		if len(part) > 3 && part[0] != '0' {
			return false
		}
	}
	return true
}

// privateNumbers are the networks of which addresses may be written as one number, by
// their first and last.
var privateNumbers = [...][2]uint64{
	{10 << 24, 10<<24 | 0xFFFFFF},
	{172<<24 | 16<<16, 172<<24 | 31<<16 | 0xFFFF},
	{192<<24 | 168<<16, 192<<24 | 168<<16 | 0xFFFF},
	{127 << 24, 127<<24 | 0xFFFFFF},
	{100<<24 | 64<<16, 100<<24 | 127<<16 | 0xFFFF},
	{169<<24 | 254<<16, 169<<24 | 254<<16 | 0xFFFF},
}

// addressNumber reports whether s, a number, is likely an address: one of 32 bits in
// hexadecimal or octal, or a decimal one of a private network. The largest of 31 bits is
// a bound in more messages than it is an address.
func addressNumber(s string) bool {
	low := strings.ToLower(s)
	if strings.HasPrefix(low, "0x") {
		return true
	}
	if s[0] == '0' {
		v, err := strconv.ParseUint(s, 8, 64)
		return err == nil && len(s) >= 9 && v < 1<<32
	}
	v, err := strconv.ParseUint(s, 10, 32)
	if err != nil || v == 1<<31-1 {
		return false
	}
	return slices.ContainsFunc(privateNumbers[:], func(net [2]uint64) bool { return v >= net[0] && v <= net[1] })
}

// sixth hides an IPv6 address between from and to, with its brackets and port.
func (t *text) sixth(from, to int) {
	if from > 0 && (isAlnum(lower(t.b[from-1])) || t.b[from-1] == '_') || to < len(t.b) && (isAlnum(lower(t.b[to])) || t.b[to] == '_') {
		return
	}
	for to > from && (t.b[to-1] == '.' || t.b[to-1] == ':' && (to-2 < from || t.b[to-2] != ':')) {
		to--
	}
	if to-from < 3 || !isIPv6(string(t.b[from:to])) {
		return
	}
	if from > 0 && to < len(t.b) && t.b[from-1] == '[' && t.b[to] == ']' {
		from, to = from-1, to+1
		if to < len(t.b) && t.b[to] == ':' {
			for to++; to < len(t.b) && t.b[to] >= '0' && t.b[to] <= '9'; {
				to++
			}
		}
	}
	t.hide(from, to, maskedAddress)
}

// isIPv6 reports whether s is an address of IPv6, with or without a zone.
func isIPv6(s string) bool {
	s, _, _ = strings.Cut(s, "%")
	first, rest, short := strings.Cut(s, "::")
	if !short {
		return groups(s, true) == 8
	}
	a, b := groups(first, false), groups(rest, true)
	return a >= 0 && b >= 0 && a+b < 8
}

// groups is how many groups of 16 bits s has, of which the last two may be an IPv4
// address; -1 where it is something else.
func groups(s string, last bool) (n int) {
	if s == "" {
		return 0
	}
	parts := strings.Split(s, ":")
	for i, p := range parts {
		switch {
		case last && i == len(parts)-1 && isIPv4(p):
			n++
		case len(p) < 1 || len(p) > 4 || strings.Trim(strings.ToLower(p), "0123456789abcdef") != "":
			return -1
		}
		n++
	}
	return n
}

// isIPv4 reports whether s is four numbers of a byte.
func isIPv4(s string) bool {
	parts := strings.Split(s, ".")
	for _, p := range parts {
		if n, err := strconv.ParseUint(p, 10, 8); err != nil || n > 255 {
			return false
		}
	}
	return len(parts) == 4
}

// names hides names of hosts.
func (t *text) names(m *Masker) {
	t.each(maskPod, func(from, to int) { t.hide(from, to, maskedAddress) }, "-")
	t.each(maskWord, func(from, to int) {
		word, port, _ := strings.Cut(strings.ToLower(string(t.b[from:to])), ":")
		for word != "" && strings.HasSuffix(word, ".") { // the end of a sentence
			word = word[:len(word)-1]
			if port == "" {
				to--
			}
		}
		word = strings.Trim(word, "-_")
		if word != "" && (m.knows(word) || hostName(word) || withPort(word, port)) {
			t.hide(from, to, maskedAddress)
		}
	})
}

// knows reports whether word is a configured host, or of the same private network.
func (m *Masker) knows(word string) bool {
	if m == nil {
		return false
	}
	i := strings.LastIndexByte(word, '.')
	return m.words[word] || i > 0 && m.suffixes[word[i+1:]]
}

// suffixes are last labels of names that are hosts; those of two letters are as well.
var suffixes = wordSet(`com net org info biz dev app cloud tech online site xyz top pro edu gov mil
	local localhost localdomain internal intranet intra lan corp home private priv svc cluster prod production stage staging test qa uat
	example invalid arpa consul k8s docker dmz infra lab vpn mesh box nas domain workgroup`)

// inner are labels of names of which at least one more follows.
var inner = wordSet(`prod production stage staging svc cluster internal intranet intra corp lan dmz infra k8s consul private priv qa uat`)

// noHosts are last labels of two letters that are rather words, and first labels of
// paths of parameters.
var (
	lastNoHosts  = wordSet(`id is to of or as if no on at by we you`)
	firstNoHosts = wordSet(`messages message tools tool tool_choice content system input choices`)
)

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(words) {
		set[w] = true
	}
	return set
}

// publicSuffix reports whether names that end with label say nothing of a private one.
func publicSuffix(label string) bool { return suffixes[label] || len(label) == 2 }

// numbered is the name of one of several hosts: backend-01, node3, ip-10-0-0-7.
var numbered = lazily(`^[a-z][a-z\-]*[0-9][0-9a-z\-]*$`)

// hostName reports whether word, in lower case, looks like the name of a host.
func hostName(word string) bool {
	if word == "localhost" {
		return true
	}
	labels := strings.Split(word, ".")
	last := labels[len(labels)-1]
	if len(labels) < 2 || lastNoHosts[last] || firstNoHosts[labels[0]] || last == "" || last[0] >= '0' && last[0] <= '9' {
		return false
	}
	if suffixes[last] || len(last) == 2 && isAlnum(last[0]) && last[1] >= 'a' && last[1] <= 'z' {
		return true
	}
	named := true
	for i, l := range labels[1:] {
		named = named && l != "" && l[0] >= 'a' && l[0] <= 'z'
		if inner[l] && i+2 < len(labels) {
			return true
		}
	}
	return named && len(labels) > 2 && numbered().MatchString(labels[0])
}

// noPorts are words behind which a number is none of a port.
var noPorts = wordSet(`line column col row status code error char position pos offset index at token tokens max_tokens max_completion_tokens length len limit size
	total max min seed count http page step chunk retry attempt level version value got want is`)

// withPort reports whether word with the number port behind it is a host with a port.
func withPort(word, port string) bool {
	switch {
	case port == "" || noPorts[word] || strings.HasSuffix(word, "tokens"):
		return false
	case len(port) >= 4:
		return true
	case len(port) < 2 || word[0] >= '0' && word[0] <= '9' || len(word) < 2:
		return false
	}
	return port == "80" || port == "443" || port == "808" || strings.ContainsAny(word, "0123456789-.")
}

// What a path of a server does not begin with: calls of APIs, and places in a schema.
var noPaths = wordSet(`v1 v1beta v2 v3 v4 api chat completions responses embeddings messages models openai anthropic compatible-mode images audio
	properties definitions $defs items anyof oneof allof tools parameters content choices input`)

// paths hides paths of files.
func (t *text) paths() {
	hide := func(from, to int) { t.hide(from, to, maskedPath) }
	t.each(maskWindows, func(from, to int) {
		if to-from > 3 && !bytes.HasPrefix(t.b[from+2:], []byte("//")) {
			hide(from, to)
		}
	}, `:\`, ":/")
	t.each(maskUNC, hide, "\\\\")
	t.each(maskUnix, func(from, to int) {
		for to > from && strings.IndexByte(".:!?", t.b[to-1]) >= 0 {
			to--
		}
		path := strings.ToLower(string(t.b[from:to]))
		if path[0] == '~' {
			hide(from, to)
			return
		}
		parts := strings.Split(strings.Trim(path, "/"), "/")
		host := strings.HasPrefix(path, "//") && len(parts) > 1
		if host || !noPaths[parts[0]] && (len(parts) > 1 || strings.Contains(parts[0], ".")) {
			hide(from, to)
		}
	}, "/")
}

// looksSecret reports whether w, a run of token characters, is likely random:
// hexadecimal, or mixed without pause, or of all three classes of characters.
func looksSecret(w string) bool {
	hexes, run, longest := 0, 0, 0
	var lower, upper, digit, mixed bool
	var runLetter, runDigit bool
	for i := 0; i < len(w); i++ {
		c := w[i]
		isDigit, isLower, isUpper := c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z'
		digit, lower, upper = digit || isDigit, lower || isLower, upper || isUpper
		if isDigit || c|0x20 >= 'a' && c|0x20 <= 'f' {
			hexes++
		}
		if !isDigit && !isLower && !isUpper {
			run, runLetter, runDigit = 0, false, false
			if c == '-' {
				hexes++
			}
			continue
		}
		run++
		runLetter, runDigit = runLetter || isLower || isUpper, runDigit || isDigit
		longest = max(longest, run)
		mixed = mixed || run >= 20 && runLetter && runDigit
	}
	switch {
	case hexes == len(w) && len(w) >= 24 && digit:
		return true
	case mixed:
		return true
	case longest >= 40:
		return true
	}
	return len(w) >= 32 && lower && upper && digit
}
