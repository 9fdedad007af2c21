package front

import (
	"crypto/sha256"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/translate"
)

// unique looks at the request's Idempotency-Key. It returns false when it has
// answered the request: with a repetition of the first answer, or because the key
// cannot be used. The call's once is then nil, else it must be settled.
func (c *call) unique(caller *proxy.Caller) bool {
	key, given, err := onceHeader(c.ctx.Request.Header.PeekAll("Idempotency-Key"))
	if err != nil {
		c.fail(err)
		return false
	}
	if !given {
		return true
	}
	store := c.s.once
	path := string(c.ctx.Path())
	if alt := c.ctx.QueryArgs().Peek("alt"); len(alt) > 0 {
		path += "?alt=" + string(alt) // the form of the answer, in Google's API
	}
	at := onceKey{caller.Name, path, key}
	if c.apart(caller) {
		at.caller += " through pages" // which are not shown what their readers were answered
	}
	sum := c.bodySum()
	store.mu.Lock()
	one, fresh := store.window.ask(at, sum, time.Now())
	known, done, same := one.result, one.done, one.body == sum
	store.mu.Unlock()
	switch {
	case fresh:
		c.once = &idempotentRequest{of: store, one: one}
		return c.claimed(c.s.across.claim(sum, "key", at.caller, at.path, at.key))
	case !same:
		c.fail(keyReused())
	case !done:
		c.fail(inProgress())
	default:
		c.repeat(known)
	}
	return false
}

func keyReused() *translate.Error {
	return &translate.Error{Code: translate.CodeKeyReused, Message: "this Idempotency-Key was used for another request"}
}

func inProgress() *translate.Error {
	return &translate.Error{Code: translate.CodeInProgress, Message: "the request with this Idempotency-Key is still running"}
}

// claimed reports whether no other process has been asked the request, which k claims, and
// answers it otherwise.
func (c *call) claimed(k *claim) bool {
	if k == nil || k.stands == standingNew {
		k.run(nil)
		c.once.claim = k
		return true
	}
	once := c.once
	c.once = nil
	if k.stands == standingDone {
		if r, ok := k.reply(); ok {
			once.keep(r)
			c.repeat(r)
			return false
		}
	}
	once.forget()
	if k.stands == standingOther {
		c.fail(keyReused())
	} else {
		c.fail(inProgress())
	}
	return false
}

// bodySum tells the body from any other.
func (c *call) bodySum() (sum [sha256.Size]byte) {
	if c.spool == nil {
		return sha256.Sum256(c.ctx.Request.Body())
	}
	h := sha256.New()
	_, _ = io.Copy(h, io.NewSectionReader(c.spool, 0, c.spool.Size()))
	h.Sum(sum[:0])
	return sum
}

// onceHeader reads the header: a string with quotes, as the draft has it, or
// without, as everybody sends it.
func onceHeader(values [][]byte) (key string, given bool, err *translate.Error) {
	if len(values) == 0 || len(values) == 1 && len(values[0]) == 0 {
		return "", false, nil
	}
	key = strings.TrimSpace(string(values[0]))
	if len(key) > 1 && key[0] == '"' && key[len(key)-1] == '"' {
		key = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(key[1 : len(key)-1])
	}
	switch {
	case len(values) > 1:
		err = translate.Invalid("there is more than one Idempotency-Key")
	case key == "" || !utf8.ValidString(key) || utf8.RuneCountInString(key) > idempotencyKey:
		err = translate.Invalid("Idempotency-Key must have 1 to " + strconv.Itoa(idempotencyKey) + " characters")
	}
	return key, true, err
}

// repeat answers with what the first request with this key was answered.
func (c *call) repeat(r reply) {
	h := &c.ctx.Response.Header
	h.Set("Idempotent-Replayed", "true")
	h.Set("X-Dragoman-Attempts", "0") // nobody is asked
	if r.dropped != "" {
		h.Set("X-Dragoman-Dropped", r.dropped)
	}
	if strings.HasPrefix(r.kind, "text/event-stream") {
		streamHeaders(h, r.kind)
	}
	c.ctx.SetStatusCode(r.status)
	c.ctx.SetContentType(r.kind)
	c.ctx.Response.SetBodyRaw(r.body)
}
