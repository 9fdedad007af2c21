// Package certs serves TLS from files that may be replaced while it serves.
package certs

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// Files are where a server's certificate is.
type Files struct {
	Cert, Key string // PEM
	// ClientCA is the PEM file of those who sign the certificates that clients must show;
	// empty: they need none.
	ClientCA string
}

// settled is how old a file has to be until its time tells whether it was written since:
// clocks of file systems may be as coarse as that.
const settled = 2 * time.Second

// Server is the configuration of a TLS server from [Files]. It looks at them at each
// handshake: what was replaced counts from the next one on, and what cannot be used is told
// once and changes nothing. It is safe for concurrent use.
type Server struct {
	files Files
	log   *slog.Logger

	mu   sync.Mutex
	seen []stamp
	last string      // why the newest files cannot be used; empty: they are
	text [][]byte    // that conf was made of
	conf *tls.Config // the last good one
}

// stamp is how a file looked when it was read.
type stamp struct {
	info  os.FileInfo // nil: it could not be found
	young bool        // it had been written just before
}

// Open reads the files, which must be good. What is wrong with them later goes to log.
func Open(f Files, log *slog.Logger) (*Server, error) {
	s := &Server{files: f, log: log}
	s.seen = s.stamps()
	text, err := s.read()
	if err != nil {
		return nil, err
	}
	if s.conf, err = s.configOf(text); err != nil {
		return nil, err
	}
	s.text = text
	return s, nil
}

// Config is what a TLS listener needs.
func (s *Server) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current(), nil },
	}
}

// current is the configuration of the newest files that are good.
func (s *Server) current() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.stamps()
	if s.unchanged(now) {
		return s.conf
	}
	s.seen = now
	if err := s.reload(); err != nil && err.Error() != s.last {
		s.last = err.Error()
		s.log.Error("the certificate on the disk cannot be used, the one before stays", "cert", s.files.Cert, "why", err)
	}
	return s.conf
}

// reload puts what the files hold in the place of conf; s.mu is held.
func (s *Server) reload() error {
	text, err := s.read()
	if err != nil {
		return err
	}
	same := len(text) == len(s.text)
	for i := range text {
		same = same && bytes.Equal(text[i], s.text[i])
	}
	if same {
		s.last = ""
		return nil
	}
	conf, err := s.configOf(text)
	if err != nil {
		return err
	}
	s.conf, s.text, s.last = conf, text, ""
	s.log.Info("the certificate was read again", "cert", s.files.Cert, "expires", conf.Certificates[0].Leaf.NotAfter.UTC())
	return nil
}

func (s *Server) paths() []string {
	paths := []string{s.files.Cert, s.files.Key}
	if s.files.ClientCA != "" {
		paths = append(paths, s.files.ClientCA)
	}
	return paths
}

func (s *Server) stamps() (all []stamp) {
	for _, path := range s.paths() {
		info, err := os.Stat(path)
		if err != nil {
			info = nil
		}
		all = append(all, stamp{info, info != nil && time.Since(info.ModTime()) < settled})
	}
	return all
}

// unchanged reports whether the files are as they were when they were read.
func (s *Server) unchanged(now []stamp) bool {
	for i, was := range s.seen {
		is := now[i].info
		switch {
		case was.young:
			return false
		case was.info == nil || is == nil:
			if was.info != nil || is != nil {
				return false
			}
		case !os.SameFile(was.info, is) || !was.info.ModTime().Equal(is.ModTime()) || was.info.Size() != is.Size():
			return false
		}
	}
	return true
}

func (s *Server) read() (text [][]byte, err error) {
	for _, path := range s.paths() {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		text = append(text, b)
	}
	return text, nil
}

// configOf makes a configuration of the text of the files.
func (s *Server) configOf(text [][]byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(text[0], text[1])
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", s.files.Cert, s.files.Key, err)
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if s.files.ClientCA == "" {
		return conf, nil
	}
	conf.ClientCAs = x509.NewCertPool()
	if !conf.ClientCAs.AppendCertsFromPEM(text[2]) {
		return nil, fmt.Errorf("%s: %w", s.files.ClientCA, errNoCertificate)
	}
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	// A ticket would spare a client the certificate that it does not have any more.
	conf.SessionTicketsDisabled = true
	return conf, nil
}

var errNoCertificate = errors.New("there is no certificate in it")
