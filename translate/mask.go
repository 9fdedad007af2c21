package translate

import (
	"regexp"
	"strings"
)

// What Mask puts in the place of an address and of a credential.
const (
	maskedAddress = "[address]"
	maskedKey     = "[key]"
)

// The patterns are applied in this order: what is certainly a credential first,
// so that no later pattern cuts it into harmless looking pieces.
var (
	maskURL      = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.\-]*://[^\s"'<>]*`)
	maskBearer   = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[a-z0-9._~+/=\-*]{6,}`)
	maskNamed    = regexp.MustCompile(`(?i)\b(api[-_ ]?key|x-api-key|access[-_ ]?token|token|secret|password|authorization)(["']?\s*[=:]\s*["']?)[^\s"'<>,;]{8,}`)
	maskPrefixed = regexp.MustCompile(`(?i)\b(sk|pk|rk|xai|gsk|ghp|gho|ghs|hf|nvapi|pplx|fw|r8)[-_][a-z0-9_\-*.]*[a-z0-9*]|\b(AKIA|ASIA|AIza)[a-z0-9_\-*]{8,}|\b(org|proj|acct|user)-[a-z0-9]{8,}\b`)
	maskToken    = regexp.MustCompile(`[A-Za-z0-9+/_=.\-]{20,}`)
	maskIPv4     = regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b`)
	maskIPv6     = regexp.MustCompile(`(?i)\[?\b([0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}\b\]?|\[?([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)?::([0-9a-f]{1,4}(:[0-9a-f]{1,4})*)\]?(:\d+)?`)
	maskHost     = regexp.MustCompile(`(?i)\b([a-z0-9]([a-z0-9\-_]*[a-z0-9])?\.)+(com|net|org|info|biz|dev|app|cloud|tech|online|site|xyz|top|local|localhost|localdomain|internal|intranet|lan|corp|home|svc|test|example|invalid|arpa|[a-z]{2})\b(:\d+)?`)
	maskLocal    = regexp.MustCompile(`(?i)\blocalhost\b(:\d+)?|\b[a-z0-9][a-z0-9\-_.]*:\d{4,5}\b`)
)

// Mask returns s with everything replaced that looks like the address of a
// server or like a credential: URLs, host names, IP addresses, keys with the
// usual prefixes, authorization values, and long random looking tokens. It
// would rather mask a harmless word than let a secret through, but leaves names
// of models and paths of parameters (messages.0.content) legible.
func Mask(s string) string {
	s = maskURL.ReplaceAllString(s, maskedAddress)
	s = maskBearer.ReplaceAllString(s, "$1 "+maskedKey)
	s = maskNamed.ReplaceAllString(s, "$1$2"+maskedKey)
	s = maskPrefixed.ReplaceAllString(s, maskedKey)
	s = maskToken.ReplaceAllStringFunc(s, func(w string) string {
		if looksSecret(w) {
			return maskedKey
		}
		return w
	})
	s = maskIPv4.ReplaceAllString(s, maskedAddress)
	s = maskIPv6.ReplaceAllString(s, maskedAddress)
	s = maskHost.ReplaceAllStringFunc(s, func(w string) string {
		if looksLikePath(w) {
			return w
		}
		return maskedAddress
	})
	return maskLocal.ReplaceAllString(s, maskedAddress)
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

// looksLikePath reports whether w, which has the form of a host name, is rather
// the path of a parameter such as messages.0.id, or an abbreviation.
func looksLikePath(w string) bool {
	labels := strings.Split(strings.ToLower(w), ".")
	last := labels[len(labels)-1]
	switch last {
	case "id", "is", "to", "of", "or", "as", "if", "no", "on", "at", "by", "we", "you":
		return true
	}
	if last[0] >= '0' && last[0] <= '9' {
		return true
	}
	switch labels[0] {
	case "messages", "message", "tools", "tool", "tool_choice", "content", "system", "input", "choices":
		return true
	}
	return false
}
