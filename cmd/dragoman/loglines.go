package main

import (
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"
)

// lineHandler writes the lines of slog's own handler of a format, those of plain words and
// numbers, as nearly all are, in a quarter of its time. It leaves all others to that one. It
// is safe for concurrent use.
type lineHandler struct {
	slog.Handler
	json bool // a function here would have every record allocated
	w    io.Writer
	room *sync.Pool // of *[]byte
}

// newTextLines writes as a [slog.TextHandler] does.
func newTextLines(w io.Writer, level slog.Level) *lineHandler {
	return &lineHandler{slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}), false, w, &sync.Pool{}}
}

// newJSONLines writes as a [slog.JSONHandler] does.
func newJSONLines(w io.Writer, level slog.Level) *lineHandler {
	return &lineHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}), true, w, &sync.Pool{}}
}

// Handle implements [slog.Handler].
func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	buf, ok := h.room.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	defer h.room.Put(buf)
	if h.json {
		*buf, ok = appendJSON((*buf)[:0], &r)
	} else {
		*buf, ok = appendText((*buf)[:0], &r)
	}
	if !ok {
		return h.Handler.Handle(ctx, r)
	}
	_, err := h.w.Write(*buf)
	return err
}

// appendText appends the line of r; ok is false where r is not of plain words.
func appendText(dst []byte, r *slog.Record) (line []byte, ok bool) {
	if r.Time.IsZero() || !plainWord(r.Message) {
		return dst, false
	}
	dst = appendMillis(append(dst, "time="...), r.Time)
	dst = append(append(dst, " level="...), r.Level.String()...)
	dst = append(append(dst, " msg="...), r.Message...)
	ok = true
	r.Attrs(func(a slog.Attr) bool {
		dst, ok = appendTextAttr(dst, a)
		return ok
	})
	return append(dst, '\n'), ok
}

// appendMillis appends t with its milliseconds. The standard layouts are written far quicker
// than others, so that a tenth of a millisecond keeps their zeros and is cut out.
func appendMillis(dst []byte, t time.Time) []byte {
	end := len(dst) + len("2006-01-02T15:04:05.000")
	dst = t.Truncate(time.Millisecond).Add(time.Millisecond/10).AppendFormat(dst, time.RFC3339Nano)
	return append(dst[:end], dst[end+1:]...)
}

func appendTextAttr(dst []byte, a slog.Attr) (line []byte, ok bool) {
	if !plainWord(a.Key) {
		return dst, false
	}
	dst = append(append(append(dst, ' '), a.Key...), '=')
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		return append(dst, v.String()...), plainWord(v.String())
	case slog.KindDuration:
		return append(dst, v.Duration().String()...), true
	}
	return appendNumber(dst, a.Value)
}

// appendJSON appends the line of r; ok is false where r is not of plain texts.
func appendJSON(dst []byte, r *slog.Record) (line []byte, ok bool) {
	if y := r.Time.Year(); r.Time.IsZero() || y < 0 || y > 9999 || !plainText(r.Message) {
		return dst, false
	}
	dst = r.Time.AppendFormat(append(dst, `{"time":"`...), time.RFC3339Nano)
	dst = append(append(dst, `","level":"`...), r.Level.String()...)
	dst = append(append(append(dst, `","msg":"`...), r.Message...), '"')
	ok = true
	r.Attrs(func(a slog.Attr) bool {
		dst, ok = appendJSONAttr(dst, a)
		return ok
	})
	return append(dst, "}\n"...), ok
}

func appendJSONAttr(dst []byte, a slog.Attr) (line []byte, ok bool) {
	if a.Key == "" || !plainText(a.Key) {
		return dst, false
	}
	dst = append(append(append(dst, `,"`...), a.Key...), `":`...)
	switch v := a.Value; v.Kind() {
	case slog.KindString:
		return append(append(append(dst, '"'), v.String()...), '"'), plainText(v.String())
	case slog.KindDuration:
		return strconv.AppendInt(dst, int64(v.Duration()), 10), true
	}
	return appendNumber(dst, a.Value)
}

// appendNumber appends a value that both formats write alike.
func appendNumber(dst []byte, v slog.Value) (line []byte, ok bool) {
	switch v.Kind() {
	case slog.KindInt64:
		return strconv.AppendInt(dst, v.Int64(), 10), true
	case slog.KindUint64:
		return strconv.AppendUint(dst, v.Uint64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(dst, v.Bool()), true
	}
	return dst, false
}

// plainWord reports whether s is a word that a TextHandler writes as it stands: visible
// ASCII without what it quotes, and without the backslash, to be sure.
func plainWord(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// plainText reports whether s stands in JSON as it is.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
