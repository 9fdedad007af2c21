package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/store/backend"
)

// The faults of a server that its operator can tell apart. An error of a call wraps one of
// them, or is another fault. None of them names an address, a user or a password.
var (
	ErrUnreachable = errors.New("the database cannot be reached")
	ErrReadOnly    = errors.New("the database takes no changes: it is a standby, or was set so")
	ErrFull        = errors.New("the disk of the database is full")
	ErrSlow        = errors.New("the database did not answer in time")
)

// fault returns err as the caller of a store should see it.
func (d *database) fault(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return store.ErrNotFound
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrExists), errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrFull):
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	}
	if closed := d.open(ctx); closed != nil {
		return closed
	}
	return fmt.Errorf("store: %w", inWords(err))
}

// inWords returns err without what must not be logged.
func inWords(err error) error {
	var refused *pgconn.PgError
	var unconnected *pgconn.ConnectError
	switch {
	case errors.As(err, &refused):
		return refusal(refused)
	case errors.Is(err, backend.ErrClosed):
		return err
	case errors.As(err, &unconnected), lost(err):
		return fmt.Errorf("%w%s", ErrUnreachable, because(err))
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return ErrSlow
	}
	return err
}

// refusal is the answer of a server.
func refusal(p *pgconn.PgError) error {
	said := fmt.Sprintf("%s (SQLSTATE %s)", p.Message, p.Code)
	switch {
	case p.Code == "25006":
		return fmt.Errorf("%w: %s", ErrReadOnly, said)
	case p.Code == "53100":
		return fmt.Errorf("%w: %s", ErrFull, said)
	case p.Code == "57014", p.Code == "55P03":
		return fmt.Errorf("%w: %s", ErrSlow, said)
	case away(p), strings.HasPrefix(p.Code, "28"), p.Code == "3D000":
		return fmt.Errorf("%w: %s", ErrUnreachable, said)
	}
	return errors.New("the database refuses: " + said)
}

// because is why no connection was made or one ended, without its address; empty: nobody
// knows.
func because(err error) string {
	var number syscall.Errno
	var name *net.DNSError
	switch {
	case errors.As(err, &number):
		return ": " + number.Error()
	case errors.As(err, &name):
		return ": its name is not known"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return ": it did not answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ": the connection ended"
	case strings.Contains(err.Error(), "tls"), strings.Contains(err.Error(), "x509"), strings.Contains(err.Error(), "TLS"):
		return ": TLS, or the certificate of the server, is not what sslmode wants"
	}
	return ""
}

// lost reports whether err says that no server answered, which may be otherwise soon.
func lost(err error) bool {
	if err == nil {
		return false
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) {
		return away(refused)
	}
	var failed net.Error
	return pgconn.SafeToRetry(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &failed) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

// away reports whether a server that said p is going, coming, or has no connection left.
func away(p *pgconn.PgError) bool {
	return strings.HasPrefix(p.Code, "08") && p.Code != "08P01" || p.Code == "57P01" || p.Code == "57P02" || p.Code == "57P03" || p.Code == "53300"
}

// collided reports whether the server ended a transaction because of another one.
func collided(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "40001" || refused.Code == "40P01")
}

// taken reports whether err says that a row with the same key is there.
func taken(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.Code == "23505"
}
