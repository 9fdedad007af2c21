package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
)

//go:embed schema/*.sql
var schema embed.FS

// migrating is the number of the lock under which the schema is changed; nobody else uses
// one of such a name.
const migrating = 0x647261676f6d616e // "dragoman"

// migrate brings the schema up to date in one transaction under a lock of the server: of
// several processes that open a database at the same moment one does it, and the others find
// it done.
func (d *database) migrate(ctx context.Context) error {
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return err
	}
	if now, err := version(ctx, d.pool, len(files)); err != nil || now == len(files) {
		return err // nobody is waited for
	}
	return pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1::bigint)`, int64(migrating)); err != nil {
			return err
		}
		from, err := version(ctx, tx, len(files))
		if err != nil {
			return err
		}
		if from == 0 {
			if err := begin(ctx, tx); err != nil {
				return err
			}
		}
		for i := from; i < len(files); i++ {
			text, err := schema.ReadFile(files[i])
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, string(text), pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("schema %d: %w", i+1, err)
			}
		}
		_, err = tx.Exec(ctx, `UPDATE dragoman.version SET schema = $1`, int64(len(files)))
		return err
	})
}

// begin makes the room of the tables. Whoever may not make a schema can be given an empty
// one.
func begin(ctx context.Context, tx pgx.Tx) error {
	var there bool
	if err := tx.QueryRow(ctx, `SELECT to_regnamespace('dragoman') IS NOT NULL`).Scan(&there); err != nil {
		return err
	}
	if !there {
		if _, err := tx.Exec(ctx, `CREATE SCHEMA dragoman`); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `CREATE TABLE dragoman.version (schema bigint NOT NULL); INSERT INTO dragoman.version VALUES (0)`, pgx.QueryExecModeSimpleProtocol)
	return err
}

// version returns how many files of schema the database has. It only reads. The error may
// say that it is another program's or a newer version's, or that it cannot keep every text.
func version(ctx context.Context, on interface {
	QueryRow(ctx context.Context, query string, args ...any) pgx.Row
}, known int) (n int, err error) {
	var encoding string
	var marked bool
	var tables int
	err = on.QueryRow(ctx, `SELECT current_setting('server_encoding'), to_regclass('dragoman.version') IS NOT NULL,
		(SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace('dragoman') AND relkind = 'r')`).Scan(&encoding, &marked, &tables)
	switch {
	case err != nil:
		return 0, err
	case encoding != "UTF8":
		return 0, fmt.Errorf("the encoding of the database is %s, and must be UTF8: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", encoding)
	case !marked && tables > 0:
		return 0, errForeign
	case !marked:
		return 0, nil
	}
	if err := on.QueryRow(ctx, `SELECT schema FROM dragoman.version`).Scan(&n); err != nil {
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, errForeign
		}
		return 0, err
	}
	switch {
	case n > known:
		return 0, fmt.Errorf("the database was written by a newer version of this program (schema %d, this one knows %d)", n, known)
	case n < 1:
		return 0, errForeign
	}
	return n, nil
}
