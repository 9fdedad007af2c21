package config

import (
	"strings"
	"testing"
)

func TestKeysOfTokensComeOverHTTPSOrFromThisMachine(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://id.example/keys":        "",
		"https://id.example/keys?t=1":    "",
		"HTTPS://id.example/keys":        "",
		"http://127.0.0.1:9000/keys":     "",
		"http://[::1]:9000/keys":         "",
		"http://localhost/keys":          "",
		"http://localhost.evil.example/": "must be https",
		"http://127.0.0.1.example/":      "must be https",
		"http://10.0.0.1/keys":           "must be https",
		"HTTP://id.example/keys":         "must be https",
		"https://u:s3cr3t@id.example/":   "neither a user nor a password",
		"https://id.example/#keys":       "fragment",
		"https://":                       "names no host",
		"file:///etc/keys":               "must begin with https://",
		"keys":                           "must begin with https://",
		"http://%zz":                     "is no URL",
	} {
		c := Default()
		c.Channels = []Channel{{ID: "a", Kind: "mock", Models: []Model{{Name: "m"}}, Tier: 1, Weight: 1, Connections: 1, Transport: "http1", OnLeave: "cancel"}}
		c.Callers.JWT = &JWT{JWKS: address}
		err := c.Validate()
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), "callers.jwt.jwks: ") || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", address, err, want)
		case err != nil && strings.Contains(err.Error(), "s3cr3t"):
			t.Errorf("%s: %v", address, err)
		}
	}
}
