package fleettest

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Databases is how many databases the shared server of [Place] has.
const Databases = 4096

// Place makes an empty database on the server of the store, and names one of the shared server
// that no other test has had since the server of the store was started.
func Place(t testing.TB, store, shared string) (ofStore, ofShared string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, store)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	var n int64
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock(1)`); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, `CREATE SEQUENCE IF NOT EXISTS places`); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(ctx, `SELECT nextval('places')`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf(`CREATE DATABASE place%d`, n)); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(store)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = fmt.Sprint("/place", n)
	v, err := url.Parse(shared)
	if err != nil {
		t.Fatal(err)
	}
	v.Path = fmt.Sprint("/", n%Databases)
	return u.String(), v.String()
}
