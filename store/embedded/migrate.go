package embedded

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
)

//go:embed schema/*.sql
var schema embed.FS

// application is what the head of a file says about whose it is; files of older
// versions have 0 there.
const application = 0x64726167 // "drag"

// foreignError says why a file is none that this program may write.
type foreignError string

func (e foreignError) Error() string { return string(e) }

// migrate brings the schema up to date in one transaction, which reads first how far it
// is: of several processes that open a file at the same moment one does it, and the
// others find it done.
func migrate(conn *sql.Conn) (err error) {
	files, err := fs.Glob(schema, "schema/*.sql")
	if err != nil {
		return err
	}
	if now, err := version(conn); err != nil || now == len(files) {
		return err // nobody is waited for
	}
	ctx := context.Background()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, undo := conn.ExecContext(ctx, "ROLLBACK")
			err = errors.Join(err, undo)
		}
	}()
	from, err := version(conn)
	if err != nil {
		return err
	}
	for i := from; i < len(files); i++ {
		text, err := schema.ReadFile(files[i])
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, string(text)); err != nil {
			return fmt.Errorf("schema %d: %w", i+1, err)
		}
	}
	_, err = conn.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT", application, len(files)))
	return err
}

// forms is how many files of schema this program knows.
func forms() int {
	files, _ := fs.Glob(schema, "schema/*.sql") // the pattern is good
	return len(files)
}

// version returns how many files of schema the database has, in user_version. It only
// reads. A foreignError says that the database is another program's or a newer
// version's.
func version(conn *sql.Conn) (n int, err error) {
	ctx := context.Background()
	var owner, tables, ours int
	err = conn.QueryRowContext(ctx, `SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id),
		count(*), coalesce(sum(type = 'table' AND name IN ('owners', 'conversations', 'messages')), 0) FROM sqlite_schema`).Scan(&n, &owner, &tables, &ours)
	if err != nil {
		return 0, err
	}
	known := forms()
	switch {
	case owner != 0 && owner != application, n < 0, n == 0 && tables > 0, tables > 0 && ours != 3:
		return 0, foreignError("is the database of another program")
	case n > known:
		return 0, foreignError(fmt.Sprintf("was written by a newer version of this program (schema %d, this one knows %d)", n, known))
	case n > 0 && tables == 0:
		return 0, foreignError("is the database of another program, or its tables are lost")
	}
	return n, nil
}
