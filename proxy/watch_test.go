package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/channel"
	"github.com/dragoman-gateway/dragoman/translate"
)

// watched is what two observers remember of a gateway who are told of changes alone.
type watched struct {
	*world
	watch  Watch
	states []string
	told   int // channels that were told of, in all
}

// compare looks, and compares what is known then with how all channels stand.
func (w *watched) compare(after string) {
	w.t.Helper()
	text := func(s ChannelState) string { b, _ := json.Marshal(s); return string(b) }
	changes := w.g.Changed(&w.watch)
	if changes.All {
		w.states = make([]string, len(changes.Channels))
	}
	for _, c := range changes.Channels {
		w.states[c.At] = text(c.ChannelState)
	}
	w.told += len(changes.Channels)
	barred, told := map[string]string{}, map[string]string{}
	channels := w.g.Channels()
	for i, s := range channels {
		if w.states[i] != text(s) {
			w.t.Errorf("after %s: %s is known as\n%s, and stands as\n%s", after, s.ID, w.states[i], text(s))
		}
		for _, k := range s.Keys {
			for _, m := range k.Models {
				if m.State != "ready" || m.Why != "" {
					barred[fmt.Sprint(s.ID, k.Key, m.Model)] = m.State
				}
			}
		}
	}
	n := w.g.EachStanding(func(ch *channel.Channel, model string, b channel.Bar) {
		if !b.Ready() {
			told[fmt.Sprint(ch.ID, ch.Key, model)] = b.State
		}
	})
	if !maps.Equal(barred, told) || n != len(channels) {
		w.t.Errorf("after %s: %v are barred of %d, told are %v of %d", after, barred, len(channels), told, n)
	}
	if changes.Ready != !slices.ContainsFunc(slices.Collect(maps.Values(barred)), func(state string) bool { return state != "ready" }) {
		w.t.Errorf("after %s: all are ready: %v, barred %v", after, changes.Ready, barred)
	}
}

// What is told of changes alone comes to how all channels stand, whatever happens on them.
func TestAnObserverOfChangesKnowsHowAllChannelsStand(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dice := rand.New(rand.NewPCG(seed, 1))
				scripts := []script{
					says("yes"), says("yes"), says("yes"), slowly(), lasts(3 * time.Second), refuses(fault(translate.FaultBroken)), refuses(fault(translate.FaultBusy)), refuses(fault(translate.FaultDenied)),
					refuses(fault(translate.FaultNoModel)), refuses(fault(translate.FaultDial)), {Steps: []step{start("x"), text("cut"), fails(fault(translate.FaultBroken))}},
				}
				of := func(weight int) *config.Config {
					return conf(backend("a"), backend("b", keys("b1", "b2")), backend("c", atMost(1)), backend("d", tier(2), func(c *config.Channel) { c.Weight = weight }))
				}
				w := &watched{world: newWorld(t, of(1), map[string][]script{})}
				var hints []channel.Hint
				w.g.tell = func(h channel.Hint) { hints = append(hints, h) }
				w.g.plan.Load().Publish(w.g.tell)
				play := func() {
					for _, id := range slices.Sorted(maps.Keys(w.up)) {
						own := rand.New(rand.NewPCG(seed, dice.Uint64()))
						w.up[id].PlayNth(func(int) script { return scripts[own.IntN(len(scripts))] })
					}
				}
				play()
				var held []*Exchange
				for range 60 {
					what := ""
					switch dice.IntN(12) {
					default:
						what = "a question"
						w.ask(t.Context(), w.question("hi"))
					case 0:
						what = "a question beside others"
						q := w.question("hi")
						go w.ask(t.Context(), q)
					case 1:
						what = "a question whose answer is held"
						if x, err := w.open(t.Context(), w.question("hi")); err == nil {
							held = append(held, x)
						}
					case 2, 3:
						what = "the end of one that was held"
						if len(held) > 0 {
							readAll(held[0])
							_ = held[0].Close()
							held = held[1:]
						}
					case 4:
						what = "some time"
						time.Sleep(time.Duration(dice.IntN(20_000)) * time.Millisecond)
					case 5, 9, 10:
						what = "a little time"
						time.Sleep(time.Duration(dice.IntN(1_500)) * time.Millisecond)
					case 6:
						what = "a decision of the operator"
						if err := w.g.Force(string(rune('a'+dice.IntN(4))), channel.Force(dice.IntN(4))); err != nil {
							t.Fatal(err)
						}
					case 7:
						what = "another configuration"
						w.apply(of(1 + dice.IntN(2)))
						play()
					case 8:
						what = "word of another process"
						cells := w.g.HintCells()
						slices.Sort(cells)
						w.g.Hint(channel.Hint{Cell: cells[dice.IntN(len(cells))], Open: time.Duration(dice.IntN(3)) * time.Second, Cool: time.Duration(dice.IntN(3)) * time.Second})
					}
					synctest.Wait()
					w.compare(what)
				}
				for _, x := range held {
					_ = x.Close()
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				w.compare("all")
			})
		})
	}
}

// Channels that rest are not looked at.
func TestAnObserverIsToldNothingOfChannelsThatRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := &watched{world: newWorld(t, conf(backend("a"), backend("b", tier(2)), backend("c", tier(3))), map[string][]script{"a": {says("yes")}})}
		w.compare("the start")
		w.ask(t.Context(), w.question("hi")).mustSay(t, "yes")
		if w.compare("a question"); w.told != 4 {
			t.Errorf("told of %d channels, not of all and then of the one that was asked", w.told)
		}
		time.Sleep(time.Minute) // nothing is counted of it any more, which it is told once
		w.compare("a minute")
		told := w.told
		time.Sleep(time.Hour)
		if w.compare("an hour"); w.told != told {
			t.Errorf("told of %d channels on which nothing happened", w.told-told)
		}
	})
}
