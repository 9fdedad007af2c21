package translate

import (
	"strings"
	"testing"
)

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
		got := Mask("it failed at " + secret + " (see there)")
		if strings.Contains(got, strings.TrimPrefix(strings.TrimPrefix(secret, "Bearer "), "bearer ")) {
			t.Errorf("Mask left %q in %q", secret, got)
		}
		if !strings.HasPrefix(got, "it failed at ") || !strings.HasSuffix(got, " (see there)") {
			t.Errorf("Mask damaged what surrounds %q: %q", secret, got)
		}
	}
	if got := Mask(`{"api_key":"hunter2hunter2"}`); strings.Contains(got, "hunter2") {
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
		if got := Mask(s); got != s {
			t.Errorf("Mask(%q) = %q", s, got)
		}
	}
}

func FuzzMaskNeverLetsAPlantedKeyThrough(f *testing.F) {
	f.Add("plain", "text")
	f.Add("see https://", "/path")
	f.Add("sk-", "-x")
	f.Add("\xff\x00", "::")
	f.Fuzz(func(t *testing.T, before, after string) {
		const key = "sk-0123456789abcdef0123456789abcdef"
		if got := Mask(before + " " + key + " " + after); strings.Contains(got, key) {
			t.Fatalf("Mask(%q) kept the key: %q", before+" "+key+" "+after, got)
		}
		const url = "https://upstream.internal.example/v1"
		if got := Mask(before + " " + url + " " + after); strings.Contains(got, "upstream.internal.example") {
			t.Fatalf("Mask kept the address: %q", got)
		}
	})
}
