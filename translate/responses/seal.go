package responses

import "github.com/dragoman-gateway/dragoman/translate"

// Reasoning that another vendor has signed goes to a client of this dialect, and comes back
// from it, as if it were sealed. The mark tells it from what a server of this dialect has sealed.
const foreignMark = "dragoman."

// foreignSealed is how a question says the same, as nearly all clients write JSON. One that is
// written otherwise is refused by the server, if it passes on.
var foreignSealed = []byte(`"` + foreignMark)

// referring is how a question refers to an item that is stored.
var referring = []byte(`"item_reference"`)

// signatureOf is the canonical form of encrypted_content.
func signatureOf(content string) string {
	if content == "" {
		return ""
	}
	if rest, ok := cutForeign(content); ok {
		return rest
	}
	return translate.Seal(content)
}

// sealedOf is the opposite of signatureOf.
func sealedOf(signature string) string {
	if signature == "" {
		return ""
	}
	if content, ok := translate.Unseal(signature); ok {
		return content
	}
	return foreignMark + signature
}

func cutForeign(content string) (rest string, ok bool) {
	if len(content) < len(foreignMark) || content[:len(foreignMark)] != foreignMark {
		return "", false
	}
	return content[len(foreignMark):], true
}
