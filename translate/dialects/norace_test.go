//go:build !race

package dialects

const stride = 1
