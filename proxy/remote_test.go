package proxy

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dragoman-gateway/dragoman/proxy/conversation"
	"github.com/dragoman-gateway/dragoman/translate"
)

// remote is a back end that remembers what it was told under each name. All replicas ask it.
type remote struct {
	t    *testing.T
	fold bool // it is told what went before in one message

	mu     sync.Mutex
	told   map[string][]string // questions and answers, by the name of the conversation
	said   map[string][]string // in each conversation of the gateway, by the letter of its questions
	inSync int
	anew   int
}

// quoted finds questions and answers: each has a letter for its conversation, and a number.
var quoted = regexp.MustCompile(`[qa]-[a-z]-\d+`)

// answer checks that all that the back end knows of a question's conversation is what was said
// in it, each thing once and in order.
func (r *remote) answer(req *translate.Request) script {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, newest := req.Memory, req.Newest().Text()
	question := quoted.FindAllString(newest, -1)
	var knows []string
	switch {
	case m.InSync && r.told[m.ID] == nil:
		r.t.Errorf("%s is asked in %s, which nobody was told of", newest, m.ID)
	case m.InSync:
		knows = append(slices.Clone(r.told[m.ID]), question...)
		r.inSync++
	case m.ID != "" && r.told[m.ID] != nil:
		r.t.Errorf("%s is told all in %s, which remembers something", newest, m.ID)
	case r.fold && len(req.Messages) > 1:
		r.t.Errorf("%d messages are sent", len(req.Messages))
	default:
		for i := range req.Messages {
			knows = append(knows, quoted.FindAllString(req.Messages[i].Text(), -1)...)
		}
		r.anew++
	}
	asked := question[len(question)-1]
	letter := asked[2:3]
	want := append(r.said[letter], asked)
	if !slices.Equal(knows, want) {
		r.t.Errorf("%s (in sync %v): it knows %q, what was said is %q", asked, m.InSync, knows, want)
	}
	answer := "a" + asked[1:]
	r.said[letter] = append(want, answer)
	if m.ID != "" {
		r.told[m.ID] = append(knows, answer)
	}
	return says(answer)
}

// What a back end remembers of a conversation is used by the replica that has told it, as long as no
// other one has answered in between; else another memory is told all of it.
func TestARemoteMemoryNeverHearsAnythingTwiceNorOfAnotherConversation(t *testing.T) {
	t.Parallel()
	for _, k := range []string{"chatnio", "rest", "iagent"} {
		t.Run(k, func(t *testing.T) {
			t.Parallel()
			r := &remote{t: t, fold: k != "chatnio", told: map[string][]string{}, said: map[string][]string{}}
			all := replicasOf(t, backend("a", kind(k)))
			for _, w := range all {
				w.up["a"].Reply(r.answer)
			}
			var done sync.WaitGroup
			for i, letter := range []string{"x", "y", "z"} {
				done.Go(func() { talk(t, r, all, letter, rand.New(rand.NewPCG(7, uint64(i)))) })
			}
			done.Wait()
			if r.inSync < 10 || r.anew < 10 {
				t.Errorf("%d questions were in sync, %d were told all", r.inSync, r.anew)
			}
		})
	}
}

// talk asks questions in one conversation at any replica, which now and then loses all or is changed.
func talk(t *testing.T, r *remote, all [3]*world, letter string, chance *rand.Rand) {
	w := all[0]
	for i := range 40 {
		if chance.IntN(2) == 0 {
			w = all[chance.IntN(3)]
		}
		q := w.in(letter, w.question(fmt.Sprint("q-", letter, "-", i)))
		if got := w.ask(t.Context(), q); got.err != nil || !strings.HasPrefix(got.text, "a-"+letter) {
			t.Errorf("question %d: %q %v", i, got.text, got.err)
			return
		}
		id, other := q.Turn.ID(), all[chance.IntN(3)].g
		var err error
		switch chance.IntN(12) {
		case 0:
			err = other.Conversations().Clear(t.Context(), alice.Name, id)
			r.changed(letter)
		case 1:
			err = other.Conversations().Delete(t.Context(), alice.Name, id)
			r.changed(letter)
		case 2:
			first := fmt.Sprint("q-", letter, "-", 100+i)
			var turn *conversation.Turn
			if turn, err = other.Enqueue(t.Context(), alice, talkOf(letter)); err == nil {
				err = turn.Edit(t.Context(), conversation.Edit{Set: &conversation.SetText{Text: first}})
			}
			r.changed(letter, first)
		}
		if err != nil {
			t.Errorf("behind question %d: %v", i, err)
			return
		}
	}
}

// changed notes that the conversation of letter begins with something else, or with nothing has lost all.
func (r *remote) changed(letter string, first ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(first) == 0 {
		r.said[letter] = nil
		return
	}
	r.said[letter] = append(first, r.said[letter][1:]...)
}
