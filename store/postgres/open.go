package postgres

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

// The settings of a connection that its URL does not say. Times are in milliseconds, as the
// server reads them.
var settings = map[string]string{
	"application_name":                    "dragoman",
	"statement_timeout":                   "30000",
	"lock_timeout":                        "15000",
	"idle_in_transaction_session_timeout": "60000",
}

const (
	connectMost = 5 * time.Second
	poolMost    = 16 // connections, unless pool_max_conns in the URL says otherwise
	idleMost    = 5 * time.Minute
)

func check(place string) string {
	u, err := url.Parse("postgres:" + place)
	switch {
	case err != nil:
		return "is no URL: characters of the password that mean something in one, such as / ? # and @, are written as %2F %3F %23 and %40"
	case u.Host == "" && u.Query().Get("host") == "":
		return "names no host: want " + form
	case strings.Trim(u.Path, "/") == "":
		return "names no database: want " + form
	}
	if _, err := configure("postgres:" + place); err != nil {
		return err.Error()
	}
	return ""
}

// configure reads a URL. The error holds nothing of it.
func configure(address string) (*pgxpool.Config, error) {
	conf, err := pgxpool.ParseConfig(address)
	if err != nil {
		return nil, errors.New(withoutAddress(err, address))
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("is no URL")
	}
	said := u.Query()
	for name, value := range settings {
		if !said.Has(name) {
			conf.ConnConfig.RuntimeParams[name] = value
		}
	}
	if !said.Has("connect_timeout") {
		conf.ConnConfig.ConnectTimeout = connectMost
	}
	if !said.Has("pool_max_conns") {
		conf.MaxConns = poolMost
	}
	if !said.Has("pool_max_conn_idle_time") {
		conf.MaxConnIdleTime = idleMost
	}
	return conf, nil
}

// withoutAddress is why the driver does not take an address, as far as that can be said
// without a part of it.
func withoutAddress(err error, address string) string {
	reason := err.Error()
	if i := strings.LastIndex(reason, "`: "); i >= 0 {
		reason = reason[i+len("`: "):]
	}
	u, bad := url.Parse(address)
	if bad != nil || strings.Contains(reason, "://") {
		return "is no URL of a PostgreSQL that the driver can read"
	}
	if secret, ok := u.User.Password(); ok && secret != "" && strings.Contains(reason, secret) {
		return "is no URL of a PostgreSQL that the driver can read"
	}
	return reason
}

// Open opens the store in the database at address, a URL as PostgreSQL's own programs read
// it, with sslmode and the other settings of a connection. pool_max_conns says how many
// connections there are at most; default: 16. It makes the tables where they are missing,
// and brings an older schema up to date; several processes may do so at once. The error says
// what is wrong with the place, without a part of the address.
//
// What it returns also implements [store.Editor], [store.Sharer], [store.Masker],
// [store.Keyer], [store.Ledger], [store.Budgeter] and [store.Expirer]. A call waits five seconds for a server
// that cannot be reached. One whose context ends returns the context's error; a change may
// be made all the same: whoever must know loads the conversation again.
func Open(address string) (store.Store, error) {
	conf, err := configure(address)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	d, err := start(conf)
	if err != nil {
		return nil, fmt.Errorf("store: %w", inWords(err))
	}
	return d, nil
}

// start opens the store of conf.
func start(conf *pgxpool.Config) (*database, error) {
	d := &database{ops: backend.NewQueue[*op]()}
	if err := d.connect(conf); err != nil {
		return nil, err
	}
	for _, do := range []func(context.Context) error{d.migrate, d.askClock} {
		if err := d.again(context.Background(), do); err != nil {
			d.pool.Close()
			return nil, err
		}
	}
	for range writers {
		d.done.Go(d.write)
	}
	return d, nil
}

// connect makes the pool, and finds out whether a pooler stands before the server: it knows
// none of the settings, and a statement that was prepared on one connection of its own is
// not there on the next.
func (d *database) connect(conf *pgxpool.Config) error {
	for {
		pool, err := pgxpool.NewWithConfig(context.Background(), conf)
		if err != nil {
			return err
		}
		d.pool = pool
		err = d.again(context.Background(), pool.Ping)
		if err == nil {
			return nil
		}
		pool.Close()
		if d.pooled || !unknownSetting(err) {
			return err
		}
		d.pooled = true
		conf = conf.Copy()
		for name := range settings {
			delete(conf.ConnConfig.RuntimeParams, name)
		}
		conf.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	}
}

// unknownSetting reports whether a pooler refuses a setting of a connection.
func unknownSetting(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && strings.Contains(refused.Message, "startup parameter")
}
