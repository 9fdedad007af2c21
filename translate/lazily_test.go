package translate

import (
	"regexp"
	"testing"
)

func TestEveryExpressionThatIsCompiledLateIsOne(t *testing.T) {
	t.Parallel()
	all := []func() *regexp.Regexp{
		maskBearer, maskNamed, maskPrefixed, maskUser, maskQuery, maskToken, requestID, maskURL, maskIPv4, maskNumber, maskIPv6, maskUnix,
		maskWindows, maskUNC, maskPod, maskWord, numbered, unknownName, unknownCode, unknownLoc, unknownAt,
	}
	for i, re := range append(all, unknownWords...) {
		if re() == nil {
			t.Errorf("expression %d is none", i)
		}
	}
}
