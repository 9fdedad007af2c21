// Package ids makes the ids of requests, conversations and keys.
package ids

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"time"
)

var idText = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// New returns prefix and 26 letters and digits: the milliseconds of now and 80
// random bits, so that ids sort by time and cannot be guessed.
func New(prefix string) string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(time.Now().UnixMilli())<<16)
	_, _ = rand.Read(b[6:])
	var text [48]byte // on the stack: only the string is allocated
	return string(idText.AppendEncode(append(text[:0], prefix...), b[:]))
}
