package fairqueue

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// enter puts a waiter of caller into q, who wants s.
func enter(q *Queue, caller string, s *Slots) *Waiter {
	return q.Enter(caller, new(uint64), []*Slots{s}, nil)
}

func TestASlotGoesToWaitersOfAllCallersInTurn(t *testing.T) {
	t.Parallel()
	var q Queue
	s := &Slots{Limit: 1}
	if !s.TakeFree() {
		t.Fatal("there is no slot")
	}
	var names []string
	waiters := map[string]*Waiter{}
	for _, caller := range []string{"a", "a", "a", "b", "b", "c"} {
		name := fmt.Sprint(caller, len(waiters))
		names, waiters[name] = append(names, name), enter(&q, caller, s)
	}
	if s.TakeFree() || !s.Full() || s.Waiting() != len(names) {
		t.Errorf("full %v, %d wait", s.Full(), s.Waiting())
	}
	var got []string
	for range names {
		q.GiveBack(s)
		for _, name := range names {
			select {
			case <-waiters[name].Given():
				got = append(got, name)
			default:
			}
		}
	}
	if order := strings.Join(got, " "); order != "a0 b3 c5 a1 b4 a2" {
		t.Errorf("the order is %s", order)
	}
	if q.GiveBack(s); s.Taken() != 0 || q.Len() != 0 {
		t.Errorf("%d slots are taken, %d wait", s.Taken(), q.Len())
	}
}

func TestAFullQueueMakesRoomAtTheEndOfTheLongestLine(t *testing.T) {
	t.Parallel()
	var q Queue
	s := &Slots{Limit: 1}
	s.Take()
	var hog []*Waiter
	for range Size {
		hog = append(hog, enter(&q, "hog", s))
	}
	if enter(&q, "hog", s) != nil {
		t.Error("the hog has more than a queue full")
	}
	other := enter(&q, "other", s)
	if other == nil || q.Len() != Size {
		t.Fatalf("%d wait", q.Len())
	}
	newest := hog[len(hog)-1]
	got := <-newest.Given()
	if got != nil {
		t.Error("the newest of the hog was given a slot")
	}
	newest.Return(got)
	for _, w := range append(hog, other) {
		q.Leave(w)
	}
	if q.GiveBack(s); q.Len() != 0 || s.Waiting() != 0 || s.Taken() != 0 {
		t.Errorf("%d wait, %d for the slot, %d are taken", q.Len(), s.Waiting(), s.Taken())
	}
}

func TestWhoComesBackHasTheFormerPlace(t *testing.T) {
	t.Parallel()
	var q Queue
	s := &Slots{Limit: 1}
	s.Take()
	var ticket uint64
	q.Leave(q.Enter("a", &ticket, []*Slots{s}, nil))
	later := enter(&q, "a", s)
	back := q.Enter("a", &ticket, []*Slots{s}, nil)
	q.GiveBack(s)
	select {
	case <-back.Given():
	case <-later.Given():
		t.Fatal("the later one is served before it")
	}
	q.GiveBack(s)
	q.Leave(later) // which gives back what it was handed
	if s.Taken() != 0 {
		t.Errorf("%d slots are taken", s.Taken())
	}
}

func TestWordOfAnIdleConnectionGoesToOneWhoCouldUseIt(t *testing.T) {
	t.Parallel()
	var q Queue
	s, spare := &Slots{Limit: 1}, &Slots{Spare: true}
	s.Take()
	picky := enter(&q, "a", s)
	easy := q.Enter("b", new(uint64), []*Slots{s}, []*Slots{spare})
	q.Offer(spare)
	select {
	case got := <-easy.Given():
		if got != spare {
			t.Errorf("given %v", got)
		}
	default:
		t.Error("nobody heard of it")
	}
	q.Leave(picky)
	q.Offer(spare) // nobody is there
	if s.Waiting() != 0 {
		t.Errorf("%d wait", s.Waiting())
	}
}

// paced hands out one slot.
type paced struct{ left, wanted, unwanted int }

func (p *paced) Take(time.Time) bool { p.left--; return p.left >= 0 }
func (p *paced) GiveBack()           { p.left++ }
func (p *paced) Wanted(time.Time)    { p.wanted++ }
func (p *paced) Unwanted()           { p.unwanted++ }

func TestAPacerSaysHowManySlotsThereAre(t *testing.T) {
	t.Parallel()
	var q Queue
	p := &paced{}
	s := &Slots{Pacer: p}
	w := enter(&q, "a", s)
	if q.Len() != 1 || p.wanted == 0 {
		t.Fatalf("%d wait, it was told %d times that one does", q.Len(), p.wanted)
	}
	p.left = 1
	q.HandOut(s)
	select {
	case <-w.Given():
	default:
		t.Error("the slot was not handed out")
	}
	if p.unwanted != 1 {
		t.Errorf("it was told %d times that nobody waits any more", p.unwanted)
	}
}
