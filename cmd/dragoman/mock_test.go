package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/mockmodel"
)

// printed hands each write over, so that a test can wait for the first.
type printed chan []byte

func (p printed) Write(b []byte) (int, error) {
	p <- bytes.Clone(b)
	return len(b), nil
}

func TestTheCurlLinesThatMockPrintsWork(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out, done := make(printed, 1), make(chan error, 1)
	m := mockCommand{Listen: "127.0.0.1:0"}
	go func() { done <- m.serve(ctx, out) }()
	var banner string
	select {
	case b := <-out:
		banner = string(b)
	case err := <-done:
		t.Fatal(err)
	}
	curl := regexp.MustCompile(`(?m)^(\w+) +curl -N (\S+)((?: -H '[^']+')+) -d '([^']+)'$`)
	found := curl.FindAllStringSubmatch(banner, -1)
	curls := 0
	for _, d := range mockmodel.Dialects {
		if strings.HasPrefix(d.Try, "curl ") {
			curls++
		}
	}
	if len(found) != curls {
		t.Fatalf("%d curl lines in\n%s", len(found), banner)
	}
	for _, f := range found {
		if !json.Valid([]byte(f[4])) {
			t.Errorf("%s: body %s", f[1], f[4])
		}
		req, err := http.NewRequestWithContext(ctx, "POST", strings.Trim(f[2], "'"), strings.NewReader(f[4]))
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range regexp.MustCompile(`'([^:]+): ([^']+)'`).FindAllStringSubmatch(f[3], -1) {
			req.Header.Set(h[1], h[2])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(b), "you said ") {
			t.Errorf("%s: %d %s", f[1], resp.StatusCode, b)
		}
	}
	if !strings.Contains(banner, "garbagemid") {
		t.Error("the words are not listed")
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestMockSaysWhyItCannotListen(t *testing.T) {
	t.Parallel()
	m := mockCommand{Listen: "127.0.0.1:99999"}
	if err := m.serve(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "127.0.0.1:99999") {
		t.Errorf("got %v", err)
	}
}
