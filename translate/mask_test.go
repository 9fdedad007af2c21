package translate

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// mask is what clients see where nothing is configured.
func mask(s string) string { return (*Masker)(nil).Client(s) }

func TestMaskHidesAddressesAndCredentials(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		"https://api.vendor.example/v1/chat?key=abc", "http://10.0.0.7:8080/x", "wss://socket.vendor.io/chat",
		"api.openai.com", "llm.corp.internal:8443", "models.vendor.ai", "10.1.2.3", "10.1.2.3:9000", "localhost:11434", "redis-a:6379",
		"2001:db8:0:1:1:1:1:1", "[fe80::1]:80", "::1",
		"sk-abcdef", "sk-proj-Ab_9-xyz0123", "sk-ant-api03-abcDEF", "sk-abc***xyz", "gsk_0123abcd", "hf_abcdefghi", "AKIAIOSFODNN7EXAMPLE",
		"Bearer abc.def-ghi", "bearer 0123456789", "org-a1b2c3d4e5",
		"5e884898da28047151d0e56f8dc6292773603d0d", "123e4567-e89b-12d3-a456-426614174000",
		"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJib2IifQ.c2lnbmF0dXJlMTIzNDU2", "dGhpcyBpcyBhIHNlY3JldDEyMzQ1Njc4OTA=",
	} {
		got := mask("it failed at " + secret + " (see there)")
		if strings.Contains(got, strings.TrimPrefix(strings.TrimPrefix(secret, "Bearer "), "bearer ")) {
			t.Errorf("Mask left %q in %q", secret, got)
		}
		if !strings.HasPrefix(got, "it failed at ") || !strings.HasSuffix(got, " (see there)") {
			t.Errorf("Mask damaged what surrounds %q: %q", secret, got)
		}
	}
	if got := mask(`{"api_key":"hunter2hunter2"}`); strings.Contains(got, "hunter2") {
		t.Errorf("Mask left a named secret: %q", got)
	}
}

