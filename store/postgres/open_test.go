package postgres

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/pgtest"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func said(n int) store.Turn {
	return store.Turn{At: 1, Model: "m", Messages: []store.Message{
		{Message: translate.TextMessage(translate.RoleUser, fmt.Sprint("question ", n)), At: 1},
		{Message: translate.TextMessage(translate.RoleAssistant, fmt.Sprint("answer ", n)), At: 1},
	}}
}

func TestSeveralProcessesMayOpenAnEmptyDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	url := server.Database(t)
	var all sync.WaitGroup
	for i := range 6 {
		all.Go(func() {
			s, err := Open(url)
			if err != nil {
				t.Error(err)
				return
			}
			c := &store.Conversation{ID: fmt.Sprint("conv_", i), Owner: "o"}
			if err := errors.Join(s.Append(t.Context(), c, said(i)), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	s := must(t, url)
	defer func() { _ = s.Close() }()
	if _, total, err := s.List(t.Context(), store.Filter{Owner: "o"}); err != nil || total != 6 {
		t.Errorf("%d conversations, %v", total, err)
	}
}

func TestADatabaseOfAnotherKindIsRefusedInWords(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	for want, statements := range map[string][]string{
		"was written by a newer version of this program (schema 1000000, this one knows": {"CREATE SCHEMA dragoman", "CREATE TABLE dragoman.version (schema bigint)", "INSERT INTO dragoman.version VALUES (1000000)"},
		"belongs to another program": {"CREATE SCHEMA dragoman", "CREATE TABLE dragoman.ships (name text)"},
	} {
		url := server.Database(t)
		name := pgtest.NameOf(url)
		server.Exec(t, name, statements...)
		if _, err := Open(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	server.Exec(t, "postgres", "CREATE DATABASE old ENCODING 'LATIN1' TEMPLATE template0")
	if _, err := Open(server.URL("old")); err == nil || !strings.Contains(err.Error(), "must be UTF8") {
		t.Errorf("an encoding that lacks characters: %v", err)
	}
}

func TestNoErrorHoldsAPartOfTheAddress(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := dead.Addr().String()
	if err := dead.Close(); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		url  string
		want error
	}{
		"nobody listens":       {"postgres://tester:hunter2@" + nobody + "/db", ErrUnreachable},
		"a wrong password":     {"postgres://tester:hunter2@127.0.0.1:" + server.Port() + "/postgres?sslmode=disable", ErrUnreachable},
		"no such database":     {strings.Replace(server.URL("nowhere"), "pass", "pass", 1), ErrUnreachable},
		"a server without TLS": {"postgres://tester:hunter2@127.0.0.1:" + server.Port() + "/postgres?sslmode=require", ErrUnreachable},
		"a name of nobody":     {"postgres://tester:hunter2@dragoman.invalid/db", ErrUnreachable},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			_, err := Open(c.url)
			if !errors.Is(err, c.want) {
				t.Errorf("%v", err)
			}
			for _, part := range []string{"hunter2", pgtest.Password, "a%20pass", "127.0.0.1", nobody, "dragoman.invalid"} {
				if err != nil && strings.Contains(err.Error(), part) {
					t.Errorf("the error says %q: %v", part, err)
				}
			}
		})
	}
}

func TestAURLIsCheckedWithoutBeingTold(t *testing.T) {
	t.Parallel()
	for place, want := range map[string]string{
		"//u:p@h:5432/db?sslmode=verify-full&pool_max_conns=4": "",
		"//h/db":                       "",
		"//u:hunter2@h":                "names no database",
		"///db":                        "names no host",
		"/db":                          "names no host",
		"//u:hunter2@h:port/db":        "is no URL",
		"//u:hunt/er2@h/db":            "is no URL",
		"//u:hunter2@h/db?sslmode=so":  "sslmode is invalid",
		"//h/db?pool_max_conns=hunter": "pool_max_conns",
		"//u:hunter2@h/db?sslmode=verify-full&sslrootcert=/nowhere": "unable to read CA file",
	} {
		got := check(place)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", place, got, want)
		}
		if strings.Contains(got, "hunter2") {
			t.Errorf("%s: %q", place, got)
		}
	}
}

func TestEveryTextComesBackFromTheDatabase(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "plain", "\x00", "a\x00b", "\xff\xfe", escape, escape + "00", escape + "--" + escape, "ü" + escape + "\x80", "\xed\xa0\x80"} {
		kept := text(s)
		if got := plain(kept); got != s {
			t.Errorf("%q is kept as %q and comes back as %q", s, kept, got)
		}
		if strings.Contains(kept, "\x00") || strings.ToValidUTF8(kept, "") != kept {
			t.Errorf("%q is no text: %q", s, kept)
		}
	}
}
