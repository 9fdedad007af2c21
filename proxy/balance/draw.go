package balance

import "slices"

// Look is asked about single targets while one of many is drawn.
type Look interface {
	// Usable reports whether the target at i could take the request. It is asked on
	// the goroutine of Draw, maybe twice about one target, and must not block.
	Usable(i int) bool
}

// Drawer chooses among the same many targets again and again, without looking at
// all of them. It is safe for concurrent use.
type Drawer interface {
	// Draw returns the index of a target that is usable, with the chance that Pick
	// would give it among the usable ones; -1 where a few looks do not tell, and the
	// usable ones have to be found for Pick. It does not allocate. key is that of
	// Pick.
	Draw(key uint64, look Look) int
}

// draws is how often a lottery is drawn for a usable target. While half of all are
// usable, one draw in 256 ends with a look at all.
const draws = 8

// lottery draws targets by weight.
type lottery struct {
	chance Chance
	ts     []*Target
	sums   []int64 // of the weights up to each target, its own included
}

func newLottery(c Chance, ts []*Target) lottery {
	l := lottery{chance: c, ts: ts, sums: make([]int64, 0, len(ts))}
	var total int64
	for _, t := range ts {
		total += int64(t.Weight)
		l.sums = append(l.sums, total)
	}
	return l
}

// draw returns an index, in time that grows with the logarithm of their number.
func (l *lottery) draw() int {
	at := l.chance(l.sums[len(l.sums)-1])
	i, _ := slices.BinarySearch(l.sums, at+1)
	return i
}

// channel returns from where to where the targets of the channel of i lie, which are
// beside each other.
func (l *lottery) channel(i int) (low, high int) {
	for low = i; low > 0 && l.ts[i].with(l.ts[low-1]); low-- {
	}
	for high = i + 1; high < len(l.ts) && l.ts[i].with(l.ts[high]); high++ {
	}
	return low, high
}

// drawBut is draw without the targets from low to high; -1 if there is no other.
func (l *lottery) drawBut(low, high int) int {
	before := int64(0)
	if low > 0 {
		before = l.sums[low-1]
	}
	out := l.sums[high-1] - before
	left := l.sums[len(l.sums)-1] - out
	if left == 0 {
		return -1
	}
	at := l.chance(left)
	if at >= before {
		at += out
	}
	i, _ := slices.BinarySearch(l.sums, at+1)
	return i
}

// usable draws until it has a usable target, which makes it a draw among those; -1
// when it has none after a few.
func (l *lottery) usable(look Look) int {
	for range draws {
		if i := l.draw(); look.Usable(i) {
			return i
		}
	}
	return -1
}