func TestMaskLeavesOrdinaryMessagesAlone(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"",
		"This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens.",
		"messages.0.content.1.image.source.base64.data: field required",
		"messages[3].tool_calls[0].id: missing", "messages.0.id is missing", "tools.0.custom.input_schema.type: Field required",
		"max_tokens: 200000 > 64000, which is the maximum for claude-sonnet-4-5-20250929",
		"The model `gpt-4.1-mini-2025-04-14` does not exist", "temperature: 1.5 is too high, e.g. use 0.7",
		"Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1) value is supported.",
		"invalid_request_error: context_length_exceeded", "Модель отклонила вопрос",
	} {
		if got := mask(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestMaskHidesHostsPathsAndNumbersOfAddresses(t *testing.T) {
	t.Parallel()
	for _, secret := range []string{
		"backend-01.prod.mycorp", "db.svc", "redis.default.svc.cluster.local", "vault.corp", "nas.lan", "printer.home", "api.internal", "llm.prod.eu.mycorp",
		"node3.rack.mycorp", "ip-10-0-0-7.ec2.mycorp", "backend01:808", "gpu-07:80", "gateway:443", "proxy:8080", "vllm-7d9f8b6c5-x2x4z",
		"/home/ops/llm/keys.json", "/etc/passwd", "~/keys.json", "/opt/llm", "/srv/app/main.py", "/keys.json", "//files/share/x",
		`C:\Users\ops user\keys.txt`, `D:/llm/keys.json`, `C:\Program Files\llm\run.exe`, `\\files\share\keys`, `\\\\files\\share\\keys`,
		"0x0a000007", "0x0A.0x00.0x00.0x07", "012.0.0.07", "01200000007", "167772167", "3232235777", "2130706433", "10.0.0.7:80",
		"fe80::1%eth0", "[2001:db8::7]:8443", "::ffff:10.0.0.7", "2001:db8:85a3::8a2e:370:7334", "0:0:0:0:0:0:0:1",
		"http%3A%2F%2F10.0.0.7%3A8080%2Fx", "\uff11\uff10\uff0e\uff10\uff0e\uff10\uff0e\uff17", "10.0\u200b.0.7", "llm\u00ad.corp.\u200dinternal", `http:\/\/10.0.0.7\/x`,
		"vault\u3002corp", "ｌｌｍ．ｃｏｒｐ",
	} {
		got := mask("it failed at " + secret + " (see there)")
		if strings.Contains(got, secret) || !strings.Contains(got, "[") {
			t.Errorf("Mask left %q in %q", secret, got)
		}
		if !strings.HasPrefix(got, "it failed at [") || !strings.HasSuffix(got, "] (see there)") {
			t.Errorf("Mask damaged what surrounds %q: %q", secret, got)
		}
	}
}

func TestMaskLeavesIDsOfRequestsAndWhatIsNoAddress(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"upstream error (request id: 202611290812345678901234567890123)", "bad (request id: 20261129081234567890123abcDEFgh)",
		"request_id: req_011CSHoEeqs5C35K2UUqR7Fy", "see req_011CSHoEeqs5C35K2UUqR7Fy.", `{"request_id":"b3c0a4d21c8f4e0e9d9a1e1a7b1f0a55"}`,
		"202611290812345678901234567890123", "Request ID 123e4567-e89b-12d3-a456-426614174000 failed",
		"Unknown request URL: POST /v1/chat/completions. Please check the URL", "see /api/chat", "at /properties/name/type", "text/html or application/json",
		"max_tokens:4096 is above 2048", "line:12 column:345", "at 10:30:45", "12:30", "image of 16777216 bytes, at most 2147483647", "std::vector<int>",
		"litellm.exceptions.BadRequestError: x", "torch.cuda.OutOfMemoryError", "gemini-1.5-pro", "llama3.1-70b", "1/2", "100%", "50%de", `a\nb`, `\d+\w`,
		"deepseek-ai/DeepSeek-V2.5", "the answer is 1700000000", "qwen2.5-coder:32b",
	} {
		if got := mask(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}

func TestAPageForBrowsersBecomesASentence(t *testing.T) {
	t.Parallel()
	for _, page := range []string{
		"<!DOCTYPE html><html><body>nginx on vm-3</body></html>", "  \n<html>\n<head><title>502 Bad Gateway</title>", "error: <HTML><body>x", "<?xml version=\"1.0\"?><Error/>",
		"&lt;html&gt;x", "<center><h1>403 Forbidden</h1></center>",
	} {
		if got := mask(page); got != maskedPage {
			t.Errorf("%q became %q", page, got)
		}
	}
	if got := mask("the model wrote 1 < 2 and <b>"); got != "the model wrote 1 < 2 and <b>" {
		t.Errorf("got %q", got)
	}
}

// between puts s between all characters of text.
func between(text, s string) string { return strings.Join(strings.Split(text, ""), s) }

func shifted(text string, from, to rune) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r <= '~' {
			return r - from + to
		}
		return r
	}, text)
}

func reversed(text string) string {
	r := []rune(text)
	slices.Reverse(r)
	return string(r)
}

func numbers(text, format, sep string) string {
	var all []string
	for _, c := range []byte(text) {
		all = append(all, fmt.Sprintf(format, c))
	}
	return strings.Join(all, sep)
}

