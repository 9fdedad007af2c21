package translate

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestRefusalFromReadsEveryKnownShape(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		body string
		want Refusal
	}{
		{`{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
			Refusal{Type: "invalid_request_error", Code: "context_length_exceeded", Message: "too long", Param: "messages"}},
		{`{"type":"error","error":{"type":"not_found_error","message":"model: x"},"request_id":"req_1"}`,
			Refusal{Type: "not_found_error", Message: "model: x"}},
		{`{"error":"no such thing"}`, Refusal{Message: "no such thing"}},
		{`{"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400}`,
			Refusal{Type: "BadRequestError", Code: "400", Message: "bad"}},
		{`{"detail":"Not Found"}`, Refusal{Message: "Not Found"}},
		{`<html>502</html>`, Refusal{Message: "<html>502</html>"}},
		{`{"error":null,"x":1}`, Refusal{Message: `{"error":null,"x":1}`}},
		{``, Refusal{}},
		{`[]`, Refusal{Message: "[]"}},
	} {
		if got := RefusalFrom([]byte(c.body)); got != c.want {
			t.Errorf("RefusalFrom(%s) = %+v, want %+v", c.body, got, c.want)
		}
	}
}

func TestRefusalFromCutsALongTextBetweenCharacters(t *testing.T) {
	t.Parallel()
	got := RefusalFrom([]byte("x" + strings.Repeat("ж", 500))).Message
	if len(got) > refusalText || len(got) < refusalText-1 || !utf8.ValidString(got) || strings.Contains(got, "\ufffd") {
		t.Fatalf("%d bytes: %q", len(got), got)
	}
}

func TestInBandErrorsAreClassifiedByTheirWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ref   Refusal
		code  Code
		fault Fault
	}{
		{Refusal{Type: "overloaded_error"}, CodeRateLimited, FaultBusy},
		{Refusal{Type: "rate_limit_error"}, CodeRateLimited, FaultBusy},
		{Refusal{Type: "requests", Code: "rate_limit_exceeded"}, CodeRateLimited, FaultBusy},
		{Refusal{Code: "429"}, CodeRateLimited, FaultBusy},
		{Refusal{Type: "invalid_request_error"}, CodeModel, FaultRejected},
		{Refusal{Type: "invalid_request_error", Code: "invalid_api_key"}, CodeUnavailable, FaultDenied},
		{Refusal{Type: "authentication_error"}, CodeUnavailable, FaultDenied},
		{Refusal{Type: "server_error"}, CodeModel, FaultBroken},
		{Refusal{Code: "503"}, CodeModel, FaultBroken},
		{Refusal{Message: "?"}, CodeModel, FaultBroken},
	} {
		e := InBand(c.ref)
		if e.Code != c.code || e.Fault != c.fault {
			t.Errorf("InBand(%+v) = %s, fault %s; want %s, fault %s", c.ref, e.Code, e.Fault, c.code, c.fault)
		}
		if e.Upstream == nil || e.Upstream.Type != c.ref.Type {
			t.Errorf("InBand(%+v) lost the refusal", c.ref)
		}
	}
}

func FuzzRefusalFrom(f *testing.F) {
	f.Add([]byte(`{"error":{"message":"m","code":5}}`))
	f.Add([]byte("\xff"))
	for _, s := range samples(f) {
		f.Add([]byte(s.body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ref := RefusalFrom(body)
		if !utf8.ValidString(ref.Message) {
			t.Fatalf("invalid text %q", ref.Message)
		}
		_ = InBand(ref)
		for _, e := range []*Error{FailedIn(body), Refused(400, body), Refused(503, body)} {
			if e.Fault == 0 || e.Message == "" || e.Retry < 0 || e.Retry > 24*time.Hour || e.TooLong != nil && (e.TooLong.Limit < 0 || e.TooLong.Sent < 0) {
				t.Fatalf("%+v", e)
			}
			if e.Fault == FaultRejected && e.Upstream.Status/100 != 4 {
				t.Fatalf("a question's own fault has status %d", e.Upstream.Status)
			}
		}
	})
}

func TestAClientIsToldOfANumberedRefusalInTheWordsThatItKnows(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]Refusal{
		`{"base_resp":{"status_code":1027,"status_msg":"output new_sensitive"}}`: {Status: 400, Type: "invalid_request_error", Code: "1027", Message: "output new_sensitive"},
		`{"base_resp":{"status_code":2013,"status_msg":"invalid params"}}`:       {Status: 400, Type: "invalid_request_error", Code: "2013", Message: "invalid params"},
		`{"error_code":336103,"error_msg":"the max input characters is 24000"}`:  {Status: 400, Type: "invalid_request_error", Code: CodeTooLong, Message: "the max input characters is 24000"},
	} {
		if e := FailedIn([]byte(body)); e.Fault != FaultRejected || *e.Upstream != want {
			t.Errorf("%s: fault %v, %+v", body, e.Fault, *e.Upstream)
		}
	}
}
