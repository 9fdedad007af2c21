package front

import (
	"bytes"

	"github.com/dragoman-gateway/dragoman/translate"
)

// credentialHeaders are those that a front looks for a credential in.
var credentialHeaders = [...]string{"Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key"}

// oneCredential reports whether each header of a credential has one value. It has refused the
// request else: a proxy before this server may have taken another of them for the caller's
// (Authorization is no list, RFC 9110 5.3 and 11.6.2).
func (c *call) oneCredential() bool {
	for _, name := range credentialHeaders {
		all := c.ctx.Request.Header.PeekAll(name)
		for i := 1; i < len(all); i++ {
			if bytes.Equal(all[i], all[0]) {
				continue
			}
			c.refuseUnread(translate.Invalid("the header " + name + " is there twice, with different values"))
			return false
		}
	}
	return true
}
