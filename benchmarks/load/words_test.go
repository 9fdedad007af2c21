package main

import (
	"fmt"
	"testing"
)

func take(c *count, numbers ...int) error {
	for _, n := range numbers {
		if _, err := c.take(fmt.Appendf(nil, `data: {"delta":{"content":"w%d "}}`, n)); err != nil {
			return err
		}
	}
	return c.end()
}

func TestEveryPieceInItsPlaceIsAccepted(t *testing.T) {
	t.Parallel()
	c := count{want: 12}
	for range 2 {
		if err := take(&c, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11); err != nil {
			t.Error(err)
		}
	}
	if n, err := c.take([]byte(`{"text":"w0 w1 w2 "}`)); n != 3 || err != nil {
		t.Errorf("three pieces in one event: %d, %v", n, err)
	}
	if n, err := c.take([]byte(`{"type":"ping"}`)); n != 0 || err != nil {
		t.Errorf("an event without pieces: %d, %v", n, err)
	}
}

func TestALostDoubledOrReorderedPieceIsNoticed(t *testing.T) {
	t.Parallel()
	for name, numbers := range map[string][]int{
		"lost": {0, 2, 3}, "doubled": {0, 1, 1, 2, 3}, "reordered": {0, 2, 1, 3}, "last lost": {0, 1, 2}, "too many": {0, 1, 2, 3, 4}, "none": nil,
	} {
		if take(&count{want: 4}, numbers...) == nil {
			t.Errorf("%s: %v was accepted", name, numbers)
		}
	}
	if _, err := (&count{want: 4}).take([]byte(`{"text":"w0"}`)); err == nil {
		t.Error("a piece without its end was accepted")
	}
}

func TestTheModelSaysHowManyPiecesThereAre(t *testing.T) {
	t.Parallel()
	for model, want := range map[string]int{"long-7": 7, "a-long-50-slow-20": 50, "burst-4": 4, "long": 100, "slow-5-burst": 10, "x-echo": 0} {
		if n, err := wanted(model); n != want || err != nil {
			t.Errorf("%s: %d, %v", model, n, err)
		}
	}
	if _, err := wanted("recall"); err == nil {
		t.Error("recall has no numbers")
	}
	if got := text(3); got != "w0 w1 w2 " {
		t.Errorf("text: %q", got)
	}
}
