package config

import "slices"

// nearest returns the one of words that word was probably meant to be, or an
// empty string.
func nearest(word string, words []string) string {
	words = slices.Sorted(slices.Values(words))
	best, least := "", max(2, len(word)/2)+1
	if len(word) > 64 {
		return ""
	}
	for _, w := range words {
		if n := distance(word, w); n < least && n < len(w) {
			best, least = w, n
		}
	}
	return best
}

// distance is how many bytes must be put in, taken out or changed to make b of
// a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
