package front_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestNothingIsInheritedFromTheFrameBefore(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	for i := range 5 {
		k.ask("mock-echo", fmt.Sprint("q", i))
	}
	k.say(`{"type":"chat","message":"x","model":"recall","context":2,"web":true}`)
	if p := k.turn(); !strings.HasSuffix(p.text, "| user: x") || strings.Count(p.text, " | ") != 1 {
		t.Errorf("context 2: the model saw %+v", p)
	}
	k.say(`{"type":"chat","message":"y","model":"recall"}`)
	if p := k.turn(); strings.Count(p.text, " | ") < 7 {
		t.Errorf("without context: the model saw %+v", p)
	}
	if c := s.kept(t, "alice", 1); c.Web {
		t.Error("the search was inherited")
	}
	// Without a model it is the first one that the caller may use.
	k.say(`{"type":"chat","message":"z"}`)
	if p := k.turn(); p.fault != "" || s.kept(t, "alice", 1).Model != "mock-echo" {
		t.Errorf("got %+v, asked %s", p, s.kept(t, "alice", 1).Model)
	}
	k.leave()
}

func TestARemoveStopsTheRunningTurn(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", "one")
	k.say(chatFrame("hang", "two"))
	k.frame()
	k.say(`{"type":"remove","message":"0"}`)
	if f, _ := k.frame(); !*f.End || *f.Message != "" {
		t.Errorf("got %v %q", *f.End, *f.Message)
	}
	if p := k.ask("recall", "three"); p.text != "user: two | user: three" {
		t.Errorf("the model saw %+v", p)
	}
	k.leave()
}

func TestSeveralStopsAreOneEnd(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	for range 10 {
		k.say(chatFrame("hang", "go"))
		k.frame()
		k.say(`{"type":"stop"}`, `{"type":"stop"}`, `{"type":"stop"}`)
		if f, _ := k.frame(); !*f.End || *f.Message != "" {
			t.Errorf("got %v %q", *f.End, *f.Message)
		}
	}
	// A further end would be the first frame of this turn.
	if p := k.ask("mock-echo", "after"); p.fault != "" || !strings.Contains(p.text, "after") {
		t.Errorf("got %+v", p)
	}
	k.leave()
}

func TestAListHoldsTheNewestHundred(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for i := range 103 {
		c := &store.Conversation{ID: fmt.Sprint("conv_", i), Owner: "alice", Name: fmt.Sprint("n", i)}
		turn := store.Turn{At: 1, Messages: []store.Message{{Message: translate.TextMessage(translate.RoleUser, "hi")}}}
		if err := s.Store.Append(t.Context(), c, turn); err != nil {
			t.Fatal(err)
		}
	}
	list := s.list(t, "sk-alice")
	if len(list) != 100 || list[0].ID != 103 || list[99].ID != 4 {
		t.Errorf("%d from %d to %d", len(list), list[0].ID, list[len(list)-1].ID)
	}
}

func TestANameIsCutAtFiftyCharactersNotBytes(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for i, n := range []int{50, 51} {
		k := s.enter(t, "sk-alice", 0)
		k.ask("mock-echo", strings.Repeat("你", n))
		k.leave()
		want := strings.Repeat("你", 50) + strings.Repeat("...", n-50)
		if got := s.load(t, "sk-alice", int64(i+1)).Name; got != want {
			t.Errorf("%d characters: got %q", n, got)
		}
	}
}

func TestNeitherCallsNorDialsAreThrottledAndBadKeysLockNobodyOut(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for range 30 {
		s.want(t, "sk-alice", "GET", "/subscription", "", 200, "{\"data\":{\"enterprise\":false,\"expired\":0,\"is_subscribed\":false,\"level\":0,\"status\":true,\"usage\":{}},"+
			"\"enterprise\":false,\"expired\":0,\"expired_at\":\"1970-01-01 00:00:00\",\"is_subscribed\":false,\"level\":0,\"refresh\":0,\"refresh_at\":\"1970-01-01 00:00:00\",\"status\":true,\"usage\":{}}")
		k := s.enter(t, "sk-alice", 0)
		k.leave()
	}
	for range 60 {
		k := s.enter(t, "sk-nobody", 0)
		if p := k.ask("free", "hi"); p.number != -1 || p.text != helloHi {
			t.Fatalf("got %+v", p)
		}
		k.leave()
	}
	k := s.enter(t, "sk-alice", 0)
	if p := k.ask("mock-echo", "hi"); p.number != 1 || p.text != helloHi {
		t.Errorf("got %+v", p)
	}
	k.leave()
}

func TestTheQueryNamesTheConversationToo(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", "one")
	k.leave()
	for _, frames := range [][]string{
		nil,
		{`{"token":"","id":-1}`},
		{`{"token":"{\"token\":\"sk-alice\",\"id\":1}"}`},
		{`{"token":"sk-alice","id":"1"}`},
	} {
		k := s.dial(t, "/chat?token=sk-alice&id=1", frames...)
		if p := k.ask("mock-echo", "two"); p.number != 1 || p.text == `Hello, you said "two" (n=1)` {
			t.Errorf("%s: got %+v", frames, p)
		}
		k.leave()
	}
}

