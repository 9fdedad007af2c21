package mockmodel

import (
	"slices"
	"strconv"
	"time"
)

// chatTurn is one answer on a socket.
type chatTurn struct {
	x      *chatSession
	sc     Script
	chunks int64
	said   string // text sent so far
	lost   bool   // a write failed
	kept   bool   // the answer is in the history
	model  string
	buf    []byte
	frame  []byte
}

// keep puts the answer into the history, before the client can know its end.
func (t *chatTurn) keep() {
	if t.kept {
		return
	}
	t.kept = true
	x := t.x
	x.mu.Lock()
	x.ending = true
	x.mu.Unlock()
	if n := len(x.history); !t.sc.Forget {
		x.history = append(x.history, Turn{Role: "assistant", Text: t.said})
	} else if n > 0 && x.history[n-1].Role == "user" {
		x.history = x.history[:n-1]
	}
	if over := len(x.history) - maxTurns; over > 0 {
		x.history = slices.Delete(x.history, 0, over)
	}
	x.save(t.model)
}

// run sends the frames of a turn (docs/rules/chatnio.md 5.2). It returns whether the turn
// went as scripted to where the script ends it.
func (t *chatTurn) run(model string) bool {
	x := t.x
	switch t.sc.Fault {
	case FaultDrop, FaultRefuse:
		x.c.cut()
		return true
	case FaultHang:
		x.wait(-1, x.stop)
		return false
	case FaultBlank:
		x.bye()
		return true
	}
	t.first()
	switch t.sc.Fault {
	case FaultFail:
		t.fail(chatError(t.sc.refusal(), model))
		return true
	case FaultError200:
		t.fail("the scripted model broke, as its name asks (type: server_error)")
		return true
	case FaultGarbage:
		x.write(appendFrame(nil, []byte(nonsense)))
		return true
	case FaultStall:
		if x.wait(-1, x.stop) || x.left() {
			return false
		}
		t.stopped()
		return true
	case FaultCut0:
		x.cut()
		return true
	}
	return t.pieces() && t.last()
}

// pieces sends the text. It returns false when the turn is over already.
func (t *chatTurn) pieces() bool {
	steps := t.sc.Steps[:t.sc.before()]
	for i := range steps {
		if steps[i].Wait > 0 && !t.pause(steps[i].Wait) {
			return false
		}
		if i == 0 {
			t.piece("")
		}
		t.piece(steps[i].Text)
		if i+1 < len(steps) && steps[i+1].Join {
			continue
		}
		if !t.flush() {
			return false
		}
		select {
		case <-t.x.stop:
			t.stopped()
			return false
		default:
		}
	}
	return true
}

// pause waits. It returns false when the turn is over.
func (t *chatTurn) pause(d time.Duration) bool {
	if !t.flush() {
		return false
	}
	if t.x.wait(d, t.x.stop) {
		return true
	}
	if !t.x.left() {
		t.stopped()
	}
	return false
}

// last sends what follows the pieces.
func (t *chatTurn) last() bool {
	switch t.sc.Fault {
	case FaultStallMid:
		return t.pause(-1)
	case FaultCut:
		t.x.cut()
		return true
	case FaultGarbageMid:
		return t.x.write(appendFrame(nil, []byte(nonsense)))
	case FaultErrorMid:
		t.fail("the scripted model broke, as its name asks (type: server_error)")
		return true
	case FaultNoEnd:
		t.x.bye()
		return true
	}
	if len(t.sc.Steps) > 0 {
		t.piece("")
	}
	t.keep()
	t.add(0, t.quota(), "", true)
	if t.sc.Fault == FaultDouble {
		t.add(0, t.quota(), "", true)
	}
	return t.flush()
}

// stopped ends a turn as the real server does: two end frames, the second of
// which is an error when nothing had been said (docs/rules/chatnio.md 5.3).
func (t *chatTurn) stopped() {
	t.keep()
	t.add(0, t.quota(), "", true)
	if t.said == "" {
		t.add(0, 0, "empty response", true)
	} else {
		t.add(0, t.quota(), "", true)
	}
	t.flush()
}

// first sends the frame that opens every turn.
func (t *chatTurn) first() {
	t.add(t.x.num, 0, "", false)
	t.flush()
}

func (t *chatTurn) fail(text string) {
	t.said = text
	t.keep()
	t.add(0, 0, text, true)
	t.flush()
}

func (t *chatTurn) piece(text string) {
	t.chunks++
	t.said += text
	t.add(0, t.quota(), text, false)
}

// quota is the price so far, of 0.002 points a token.
func (t *chatTurn) quota() float64 {
	if t.sc.NoUsage || t.sc.Input+t.sc.Output == 0 {
		return 0
	}
	return 0.002 * float64(t.sc.Input+t.chunks)
}

// add appends a frame (docs/rules/chatnio.md 5.1).
func (t *chatTurn) add(conversation int64, quota float64, message string, end bool) {
	f := strconv.AppendInt(append(t.frame[:0], `{"conversation":`...), conversation, 10)
	f = strconv.AppendFloat(append(f, `,"quota":`...), quota, 'f', -1, 32)
	f = quote(append(f, `,"keyword":"","message":`...), message)
	f = strconv.AppendBool(append(f, `,"end":`...), end)
	t.frame = append(f, ",\"plan\":false}\n"...)
	t.buf = appendFrame(t.buf, t.frame)
}

func (t *chatTurn) flush() bool {
	t.lost = !t.x.write(t.buf)
	t.buf = t.buf[:0]
	return !t.lost
}

// chatError is the text of an error turn (docs/rules/chatnio.md 5.2).
func chatError(r refusal, model string) string {
	switch r.status {
	case 401, 403:
		return "not authenticated error (model: " + model + ")"
	case 402:
		return "estimated cost exceeds user quota (model: " + model + ", estimated cost: 8000.00, your quota: 98.21)"
	case 404:
		return "cannot find channel for model " + model
	case 429:
		return r.message + " (type: rate_limit_error)"
	case 400, 413, 422:
		return r.message + " (type: invalid_request_error)"
	case 500:
		return r.message + " (type: server_error)"
	}
	return "request failed with status code: " + strconv.Itoa(r.status)
}
