// Package console serves the page that operators look at: one page of static files, which
// asks the API of package admin for everything that it shows. The build tag noconsole leaves
// the files out.
//
// The sources are in web, the built files in dist; both are committed, so that Go alone
// builds a binary with the page in it.
package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

// policy is what a browser lets the page do: its own scripts, styles and pictures, and calls of the port
// that it came from. Nothing else is loaded, no other page frames it, no form leaves it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// file is one file of the page, as it is sent.
type file struct {
	kind    string // media type
	plain   []byte
	gzipped []byte // nil: it is no shorter
	tag     string // entity tag, of the content
	keep    bool   // its name changes with its content
}

// Page answers with the files of the page. It is safe for concurrent use.
type Page struct {
	// files are the files by their path below dist. They are compressed when the page is asked
	// for first, which takes more memory than a gateway has in use at its start.
	files func() (map[string]*file, error)
}

// New returns the page that is in the binary, or nil where the build tag noconsole has left it
// out. What is wrong with its files is told to who asks for them.
func New() (*Page, error) {
	root := built()
	if root == nil {
		return nil, nil
	}
	return &Page{files: sync.OnceValues(func() (map[string]*file, error) { return read(root) })}, nil
}

func read(root fs.FS) (map[string]*file, error) {
	files := map[string]*file{}
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(root, name)
		if err == nil {
			files[name], err = prepared(name, text)
		}
		return err
	})
	return files, err
}

// prepared is a file with everything that does not depend on the request.
func prepared(name string, text []byte) (*file, error) {
	sum := sha256.Sum256(text)
	f := &file{
		kind:  mime.TypeByExtension(path.Ext(name)),
		plain: text,
		tag:   `"` + hex.EncodeToString(sum[:12]) + `"`,
		keep:  strings.HasPrefix(name, "assets/"),
	}
	short := &bytes.Buffer{}
	z, err := gzip.NewWriterLevel(short, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err = z.Write(text); err != nil {
		return nil, err
	}
	if err = z.Close(); err != nil {
		return nil, err
	}
	if short.Len() < len(text) {
		f.gzipped = short.Bytes()
	}
	return f, nil
}

// ServeHTTP answers GET and HEAD: / and /console/VIEW with the page itself, /console/PATH with a
// file of it, and 404 with a sentence for everything else.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/"), "console/")
	if !strings.ContainsAny(strings.TrimSuffix(name, "/"), "./") {
		name = "index.html" // a view: the page finds out which
	}
	files, err := p.files()
	if err != nil {
		http.Error(w, "the files of the console cannot be read", http.StatusInternalServerError)
		return
	}
	f, ok := files[name]
	if !ok {
		http.Error(w, "the console has no such file: reload the page", http.StatusNotFound)
		return
	}
	f.serve(w, r)
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Type", f.kind)
	h.Set("ETag", f.tag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if f.keep {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := f.plain
	if f.gzipped != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.gzipped
	}
	if r.Header.Get("If-None-Match") == f.tag {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body) // the browser has left; for HEAD net/http drops it
}