func TestUnknownPathsAndOddMethodsAre404UnderApiToo(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for _, one := range []string{"GET /nope", "GET /api/nope", "POST /api/conversation/list", "DELETE /api/conversation/delete?id=1", "HEAD /conversation/clean", "HEAD /api/conversation/delete?id=1", "DELETE /quota"} {
		method, path, _ := strings.Cut(one, " ")
		resp, body := s.call(t, method, path, "", "Authorization", "sk-alice")
		if resp.StatusCode != 404 || method != http.MethodHead && !strings.Contains(body, `"status":false`) {
			t.Errorf("%s: got %d %s", one, resp.StatusCode, body)
		}
	}
}

func TestAChatMayHoldAnyTextAndComesBackAsItWas(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	text := "<b>&amp;</b> \u2028\u2029 \"\\\u0000\u001f 😀 " + strings.Repeat("长", 3000)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", text)
	k.leave()
	if c := s.load(t, "sk-alice", 1); c.Message[0].Content != text {
		t.Errorf("got %.100q", c.Message[0].Content)
	}
}

func TestTheFirstFrameComesBeforeTheModelIsAsked(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	a := s.enter(t, "sk-alice", 0)
	a.say(chatFrame("hang", "one"))
	a.frame()
	s.Eventually(t, "the model is asked", func() bool { return s.Model.Active() == 1 })
	// This one waits for the turn of the other socket, and shows its number meanwhile.
	b := s.enter(t, "sk-alice", 1)
	b.say(chatFrame("hang", "two"))
	if f, _ := b.frame(); *f.Conversation != 1 || *f.End || *f.Message != "" || s.Model.Active() != 1 {
		t.Errorf("got %+v, %d questions at the model", f, s.Model.Active())
	}
	for _, k := range []*sock{a, b} {
		k.say(`{"type":"stop"}`)
		if f, _ := k.frame(); !*f.End || *f.Message != "" {
			t.Errorf("got %q", *f.Message)
		}
		k.leave()
	}
}

func TestTheListOfModelsIsAnObjectAndPublicWhileAnonymousCallersAre(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	closed := openSite(t, strings.Replace(siteConf, "  anonymous: {models: [free, mock-free, say]}\n", "", 1))
	for _, path := range []string{"/v1/models", "/api/v1/models", "/v1/models/", "/api/v1/models/"} {
		resp, body := s.call(t, "GET", path, "", "Authorization", "Bearer sk-bob")
		if resp.StatusCode != 200 || !strings.HasPrefix(body, `{"object":"list","data":[{"id":"mock-echo","object":"model","created":`) {
			t.Errorf("%s: got %d %s", path, resp.StatusCode, body)
		}
		if resp, body := s.call(t, "GET", path, ""); resp.StatusCode != 200 || !strings.Contains(body, `"id":"free"`) {
			t.Errorf("%s without a key: got %d %s", path, resp.StatusCode, body)
		}
		if resp, _ := closed.call(t, "GET", path, ""); resp.StatusCode != 401 {
			t.Errorf("%s without a key, where one is needed: got %d", path, resp.StatusCode)
		}
	}
}

func TestALoginLastsThirtyDays(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	_, body := s.call(t, "POST", "/login", `{"username":"bob","password":"sk-bob"}`)
	var claims jwt.MapClaims
	if _, _, err := jwt.NewParser().ParseUnverified(between(body, `"token":"`, `"`), &claims); err != nil {
		t.Fatal(err)
	}
	end, err := claims.GetExpirationTime()
	if err != nil || claims["username"] != "bob" {
		t.Fatalf("got %v, %v", claims, err)
	}
	if left := time.Until(end.Time); left > 30*24*time.Hour || left < 30*24*time.Hour-time.Hour {
		t.Errorf("it lasts %v", left)
	}
}

func TestTheCostOfATurnGrowsInItsFramesAndAUsedUpBudgetRefusesTheNext(t *testing.T) {
	t.Parallel()
	conf := strings.Replace(siteConf, "key: sk-alice}", "key: sk-alice, limits: tight}", 1) +
		"limits: {tight: {budget: {amount: 2, per: day}}}\nprices: {mock-echo: {call: 2}}\n"
	s := openSite(t, conf)
	k := s.enter(t, "sk-alice", 0)
	k.say(chatFrame("mock-echo", "hi"))
	before, n := 0.0, 0
	for {
		f, raw := k.frame()
		if *f.Quota < before || n == 0 && *f.Quota != 0 {
			t.Errorf("frame %d: %s after %v", n+1, raw, before)
		}
		before = *f.Quota
		if n++; *f.End {
			break
		}
	}
	if before != 2 {
		t.Errorf("the turn cost %v", before)
	}
	p := k.ask("mock-echo", "again")
	if !strings.HasPrefix(p.fault, "user quota is not enough error (model: mock-echo") || len(p.frames) != 2 || !strings.Contains(p.frames[1], `"quota":0,`) {
		t.Errorf("got %+v", p)
	}
	k.leave()
	s.want(t, "sk-alice", "GET", "/quota", "", 200, `{"quota":0,"status":true}`)
}
