//go:build race

package codectest

const raced = true
