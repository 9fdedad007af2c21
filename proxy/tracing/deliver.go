package tracing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// How often a collector is asked that is away, or has no time.
const (
	firstPause = 500 * time.Millisecond // doubled each time
	mostPause  = 5 * time.Second
	maxReply   = 64 << 10
)

// deliver posts message, again for as long as the settings allow where the collector can not
// be reached or asks for it, and returns how many spans it refused.
func (w *writer) deliver(message []byte) (refused uint64, err error) {
	ctx, cancel := context.WithTimeout(w.t.ctx, w.under.timeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		var wait time.Duration
		var again bool
		refused, wait, again, err = w.post(ctx, message)
		if err == nil || !again {
			return refused, err
		}
		select {
		case <-time.After(max(pause, wait)):
		case <-ctx.Done():
			return 0, err
		case <-w.t.closing:
			return 0, err // it was asked, and has had its time
		}
	}
}

// post posts message once. again says that it may help to do so anew, after wait.
func (w *writer) post(ctx context.Context, message []byte) (refused uint64, wait time.Duration, again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.under.address, bytes.NewReader(message))
	if err != nil {
		return 0, 0, false, err
	}
	req.Header.Set("User-Agent", "dragoman/"+w.t.version)
	for name, value := range w.under.headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, 0, true, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	switch status := resp.StatusCode; {
	case status >= 200 && status <= 299:
		return refusedIn(body), 0, false, nil // a reply that broke off changes nothing
	case status == 429 || status == 502 || status == 503 || status == 504:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
		return 0, time.Duration(max(seconds, 0)) * time.Second, true, fmt.Errorf("it answered %d", status)
	case err != nil:
		return 0, 0, false, errors.Join(fmt.Errorf("it answered %d", status), err)
	default:
		return 0, 0, false, fmt.Errorf("it answered %d", status)
	}
}

// refusedIn is how many spans a reply says that the collector has refused.
func refusedIn(reply []byte) uint64 {
	partial := field(reply, 1)
	for len(partial) > 0 {
		num, kind, n := protowire.ConsumeTag(partial)
		if n < 0 {
			return 0
		}
		partial = partial[n:]
		if num == 1 && kind == protowire.VarintType {
			spans, _ := protowire.ConsumeVarint(partial)
			return spans
		}
		if n = protowire.ConsumeFieldValue(num, kind, partial); n < 0 {
			return 0
		}
		partial = partial[n:]
	}
	return 0
}

// field returns the bytes of the message that stands under number in message; nil: none does.
func field(message []byte, number protowire.Number) []byte {
	for len(message) > 0 {
		num, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil
		}
		message = message[n:]
		if num == number && kind == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(message)
			return inner
		}
		if n = protowire.ConsumeFieldValue(num, kind, message); n < 0 {
			return nil
		}
		message = message[n:]
	}
	return nil
}
