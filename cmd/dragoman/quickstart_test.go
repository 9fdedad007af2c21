package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/store/embedded"
)

func TestTheFormOfTheWebApplicationTakesTheKeyOfTheQuickStart(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "dragoman.db")
	secrets := map[string]bool{}
	for range 2 {
		conf, demo, err := quickStart(func(string) (string, bool) { return "", false })
		if err != nil {
			t.Fatal(err)
		}
		if len(demo) < 6 || len(demo) > 36 {
			t.Errorf("the form does not take %q", demo)
		}
		conf.Store.URL = "sqlite:" + db
		if err := letSignIn(conf); err != nil {
			t.Fatal(err)
		}
		secrets[conf.Callers.JWT.Secret] = true
		st, err := embedded.Open(conf.Store.URL)
		if err != nil {
			t.Fatal(err)
		}
		g, err := proxy.New(conf, st, openUpstream, slog.New(slog.DiscardHandler), proxy.Options{})
		if err != nil {
			t.Fatal(err)
		}
		token, refused := g.Login("demo", demo, "127.0.0.1", time.Hour)
		if refused != nil {
			t.Fatal(refused)
		}
		if who, refused := g.Identify(token, "127.0.0.1"); refused != nil || who.Name != "demo" {
			t.Errorf("the token is worth %+v, %v", who, refused)
		}
		_, _ = g.Close(), st.Close()
	}
	info, err := os.Stat(db + ".jwt-secret")
	if err != nil || info.Mode().Perm() != 0o600 || len(secrets) != 1 {
		t.Errorf("%v, %v, %d secrets", info, err, len(secrets))
	}
}
