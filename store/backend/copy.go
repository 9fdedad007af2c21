package backend

import (
	"strconv"

	"github.com/dragoman-gateway/dragoman/store"
)

// CopyRows is how many rows one CopyOut looks at most.
const CopyRows = 1000

// CopyTable says how a database has a table that is copied.
type CopyTable struct {
	Name string
	Key  string // the column by which the rows are in order
	// Numbered says that the key is a number.
	Numbered bool
}

// Copied are the tables. A store.Table is an index of it.
var Copied = [store.Tables]CopyTable{
	{"owners", "owner", false}, {"conversations", "id", false}, {"shares", "hash", false}, {"masks", "id", true}, {"keys", "id", false}, {"ledger", "seq", true},
}

// Number is the number behind which the rows of a numbered table go on; an empty after is
// their beginning. The error says that after is no number.
func (t *CopyTable) Number(after string) (int64, error) {
	if after == "" {
		return 0, nil
	}
	return strconv.ParseInt(after, 10, 64)
}
