package config

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/internal/spell"
)

// nearest returns the one of words that word was probably meant to be, or an
// empty string.
func nearest(word string, words []string) string {
	words = slices.Sorted(slices.Values(words))
	best, least := "", max(2, len(word)/2)+1
	if len(word) > 64 {
		return ""
	}
	for _, w := range words {
		if n := spell.Distance(word, w); n < least && n < len(w) {
			best, least = w, n
		}
	}
	return best
}
