//go:build !race

package dialects

// stride is how far the cuts of streams lie apart; fewer than there are pairs of a dialect.
const stride = 5
