package translate

import (
	"bytes"
	"strings"
)

// sealMark begins the signature of reasoning that a server of OpenAI's Responses API has
// sealed. Signatures of other vendors are their opaque texts.
const sealMark = " sealed_reasoning:"

// Seal returns the signature of reasoning that such a server has sealed as content.
func Seal(content string) string { return sealMark + content }

// HoldsSeal reports whether a message may hold such a signature.
func HoldsSeal(body []byte) bool { return bytes.Contains(body, []byte(sealMark)) }

// Unseal returns the sealed reasoning of a signature; ok is false for one of another vendor.
func Unseal(signature string) (content string, ok bool) {
	return strings.CutPrefix(signature, sealMark)
}