// written is every way of writing a key or host that is found.
var written = map[string]func(string) string{
	"plain":            func(k string) string { return k },
	"quoted":           func(k string) string { return `"` + k + `"` },
	"upper case":       strings.ToUpper,
	"reversed":         reversed,
	"base64":           func(k string) string { return base64.StdEncoding.EncodeToString([]byte(k)) },
	"base64, raw":      func(k string) string { return base64.RawStdEncoding.EncodeToString([]byte(k)) },
	"base64, URL":      func(k string) string { return base64.URLEncoding.EncodeToString([]byte(k)) },
	"base64, behind 1": func(k string) string { return base64.RawURLEncoding.EncodeToString([]byte("x" + k + "yz")) },
	"base64, behind 2": func(k string) string { return base64.StdEncoding.EncodeToString([]byte("Bearer xy" + k)) },
	"base64 in lines":  func(k string) string { return between(base64.StdEncoding.EncodeToString([]byte(k)), "\n") },
	"base64, reversed": func(k string) string { return reversed(base64.RawStdEncoding.EncodeToString([]byte(k))) },
	"base64, of a part": func(k string) string {
		return "k=" + base64.StdEncoding.EncodeToString([]byte(k[len(k)/2:]))
	},
	"hex":            func(k string) string { return hex.EncodeToString([]byte(k)) },
	"HEX":            func(k string) string { return strings.ToUpper(hex.EncodeToString([]byte(k))) },
	"hex dump":       func(k string) string { return numbers(k, "%02x", " ") },
	"hex of C":       func(k string) string { return numbers(k, "0x%02x", ", ") },
	"hex, reversed":  func(k string) string { return reversed(hex.EncodeToString([]byte(k))) },
	"hex escapes":    func(k string) string { return numbers(k, `\x%02x`, "") },
	"octal escapes":  func(k string) string { return numbers(k, `\%03o`, "") },
	"decimal":        func(k string) string { return numbers(k, "%d", " ") },
	"percent":        func(k string) string { return numbers(k, "%%%02X", "") },
	"percent, twice": func(k string) string { return numbers(k, "%%25%02x", "") },
	"percent, some": func(k string) string {
		return strings.NewReplacer("e", "%65", "a", "%61", ".", "%2E", "-", "%2d").Replace(k)
	},
	"JSON":       func(k string) string { return numbers(k, `\u%04x`, "") },
	"HTML":       func(k string) string { return numbers(k, "&#%d;", "") },
	"HTML, hex":  func(k string) string { return numbers(k, "&#x%x;", "") },
	"full width": func(k string) string { return shifted(k, '!', 0xFF01) },
	"full width, percent": func(k string) string {
		return strings.ReplaceAll(url.QueryEscape(shifted(k, '!', 0xFF01)), "+", "%20")
	},
	"bold":            func(k string) string { return strings.Map(bold, k) },
	"zero width":      func(k string) string { return between(k, "\u200b") },
	"soft hyphens":    func(k string) string { return between(k, "\u00ad") },
	"joiners":         func(k string) string { return between(k, "\u2060\ufeff\u200d") },
	"accents":         func(k string) string { return between(k, "\u0301") },
	"tags":            func(k string) string { return between(k, "\U000E0061") },
	"spaces":          func(k string) string { return between(k, " ") },
	"no-break spaces": func(k string) string { return between(k, "\u00a0") },
	"hyphens":         func(k string) string { return between(k, "-") },
	"NULs":            func(k string) string { return between(k, "\x00") },
	"in two":          func(k string) string { return k[:len(k)/2] + `", "` + k[len(k)/2:] },
	"in halves":       func(k string) string { return "begins with " + k[:len(k)/2] + " and ends with " + k[len(k)/2:] },
}

func bold(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z':
		return 0x1D41A + r - 'a'
	case r >= 'A' && r <= 'Z':
		return 0x1D400 + r - 'A'
	case r >= '0' && r <= '9':
		return 0x1D7CE + r - '0'
	}
	return r
}

const (
	plantedKey  = "Vq7-channelcredential_Zw83Kd91Lm50Xy"
	plantedHost = "gateway-eu.vendorplace.io"
)

// readable is what somebody sees of text who knows how the key was written: its
// letters and digits.
func readable(text string) string {
	return strings.Map(func(r rune) rune {
		if r = folded(r); r < 0x80 && r > 0 && isAlnum(lower(byte(r))) {
			return rune(lower(byte(r)))
		}
		return -1
	}, text)
}

func TestAConfiguredKeyIsHiddenHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	m := NewMasker([]string{"another-key-of-ours", plantedKey}, []string{plantedHost, "10.20.30.40", "vm"})
	for how, write := range written {
		key := write(plantedKey)
		for what, got := range map[string]string{"client": m.Client("the key " + key + " was refused"), "log": m.Log("the key " + key + " was refused")} {
			if !strings.HasPrefix(got, "the key ") || !strings.HasSuffix(got, " was refused") || !strings.Contains(got, maskedKey) {
				t.Errorf("%s, %s: %q", how, what, got)
			}
			// Nothing is left of it but letters at its edges and the words around.
			secret := readable(key)
			for i := 0; i+gramSize+4 <= len(secret); i++ {
				if part := secret[i : i+gramSize+4]; strings.Contains(readable(got), part) && how != "in halves" && how != "base64, behind 2" {
					t.Errorf("%s, %s: %q is left in %q", how, what, part, got)
					break
				}
			}
		}
		if how == "in halves" || how == "base64, of a part" {
			continue // a name of a host is found as a whole
		}
		if got := m.Client("the host " + write(plantedHost) + " is down"); !strings.Contains(got, "[") || strings.Contains(readable(got), readable(write(plantedHost))) {
			t.Errorf("%s: %q", how, got)
		}
	}
}

