package dialects

import (
	"slices"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/translate"
)

// Some proxies end every stream with the mark of one vendor. It says that the answer is over, and
// not how: without a reason of the dialect the gateway has to judge.
func TestTheMarkOfAnotherVendorEndsAnAnswerOfEveryDialect(t *testing.T) {
	t.Parallel()
	for _, v := range vendors(t) {
		text, ok := v.said["stream"]
		if !ok || v.Name() == "rest" {
			continue
		}
		ask, question := v.first([]string{"ask stream"})
		all := lines(text)
		if strings.Contains(text, "data: ") {
			all = framesOf(t, text)
		}
		for _, mark := range []string{"[DONE]", "[done]", ` [DONE] `, `"[DONE]"`, "DONE"} {
			for n := range len(all) + 1 {
				for _, pass := range []bool{false, true} {
					x := v.asks(t, ask, question, &v)
					x.sent.PassThrough = pass && x.sent.Raw != nil
					dec := v.NewDecoder(x.sent)
					var evs []translate.Event
					for i := range n {
						var err error
						if evs, err = dec.Decode(evs, all[i].Data); err != nil {
							t.Fatal(err)
						}
					}
					reasoned := dec.Done()
					if e, ok := dec.(translate.Ender); ok {
						reasoned = reasoned || e.Complete()
					}
					evs, err := dec.Decode(evs, []byte(mark))
					if (v.Name() == "responses" || v.Name() == "ollama") && x.sent.PassThrough && !reasoned {
						if err == nil {
							t.Errorf("%s behind %d events: no error, and its client needs the end of %s", mark, n, v.Name())
						}
						continue
					}
					if err != nil || !dec.Done() {
						t.Errorf("%s, %s behind %d events: %v, done %t", v.Name(), mark, n, err, dec.Done())
						continue
					}
					end := slices.IndexFunc(evs, func(ev translate.Event) bool { return ev.Kind == translate.KindFinish })
					want := map[bool]translate.Reason{true: translate.ReasonGiven, false: translate.ReasonMissing}[reasoned]
					if end < 0 || evs[end].Reason != want {
						t.Errorf("%s, %s behind %d events: %+v, want the reason %v", v.Name(), mark, n, evs, want)
					}
				}
			}
		}
	}
}
