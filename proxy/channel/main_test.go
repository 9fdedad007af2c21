package channel

import (
	"testing"
	"testing/synctest"
)

func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}