func TestShortKeysAndHostsAreFoundAsWords(t *testing.T) {
	t.Parallel()
	m := NewMasker([]string{"hush", "k", "a-b-c"}, []string{"vm", "ollama", "llm.mycorp", "10.9.8.7"})
	for text, want := range map[string]string{
		"the key hush is bad":          "the key [key] is bad",
		"hushed, a k":                  "hushed, a k",
		"is a-b-c, no":                 "is [key], no",
		"HUSH!":                        "[key]!",
		"not vm":                       "not [address]",
		"vms and evm":                  "vms and evm",
		"ollama:11434 and ollama.":     "[address] and [address].",
		"model ollama-2 and my_ollama": "model ollama-2 and my_ollama",
		"from db7.mycorp":              "from [address]",
		"from llm.mycorp:90":           "from [address]",
	} {
		if got := m.Client(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestTheLogKeepsWhatTheOperatorNeedsAndNoKey(t *testing.T) {
	t.Parallel()
	m := NewMasker([]string{plantedKey}, []string{"backend01", plantedHost, "10.0.0.3"})
	for _, s := range []string{
		"lookup backend01 on 10.0.0.2:53: no such host", "x509: certificate is valid for 10.0.0.3, *.vendor.io, not vm", "dial tcp 10.0.0.3:443: connect: connection refused",
		"dial tcp [2001:db8::1]:443: i/o timeout", "Post \"https://" + plantedHost + "/v1/chat/completions\": EOF", "open /etc/ssl/ca.pem: no such file or directory",
		"upstream: 400 x (request id: 202611290812345678901234567890123)", "read C:\\x\\y", "b3c0a4d21c8f4e0e9d9a1e1a7b1f0a55", "<html>502</html>",
	} {
		if got := m.Log(s); got != s {
			t.Errorf("Log(%q) = %q", s, got)
		}
	}
	for s, want := range map[string]string{
		"Get \"https://joe:hunter2@host/x?key=abc&y=1\": EOF": "Get \"https://[key]@host/x?key=[key]&y=1\": EOF",
		"Incorrect API key provided: sk-abc***xyz.":           "Incorrect API key provided: [key].",
		"Authorization: Bearer abcdefgh":                      "Authorization: [key]",
	} {
		if got := m.Log(s); got != want && !strings.Contains(got, "Bearer [key]") {
			t.Errorf("Log(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestWhatIsShownHasABoundAndNothingIsShownOfAKeyAtIt(t *testing.T) {
	t.Parallel()
	m := NewMasker([]string{plantedKey}, nil)
	for n := maskedMost - 3*len(plantedKey); n < maskedMost+2*len(plantedKey); n += 3 {
		for _, got := range []string{m.Client(strings.Repeat("a ", n/2) + plantedKey), m.Log(strings.Repeat("a ", n/2) + plantedKey + strings.Repeat(" b", 40_000))} {
			if len(got) > maskedMost || strings.Contains(readable(got), readable(plantedKey)[:gramSize]) {
				t.Fatalf("%d bytes before the key: %d bytes, ending with %q", n, len(got), got[max(0, len(got)-60):])
			}
		}
	}
	if got := m.Client(strings.Repeat("a.io ", 10_000)); len(got) > maskedMost {
		t.Errorf("%d bytes", len(got))
	}
	if got := m.Client(strings.Repeat("你", 10_000)); !utf8.ValidString(got) || len(got) > maskedMost || len(got) < maskedMost-8 {
		t.Errorf("%d bytes, ending with %q", len(got), got[len(got)-8:])
	}
	if got := mask(strings.Repeat("x", maskedMost)); len(got) != len(maskedKey) {
		t.Errorf("got %d bytes", len(got))
	}
}

// What a text costs is bounded, whatever it says and however long it is.
func TestAMaskedTextTakesMemoryInProportionToWhatIsLookedAt(t *testing.T) {
	m := NewMasker([]string{plantedKey}, []string{plantedHost})
	huge := map[string]string{}
	for _, piece := range []string{"a", "%25", "a.", "::", "/a", `\\a`, "0x", "&#38;", "sk-", "\u200b", "1:", "a@", "\xff", "=A", plantedKey} {
		huge[piece] = strings.Repeat(piece, 32<<20/len(piece))
	}
	for piece, s := range huge {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _ = m.Client(s), m.Log(s)
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 48<<20 {
			t.Errorf("%q: %d bytes were allocated", piece, n)
		}
	}
}

func FuzzNoConfiguredKeyIsShown(f *testing.F) {
	var ways []func(string) string
	for _, how := range slices.Sorted(maps.Keys(written)) {
		ways = append(ways, written[how])
	}
	for i := range ways {
		f.Add("before ", " after", i)
	}
	f.Add("sk-", "%", 0)
	f.Add("request id: ", "", 0)
	f.Add("<ht", "ml>", 1)
	m := NewMasker([]string{plantedKey, "another-key-of-ours"}, []string{plantedHost})
	whole := readable(plantedKey)
	f.Fuzz(func(t *testing.T, before, after string, way int) {
		key := ways[uint(way)%uint(len(ways))](plantedKey)
		s := before + " " + key + " " + after
		for _, got := range []string{m.Client(s), m.Log(s)} {
			if len(got) > maskedMost {
				t.Fatalf("%d bytes", len(got))
			}
			if strings.Contains(got, key) || strings.Contains(readable(got), whole) {
				t.Fatalf("%q kept the key: %q", s, got)
			}
			if again := m.Log(got); strings.Contains(readable(again), whole) {
				t.Fatalf("%q kept the key: %q", s, got)
			}
		}
	})
}

func FuzzMaskNeverLetsAPlantedKeyThrough(f *testing.F) {
	f.Add("plain", "text")
	f.Add("see https://", "/path")
	f.Add("sk-", "-x")
	f.Add("\xff\x00", "::")
	f.Fuzz(func(t *testing.T, before, after string) {
		const key = "sk-0123456789abcdef0123456789abcdef"
		if got := mask(before + " " + key + " " + after); strings.Contains(got, key) {
			t.Fatalf("%q kept the key: %q", before+" "+key+" "+after, got)
		}
		const url = "https://upstream.internal.example/v1"
		if got := mask(before + " " + url + " " + after); strings.Contains(got, "upstream.internal.example") {
			t.Fatalf("Mask kept the address: %q", got)
		}
	})
}
