package upstream

import (
	"context"
	"errors"
	"net"
	"strings"
	"syscall"

	"github.com/dragoman-gateway/dragoman/translate"
)

// errEarly is the cause of an answer whose bytes end too soon.
var errEarly = errors.New("the connection was closed")

// errClosed is why a channel that was closed makes no connection.
var errClosed = errors.New("the channel is closed")

// errCoding is why an answer cannot be read.
var errCoding = errors.New("it is compressed in a way that was not asked for and is not understood")

// errProxy is what every failure of a proxy is.
var errProxy = errors.New("the proxy")

// ended returns what an exchange under ctx failed with, nil while ctx is alive.
func ended(ctx context.Context) *translate.Error {
	if ctx.Err() == nil {
		return nil
	}
	cause := context.Cause(ctx)
	var e *translate.Error
	if errors.As(cause, &e) {
		return e
	}
	if errors.Is(cause, context.DeadlineExceeded) {
		return &translate.Error{Code: translate.CodeModel, Fault: translate.FaultSlow, Timeout: true,
			Message: "the model did not answer in time", Cause: cause}
	}
	return &translate.Error{Code: translate.CodeCanceled, Fault: translate.FaultGone, Message: "the client left", Cause: cause}
}

// unreachable is the failure of an exchange for which no connection came about.
func unreachable(ctx context.Context, err error) *translate.Error {
	if e := ended(ctx); e != nil {
		return e
	}
	fault := translate.FaultDial
	if local(err) {
		fault = translate.FaultLocal
	}
	return &translate.Error{Code: translate.CodeUnavailable, Fault: fault, Message: "the model cannot be reached", Cause: err}
}

// local reports whether no connection came about for want of descriptors, memory or
// ports of this process or machine, which says nothing about the back end.
func local(err error) bool {
	for _, code := range [...]syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, code) {
			return true
		}
	}
	// A name that could not be looked up keeps the words of its error only.
	var name *net.DNSError
	return errors.As(err, &name) && (strings.Contains(name.Err, syscall.EMFILE.Error()) || strings.Contains(name.Err, syscall.ENFILE.Error()))
}

// broken is the failure of an exchange whose connection broke before an answer.
func broken(ctx context.Context, err error) *translate.Error {
	if e := ended(ctx); e != nil {
		return e
	}
	return translate.Broken("the connection to the model broke", err)
}

// elsewhere is the failure of an exchange that something else than the model answered.
func elsewhere(ctx context.Context, cause error) *translate.Error {
	if errors.Is(cause, errProxy) {
		return unreachable(ctx, cause)
	}
	if e := ended(ctx); e != nil {
		return e
	}
	return &translate.Error{Code: translate.CodeUnavailable, Fault: translate.FaultAstray, Message: "the model cannot be reached", Cause: cause}
}

// truncated is the failure of an exchange whose answer broke off.
func truncated(ctx context.Context, err error) *translate.Error {
	if e := ended(ctx); e != nil {
		return e
	}
	if errors.Is(err, errCoding) {
		return translate.Broken("the model answered in a compressed form", err)
	}
	return translate.Truncated(err)
}

// secret is a key that must not show.
type secret string

// typed returns err, which a dialect returned, as an error with a fault. A server
// may repeat the key that it refuses: it is taken out everywhere.
func (s secret) typed(err error, fault translate.Fault) *translate.Error {
	var e *translate.Error
	if !errors.As(err, &e) {
		e = translate.Broken("the model answered nonsense", err)
	}
	c := *e
	if c.Fault == 0 {
		c.Fault = fault
	}
	if len(s) < 4 { // too short to tell from ordinary text
		return &c
	}
	c.Message = s.hide(c.Message)
	if c.Cause != nil && strings.Contains(c.Cause.Error(), string(s)) {
		c.Cause = errors.New(s.hide(c.Cause.Error()))
	}
	if c.Upstream != nil {
		ref := *c.Upstream
		ref.Type, ref.Code = s.hide(ref.Type), s.hide(ref.Code)
		ref.Message, ref.Param = s.hide(ref.Message), s.hide(ref.Param)
		c.Upstream = &ref
	}
	return &c
}

func (s secret) hide(text string) string { return strings.ReplaceAll(text, string(s), "***") }
