package translate

import "bytes"

// What servers send in the place of an answer's events, in any dialect that has
// server-sent events.

// DoneMark reports whether the data of an event says that the answer is over: [DONE],
// as some servers write it in lower case, without its brackets or in quotes.
func DoneMark(data []byte) bool {
	const longest = len(`"[DONE]"`)
	if data = bytes.TrimSpace(data); len(data) > longest || len(data) < len("DONE") {
		return false
	}
	return bytes.EqualFold(bare(data), []byte("DONE"))
}

// idle are the words with which servers keep a connection alive.
var idle = [...]string{
	"ping", "pong", "heartbeat", "heart-beat", "heart_beat", "keepalive", "keep-alive", "keep_alive", "alive",
	"hb", "ok", "noop", "no-op", "wait", "waiting", "processing", "connected", "open", "null", "true", "false", "",
}

// Idle reports whether the data of an event only keeps a connection alive: nothing, a
// number, an empty list or one of a few words.
func Idle(data []byte) bool {
	data = bytes.TrimSpace(data)
	if len(data) == 0 {
		return true
	}
	if data[0] == '{' || len(data) > len(`"[heart-beat]"`) {
		return len(bytes.Trim(data, "0123456789.")) == 0
	}
	if len(bytes.Trim(data, "0123456789.")) == 0 {
		return true
	}
	word := bare(data)
	for _, w := range idle {
		if bytes.EqualFold(word, []byte(w)) {
			return true
		}
	}
	return false
}

// bare takes quotes and brackets off.
func bare(data []byte) []byte {
	for _, pair := range [...]string{`""`, `''`, "[]"} {
		if n := len(data); n >= 2 && data[0] == pair[0] && data[n-1] == pair[1] {
			data = bytes.TrimSpace(data[1 : n-1])
		}
	}
	return data
}
