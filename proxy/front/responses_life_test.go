package front

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/dragoman-gateway/dragoman/proxy/front/intake"
	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

const responsesAsk = `{"type":"response.create","model":"echo","store":false,"input":"hi"}`

// asked opens a socket of the responses front and asks.
func (h *house) asked(t *testing.T) *socket {
	t.Helper()
	s := h.socketAs("sk-alice", "/v1/responses")
	s.say(t, responsesAsk)
	synctest.Wait()
	return s
}

// last is the last message of all, of which exactly one may end a response with a type.
func last(t *testing.T, all []string, kind string) {
	t.Helper()
	ends := 0
	for _, m := range all {
		for _, end := range []string{"response.completed", "response.failed", "response.incomplete", "error"} {
			if strings.HasPrefix(m, `{"type":"`+end+`"`) {
				ends++
			}
		}
	}
	if ends != 1 || !strings.HasPrefix(all[len(all)-1], `{"type":"`+kind+`"`) {
		t.Errorf("%d ends, want %s: %v", ends, kind, all)
	}
}

func TestAResponsesSocketEndsWhenItIsOldEnough(t *testing.T) {
	const limit = `"code":"websocket_connection_limit_reached"`
	inHouse(t, "long-2-slow-60000", func(t *testing.T, h *house) {
		conf := *h.s.settings().Config
		conf.OpenAI.SocketAge += 10 * time.Second // not with a ping
		h.s.Apply(&conf)
		idle := h.socketAs("sk-alice", "/v1/responses")
		time.Sleep(59*time.Minute + 30*time.Second)
		busy := h.asked(t)
		if all := idle.rest(); len(all) != 1 || !strings.Contains(all[0], limit) || strings.Contains(all[0], "stream_id") || !strings.Contains(all[0], `"status":400`) {
			t.Errorf("an idle socket reads %v", all)
		}
		if code := <-idle.code; code != websocket.CloseGoingAway {
			t.Errorf("an idle socket got %d", code)
		}
		time.Sleep(59 * time.Minute)
		for m := range busy.in {
			if strings.HasPrefix(m, `{"type":"response.completed"`) {
				break
			}
		}
		busy.say(t, responsesAsk) // runs at the limit
		busy.say(t, strings.Replace(responsesAsk, `"input"`, `"stream_id":"late","input"`, 1))
		synctest.Wait()
		for range 3 {
			busy.say(t, responsesAsk) // wait behind it
		}
		all := busy.rest()
		n := len(all)
		if n < 4 || !strings.Contains(all[n-1], limit) || strings.Count(strings.Join(all, ""), `"response.completed"`) != 2 || strings.Count(strings.Join(all, ""), `"type":"error"`) != 4 {
			t.Errorf("a busy socket reads %d: %s", n, strings.Join(all, "\n"))
		}
		if code := <-busy.code; code != websocket.CloseGoingAway {
			t.Errorf("a busy socket got %d", code)
		}
	})
}

func TestAResponsesSocketIsToldToGoAfterItsTurns(t *testing.T) {
	inHouse(t, "long-2-slow-10000", func(t *testing.T, h *house) {
		idle, busy := h.socketAs("sk-alice", "/v1/responses"), h.asked(t)
		from := time.Now()
		h.downs.Go(func() { h.shutdown(30 * time.Second) })
		if code := <-idle.code; code != websocket.CloseGoingAway || time.Since(from) != 0 {
			t.Errorf("an idle socket got %d after %v", code, time.Since(from))
		}
		last(t, busy.rest(), "response.completed")
		if code := <-busy.code; code != websocket.CloseGoingAway {
			t.Errorf("a busy socket got %d", code)
		}
	})
}

func TestTheDeadlineEndsTheResponsesOfASocketInBand(t *testing.T) {
	inHouse(t, "long-9-slow-10000", func(t *testing.T, h *house) {
		busy := h.asked(t)
		h.downs.Go(func() { h.shutdown(15 * time.Second) })
		all := busy.rest()
		last(t, all, "response.failed")
		if !strings.Contains(all[len(all)-1], "shutting down") {
			t.Errorf("it is told %v", all)
		}
	})
}

