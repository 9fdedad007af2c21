package embedded

import (
	"encoding/binary"

	"github.com/dragoman-gateway/dragoman/store"
)

// pageRows is how many rows of the ledger a page has, of pageBytes at first.
const (
	pageRows  = 512
	pageBytes = 64 << 10
)

// rowLog has rows of the ledger in the order of their recording, packed: tens of
// thousands of entries with their strings would keep the garbage collector busy.
type rowLog struct {
	pages []*page
	n     int
}

// page is a run of packed rows.
type page struct {
	packed []byte
	n      int
	oldest int64 // store.Entry.At
	newest int64
}

func (l *rowLog) add(e *store.Entry) {
	last := len(l.pages) - 1
	if last < 0 || l.pages[last].n >= pageRows {
		l.pages = append(l.pages, &page{packed: make([]byte, 0, pageBytes)})
		last++
	}
	l.pages[last].add(e)
	l.n++
}

func (p *page) add(e *store.Entry) {
	if p.n == 0 {
		p.oldest, p.newest = e.At, e.At
	}
	p.oldest, p.newest = min(p.oldest, e.At), max(p.newest, e.At)
	p.packed = pack(p.packed, e)
	p.n++
}

// keep lets go of the oldest pages as long as n rows stay.
func (l *rowLog) keep(n int) {
	for len(l.pages) > 0 && l.n-l.pages[0].n >= n {
		l.drop(0)
	}
}

func (l *rowLog) drop(i int) {
	l.n -= l.pages[i].n
	l.pages[i] = nil
	l.pages = append(l.pages[:i], l.pages[i+1:]...)
}

// forget removes rows that began before a Unix millisecond, at most so many, and
// returns how many it removed.
func (l *rowLog) forget(before int64, most int) (gone int) {
	for i := 0; i < len(l.pages) && gone < most; {
		old := l.pages[i]
		if old.oldest >= before {
			i++
			continue
		}
		rest := &page{}
		for e := range old.rows {
			if e.At < before && gone < most {
				gone++
				l.n--
				continue
			}
			rest.add(e)
		}
		if l.pages[i] = rest; rest.n > 0 {
			i++
			continue
		}
		l.drop(i)
	}
	return gone
}

// each yields the rows, those that were recorded last first. What it yields is used
// again for the next one.
func (l *rowLog) each(yield func(*store.Entry) bool) {
	var at [][]byte
	for i := len(l.pages) - 1; i >= 0; i-- {
		var e store.Entry
		at = at[:0]
		for rest := l.pages[i].packed; len(rest) > 0; rest = unpack(rest, &e) {
			at = append(at, rest)
		}
		for j := len(at) - 1; j >= 0; j-- {
			unpack(at[j], &e)
			if !yield(&e) {
				return
			}
		}
	}
}

// rows yields those of a page, the oldest first.
func (p *page) rows(yield func(*store.Entry) bool) {
	for rest := p.packed; len(rest) > 0; {
		var e store.Entry
		rest = unpack(rest, &e)
		if !yield(&e) {
			return
		}
	}
}

func texts(e *store.Entry) [11]*string {
	return [...]*string{&e.Request, &e.Caller, &e.Group, &e.Rule, &e.User, &e.Front, &e.Model, &e.Channel, &e.Upstream, &e.Outcome, &e.Endpoint}
}

func numbers(e *store.Entry) [12]*int64 {
	return [...]*int64{&e.At, &e.Input, &e.Output, &e.Cached, &e.Cost, &e.Queue, &e.Open, &e.First, &e.Took, &e.Count, &e.Sound, &e.Images}
}

func counts(e *store.Entry) [3]*int { return [...]*int{&e.Attempt, &e.Key, &e.Status} }

// pack appends e.
func pack(b []byte, e *store.Entry) []byte {
	for _, s := range texts(e) {
		b = binary.AppendUvarint(b, uint64(len(*s)))
		b = append(b, *s...)
	}
	for _, n := range numbers(e) {
		b = binary.AppendVarint(b, *n)
	}
	for _, n := range counts(e) {
		b = binary.AppendVarint(b, int64(*n))
	}
	if e.Estimated {
		return append(b, 1)
	}
	return append(b, 0)
}

// unpack reads what pack has appended, and returns what follows.
func unpack(b []byte, e *store.Entry) []byte {
	for _, s := range texts(e) {
		n, size := binary.Uvarint(b)
		b = b[size:]
		if *s != string(b[:n]) { // most texts are those of the row before
			*s = string(b[:n])
		}
		b = b[n:]
	}
	next := func() int64 {
		n, size := binary.Varint(b)
		b = b[size:]
		return n
	}
	for _, n := range numbers(e) {
		*n = next()
	}
	for _, n := range counts(e) {
		*n = int(next())
	}
	e.Estimated = b[0] == 1
	return b[1:]
}
