package translate

import (
	"slices"
	"strings"
)

// What a Masker puts in the place of what it hides.
const (
	maskedAddress = "[address]"
	maskedKey     = "[key]"
	maskedPath    = "[path]"
	maskedPage    = "the model's server answered with a web page instead of an error"
)

// How much of a text is shown, in bytes, and how much beyond that is looked at, so that
// nothing is shown of what begins there.
const (
	maskedMost = 4 << 10
	maskedMore = 2 << 10
)

// A Masker hides in texts of back ends what is nobody's business: from clients the keys
// and hosts of the configuration, and whatever else looks like a credential, an address
// or a path of a server; from the log the keys alone. It is immutable and safe for
// concurrent use; a nil Masker knows no configuration. It takes time in proportion to at
// most 6 KiB of a text, but for Whole.
//
// What was configured is found in pieces of eight letters and digits, whatever stands
// between these, also reversed, in base64 (of any alignment), in hexadecimal and decimal
// numbers, percent-encoded, as escapes of JSON and HTML, in full-width and mathematical
// letters, and with characters between that nobody sees. Other ciphers, pieces that are
// shorter than that, keys of less than four characters, and secrets that are neither
// configured nor look like one are not found.
type Masker struct {
	grams    map[gram]struct{} // pieces of keys
	short    []string          // keys that are too short for a piece
	hosts    map[gram][]string // hosts by their first piece
	words    map[string]bool   // hosts as they are written
	suffixes map[string]bool   // last labels of private hosts
}

// NewMasker returns a Masker of these keys and hosts, which are names or addresses
// without ports. Neither is kept longer than they have to be known.
func NewMasker(keys, hosts []string) *Masker {
	m := &Masker{grams: map[gram]struct{}{}, hosts: map[gram][]string{}, words: map[string]bool{}, suffixes: map[string]bool{}}
	for _, k := range keys {
		plain := alnum(k)
		if len(plain) < gramSize {
			if low := strings.ToLower(k); len(low) >= leastKey && !slices.Contains(m.short, low) {
				m.short = append(m.short, low)
			}
			continue
		}
		for i := 0; i+gramSize <= len(plain); i++ {
			m.grams[gram(plain[i:])] = struct{}{}
		}
	}
	for _, h := range hosts {
		m.host(strings.ToLower(strings.Trim(h, "[].")))
	}
	return m
}

func (m *Masker) host(h string) {
	if len(h) < 2 || m.words[h] {
		return
	}
	m.words[h] = true
	if plain := alnum(h); len(plain) >= gramSize {
		at := gram(plain)
		m.hosts[at] = append(m.hosts[at], string(plain))
	}
	if isIPv4(h) || isIPv6(h) {
		return
	}
	if i := strings.LastIndexByte(h, '.'); i > 0 && !publicSuffix(h[i+1:]) {
		m.suffixes[h[i+1:]] = true
	}
}

// MaskKeys hides from the log what needs no configuration to be known for a credential.
func MaskKeys(s string) string { return (*Masker)(nil).Log(s) }

// Client returns s as a client may see it: at most 4 KiB, without keys, addresses and
// paths of servers; a web page becomes a sentence. Names of models, paths of parameters
// (messages.0.content) and ids of requests stay.
func (m *Masker) Client(s string) string {
	if s == "" {
		return ""
	}
	cut := cutAt(s, maskedMost+maskedMore)
	t := normal(s[:cut])
	if t.page() {
		return maskedPage
	}
	t.keys(m, hostsToo)
	t.secrets()
	t.tokens()
	t.addresses()
	t.names(m)
	t.paths()
	return t.masked(s)
}

// Log returns s as an operator may see it: at most 4 KiB, without keys.
func (m *Masker) Log(s string) string {
	if s == "" {
		return ""
	}
	t := normal(s[:cutAt(s, maskedMost+maskedMore)])
	t.keys(m, keysOnly)
	t.secrets()
	t.users()
	return t.masked(s)
}

// Whole is Log for all of s, in time and memory that are in proportion to it.
func (m *Masker) Whole(s string) string {
	t := normal(s)
	t.keys(m, keysOnly)
	t.secrets()
	t.users()
	return t.replaced(s, len(s))
}

// cutAt is n, or a little less so that no character is cut, or the length of s.
func cutAt(s string, n int) int {
	if len(s) <= n {
		return len(s)
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return n
}

// hidden is a part of a text, in bytes of its normal form, and what stands for it.
type hidden struct {
	from, to int
	as       string
}

func (t *text) hide(from, to int, as string) {
	if from < to {
		t.found = append(t.found, hidden{from, to, as})
	}
}

// masked is s, of which t is the normal form, with what was found hidden.
func (t *text) masked(s string) string {
	if len(t.found) == 0 && len(s) <= maskedMost {
		return s
	}
	end := cutAt(s, maskedMost)
	out := t.replaced(s, end)
	if len(out) > maskedMost || len(s) > end {
		const more = "…"
		out = out[:cutAt(out, min(len(out), maskedMost-len(more)))] + more
	}
	return out
}

// replaced is the beginning of s, up to end, with what was found hidden.
func (t *text) replaced(s string, end int) string {
	var b strings.Builder
	at := 0 // in s
	for _, one := range merged(t.found) {
		from, to := t.from[one.from], t.to[one.to-1]
		if from >= end {
			break
		}
		if from > at {
			b.WriteString(s[at:from])
		}
		b.WriteString(one.as)
		at = max(at, to)
	}
	if at < end {
		b.WriteString(s[at:end])
	}
	return b.String()
}