func TestAHandoverSendsAResponsesSocketAway(t *testing.T) {
	inHouse(t, "long-2-slow-10000", func(t *testing.T, h *house) {
		busy := h.asked(t)
		h.s.HandOver(t.Context())
		last(t, busy.rest(), "response.completed")
		if code := <-busy.code; code != websocket.CloseGoingAway {
			t.Errorf("it got %d", code)
		}
	})
}

func TestAResponseThatIsLateBeginsAllTheSame(t *testing.T) {
	inHouse(t, "long-2-first-60000", func(t *testing.T, h *house) {
		from, s := time.Now(), h.asked(t)
		if m := <-s.in; !strings.HasPrefix(m, `{"type":"response.created"`) || time.Since(from) != statusGate {
			t.Errorf("%s after %v", m, time.Since(from))
		}
		for n := 1; ; n++ {
			m := <-s.in
			if !strings.Contains(m, fmt.Sprintf(`"sequence_number":%d}`, n)) || strings.HasPrefix(m, `{"type":"response.created"`) {
				t.Fatalf("message %d is %s", n, m)
			}
			if strings.HasPrefix(m, `{"type":"response.completed"`) {
				break
			}
		}
		if took := time.Since(from); took < time.Minute {
			t.Errorf("it took %v", took)
		}
		_ = s.Close()
	})
}

func TestAFailureBehindALateBeginningEndsTheResponse(t *testing.T) {
	inHouse(t, "hang", func(t *testing.T, h *house) {
		s, all := h.asked(t), []string(nil)
		for m := range s.in {
			if all = append(all, m); strings.HasPrefix(m, `{"type":"response.failed"`) {
				break
			}
		}
		last(t, all, "response.failed")
		_ = s.Close()
	})
}

func TestABugInAnAnswerEndsItsResponsesSocket(t *testing.T) {
	for _, script := range []string{bug, lateBug} {
		t.Run(script, func(t *testing.T) {
			inHouse(t, script, func(t *testing.T, h *house) {
				s := h.asked(t)
				s.rest()
				if code := <-s.code; code != websocket.CloseInternalServerErr || !strings.Contains(h.log.String(), "panic") {
					t.Errorf("closed with %d: %s", code, h.log.String())
				}
			})
		})
	}
}

func TestTheMemoryOfASocketIsBounded(t *testing.T) {
	inHouse(t, "echo", func(t *testing.T, h *house) {
		m := &responsesMemory{held: h.s.bodies.Charge(intake.Account{Who: "alice", Spares: true})}
		heard := func(n int) []store.Message {
			return []store.Message{{Message: translate.TextMessage(translate.RoleUser, strings.Repeat("x", n))}}
		}
		for i := range 100 {
			m.put(fmt.Sprint(i), "", heard(10))
		}
		if _, old := m.find("35"); old || len(m.all) != rememberedLimit {
			t.Errorf("%d are remembered, an old one: %v", len(m.all), old)
		}
		if _, ok := m.find("99"); !ok || h.s.BodiesHeld() != m.size || m.size == 0 {
			t.Errorf("the newest one: %v; %d of %d bytes are charged", ok, h.s.BodiesHeld(), m.size)
		}
		m.put("large", "a", heard(rememberedBytes*3/4))
		m.put("larger", "b", heard(rememberedBytes/2))
		if _, ok := m.find("large"); ok || m.size > rememberedBytes || len(m.all) != 1 {
			t.Errorf("%d bytes of %d are remembered", m.size, len(m.all))
		}
		m.put("too large", "", heard(rememberedBytes))
		if len(m.all) != 0 || m.size != 0 || h.s.BodiesHeld() != 0 {
			t.Errorf("%d bytes of %d are remembered", m.size, len(m.all))
		}
		m.put("one", "a", heard(1))
		m.evict("one", "b")
		if _, ok := m.find("one"); !ok {
			t.Error("another lane's failure has it forgotten")
		}
		m.evict("one", "a")
		if _, ok := m.find("one"); ok || h.s.BodiesHeld() != 0 {
			t.Error("its own lane's failure has it remembered")
		}
		m.put("one", "a", heard(1))
		m.release()
		if h.s.BodiesHeld() != 0 {
			t.Error("something is held")
		}
	})
}
