package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func page(t *testing.T) *Page {
	t.Helper()
	p, err := New()
	if err != nil || p == nil {
		t.Fatal(p, err)
	}
	return p
}

func (p *Page) get(path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func TestThePageIsAtTheRootAndUnderTheNameOfEveryView(t *testing.T) {
	t.Parallel()
	p := page(t)
	for _, path := range []string{"/", "/console/", "/console/channels", "/console/requests/"} {
		w := p.get(path)
		if w.Code != 200 || !strings.Contains(w.Body.String(), `<div id="page">`) || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
		if w.Header().Get("Cache-Control") != "no-cache" || w.Header().Get("Content-Security-Policy") != policy {
			t.Errorf("%s: %v", path, w.Header())
		}
	}
	for _, path := range []string{"/console/assets/index.js", "/console/../secret.txt", "/console/a/b", "/console/sources", "/favicon.ico", "/console/.env"} {
		if w := p.get(path); w.Code != 404 && !strings.HasSuffix(path, "sources") {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

var linked = regexp.MustCompile(`(?:src|href)="([^"]+)"`)

func TestEveryFileOfThePageIsThereAndMayBeKeptWhereItsNameHasItsSum(t *testing.T) {
	t.Parallel()
	p := page(t)
	total := 0
	index := p.get("/").Body.String()
	for _, m := range linked.FindAllStringSubmatch(index, -1) {
		w := p.get(m[1], "Accept-Encoding", "br, gzip")
		if w.Code != 200 {
			t.Fatalf("%s: %d", m[1], w.Code)
		}
		total += w.Body.Len()
		kept := strings.Contains(w.Header().Get("Cache-Control"), "immutable")
		if kept != strings.HasPrefix(m[1], "/console/assets/") {
			t.Errorf("%s: %v", m[1], w.Header())
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatalf("%s: %v", m[1], err)
		}
		unpacked, err := io.ReadAll(z)
		if plain := p.get(m[1]); err != nil || !bytes.Equal(unpacked, plain.Body.Bytes()) {
			t.Errorf("%s: it is another file when it is compressed: %v", m[1], err)
		}
		if again := p.get(m[1], "If-None-Match", w.Header().Get("ETag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%s: %d", m[1], again.Code)
		}
	}
	if total == 0 || total > 200<<10 {
		t.Errorf("the page has %d bytes compressed, at most 200 KiB are wanted", total)
	}
}

func TestThePageHasNothingInlineAndNothingForeign(t *testing.T) {
	t.Parallel()
	index := page(t).get("/").Body.String()
	for _, wrong := range []string{"<style", "style=", "onload", "onclick", "http://", "https://", "</script><script>"} {
		if strings.Contains(index, wrong) {
			t.Errorf("index.html has %s", wrong)
		}
	}
	if regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(index) {
		t.Error("index.html has an inline script")
	}
}

// TestTheBuiltFilesAreThoseOfTheSources compares the sum that the build has written; make
// console builds them anew and compares every byte.
func TestTheBuiltFilesAreThoseOfTheSources(t *testing.T) {
	t.Parallel()
	names := []string{"index.html", "package-lock.json", "vite.config.js"}
	for _, below := range []string{"public", "src"} {
		err := filepath.WalkDir(filepath.Join("web", below), func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				names = append(names, strings.TrimPrefix(filepath.ToSlash(path), "web/"))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	sum := sha256.New()
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join("web", filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		sum.Write([]byte(name + "\x00"))
		sum.Write(text)
		sum.Write([]byte{0})
	}
	stamp, err := os.ReadFile("dist/sources.sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != strings.TrimSpace(string(stamp)) {
		t.Error("dist was built from other sources: run make console-dist and commit it")
	}
}
