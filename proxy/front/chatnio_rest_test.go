package front_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

const (
	ok         = `{"message":"","status":true}`
	unknownKey = `{"code":401,"message":"Access denied. Please provide correct api key."}`
)

func refusedWith(text string) string {
	return `{"error":"` + text + `","message":"` + text + `","status":false}`
}

var (
	maskOK   = `{"status":true,"error":""}`
	maskFail = func(text string) string {
		return `{"status":false,"data":[],"error":"` + text + `","message":"` + text + `"}`
	}
)

// owned are the calls that need a caller, and open those that do not.
var owned = []string{
	"GET /conversation/list", "GET /conversation/load?id=1", "GET /conversation?id=1", "GET /conversation/delete?id=1",
	"GET /conversation/clean", "POST /conversation/rename", "POST /conversation/share", "GET /conversation/share/list",
	"GET /conversation/share/delete?hash=x", "GET /userinfo", "GET /apikey", "GET /quota", "GET /package", "GET /subscription",
	"GET /dashboard/billing/usage", "GET /dashboard/billing/subscription", "POST /resetkey", "POST /buy", "POST /subscribe",
	"GET /invite?code=x", "GET /redeem?code=x",
}

var maskCalls = []string{"GET /conversation/mask/view", "POST /conversation/mask/save", "POST /conversation/mask/delete"}

var open = []string{
	"GET /", "POST /state", "GET /info", "GET /v1/market", "GET /v1/charge", "GET /v1/plans", "GET /broadcast/view",
	"GET /conversation/view?hash=x", "POST /login", "POST /register", "POST /verify", "POST /reset",
}

func TestChatnioCallsKnowTheirCallerByEveryForm(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	alice := signed(t, "alice", time.Hour)
	for _, header := range []string{"sk-alice", "Bearer sk-alice", "bearer sk-alice", alice, "Bearer " + alice} {
		s.want(t, header, "POST", "/state", "", 200, `{"admin":false,"status":true,"user":"alice"}`)
		s.want(t, header, "GET", "/", "", 200, `{"auth":true,"method":"GET","status":true}`)
	}
	s.want(t, "plain-key", "POST", "/state", "", 200, `{"admin":false,"status":true,"user":"plain"}`)
	stale := signed(t, "alice", -time.Hour)
	for _, header := range []string{"", "anonymous", "Bearer anonymous", "Bearer a.b.c", "nonsense", stale} {
		s.want(t, header, "POST", "/state", "", 200, `{"admin":false,"status":false,"user":""}`)
		s.want(t, header, "GET", "/", "", 200, `{"auth":false,"method":"GET","status":true}`)
		for _, one := range owned {
			method, path, _ := strings.Cut(one, " ")
			s.want(t, header, method, path, "{}", 200, refusedWith("user not found"))
		}
		for _, one := range maskCalls {
			method, path, _ := strings.Cut(one, " ")
			s.want(t, header, method, path, "{}", 200, maskFail("authentication_error"))
		}
	}
}

func TestAnUnknownKeyIs401OnEveryChatnioCall(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for _, list := range [][]string{owned, maskCalls, open} {
		for _, one := range list {
			method, path, _ := strings.Cut(one, " ")
			s.want(t, "Bearer sk-nobody", method, path, "{}", 401, unknownKey)
			s.want(t, "sk-late", method, path, "{}", 401, unknownKey)
		}
	}
	s.want(t, "sk-nobody", "GET", "/chat", "", 401, unknownKey)
	if resp := s.Refused(t, "/chat", "Authorization", "Bearer sk-nobody"); resp.StatusCode != 401 {
		t.Errorf("the upgrade was answered with %d", resp.StatusCode)
	}
}

func TestEveryChatnioCallIsServedUnderApiAndWithASlash(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for _, list := range [][]string{owned, maskCalls, open} {
		for _, one := range list {
			method, path, _ := strings.Cut(one, " ")
			_, plain := s.call(t, method, path, "{}", "Authorization", "sk-alice")
			name, query, asked := strings.Cut(path, "?")
			if asked {
				query = "?" + query
			}
			name = strings.TrimSuffix(name, "/")
			for _, other := range []string{"/api" + name + query, name + "/" + query, "/api" + name + "/" + query} {
				resp, got := s.call(t, method, other, "{}", "Authorization", "sk-alice")
				if resp.StatusCode != 200 || got != plain {
					t.Errorf("%s %s: got %d %s, want 200 %s", method, other, resp.StatusCode, got, plain)
				}
			}
		}
	}
	for _, path := range []string{"/chat", "/chat/", "/api/chat", "/api/chat/"} {
		k := s.dial(t, path, `{"token":"sk-alice","id":-1}`)
		if p := k.ask("mock-echo", "hi"); p.fault != "" {
			t.Errorf("%s: %s", path, p.fault)
		}
		k.leave()
	}
}

func TestTheAccountIsOneThatMayDoEverything(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for path, want := range map[string]string{
		"/quota":                           `{"quota":1000000,"status":true}`,
		"/package":                         `{"data":{"cert":false,"teenager":false},"status":true}`,
		"/subscription":                    `{"data":{"enterprise":false,"expired":0,"is_subscribed":false,"level":0,"status":true,"usage":{}},"enterprise":false,"expired":0,"expired_at":"1970-01-01 00:00:00","is_subscribed":false,"level":0,"refresh":0,"refresh_at":"1970-01-01 00:00:00","status":true,"usage":{}}`,
		"/apikey":                          `{"key":"sk-alice","status":true}`,
		"/userinfo":                        `{"data":{"id":119673833,"register_days":0,"used_quota":0,"plan_total_month":0,"email":""},"status":true}`,
		"/dashboard/billing/usage":         `{"object":"list","total_usage":0}`,
		"/dashboard/billing/subscription":  `{"object":"billing_subscription","soft_limit":100000000,"hard_limit":100000000,"system_hard_limit":100000000,"soft_limit_usd":13698.63,"hard_limit_usd":13698.63,"system_hard_limit_usd":1000000}`,
		"/v1/plans":                        `[]`,
		"/broadcast/view":                  `null`,
		"/broadcast/list":                  `{"data":[]}`,
		"/info":                            `{"title":"dragoman","logo":"","file":"","docs":"","announcement":"","buy_link":"","contact":"","footer":"","auth_footer":false,"mail":false,"article":[],"generation":[],"relay_plan":false}`,
		"/invite?code=x":                   `{"error":"invitation code not found","message":"invitation code not found","quota":0,"status":false}`,
		"/redeem?code=x":                   `{"error":"redeem code not found","message":"redeem code not found","quota":0,"status":false}`,
		"/conversation/list":               `{"data":[],"message":"","status":true}`,
		"/conversation/share/list":         `{"data":[],"message":"","status":true}`,
		"/conversation/mask/view":          `{"status":true,"data":[],"error":""}`,
		"/conversation/clean":              ok,
		"/conversation/share/delete":       refusedWith("invalid hash"),
		"/conversation/share/delete?hash=": refusedWith("invalid hash"),
	} {
		s.want(t, "sk-alice", "GET", path, "", 200, want)
	}
	s.want(t, "sk-alice", "POST", "/buy", `{"quota":10}`, 200, refusedWith("cannot find payment provider"))
	for _, body := range []string{`{"quota":0}`, `{"quota":-1}`, `{"quota":100000}`, `{}`} {
		s.want(t, "sk-alice", "POST", "/buy", body, 200, refusedWith("invalid quota range (1 ~ 99999)"))
	}
	s.want(t, "sk-alice", "POST", "/buy", `{`, 200, refusedWith("invalid form"))
	s.want(t, "sk-alice", "POST", "/subscribe", `{"level":1,"month":1}`, 200, refusedWith("subscription feature does not enable of this site"))
	s.want(t, "sk-alice", "POST", "/resetkey", "", 200, refusedWith("keys are set by the operator"))
	s.want(t, "", "POST", "/register", `{"username":"x","password":"y"}`, 200, refusedWith("registration is closed: callers are set by the operator"))
	s.want(t, "sk-alice", "GET", "/admin/channel/list", "", 401, `{"code":401,"message":"Access denied."}`)
}

// The web application asks once, before its user has signed in.
func TestTheMarketAndTheChargesAreTheSameForEverybody(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	closed := openSite(t, strings.Replace(siteConf, "  anonymous: {models: [free, mock-free, say]}\n", "", 1))
	const charge = `[{"id":1,"type":"non-billing","models":["free","mock-free","say"],"input":0,"output":0,"anonymous":true},` +
		`{"id":2,"type":"non-billing","models":["mock-echo","recall","long-400-slow-5","hang","fail-500","empty"],"input":0,"output":0,"anonymous":false}]`
	for _, key := range []string{"", "anonymous", "sk-alice", "sk-bob", signed(t, "bob", time.Hour)} {
		s.want(t, key, "GET", "/api/v1/charge", "", 200, charge)
		for _, site := range []*site{s, closed} {
			var market []struct{ ID string }
			_, body := site.call(t, "GET", "/v1/market", "", "Authorization", key)
			if err := json.Unmarshal([]byte(body), &market); err != nil || len(market) != 9 {
				t.Errorf("the market of %q: %d, %v in %s", key, len(market), err, body)
			}
		}
	}
	closed.want(t, "", "GET", "/v1/charge", "", 200, `[{"id":1,"type":"non-billing","models":["mock-echo","free","mock-free","say","recall","long-400-slow-5","hang","fail-500","empty"],"input":0,"output":0,"anonymous":false}]`)
	// The list that openai's clients ask for stays what its caller may use.
	if resp, _ := closed.call(t, "GET", "/v1/models", ""); resp.StatusCode != 401 {
		t.Errorf("/v1/models: %d", resp.StatusCode)
	}
}

func TestModelsAreShownToThoseWhoMayUseThemWhereTheyAreNotPublic(t *testing.T) {
	t.Parallel()
	siteConf := siteConf + "chatnio: {public_models: false}\n"
	s := openSite(t, siteConf)
	s.want(t, "", "GET", "/v1/charge", "", 200, `[{"id":1,"type":"non-billing","models":["free","mock-free","say"],"input":0,"output":0,"anonymous":true}]`)
	s.want(t, "sk-bob", "GET", "/v1/charge", "", 200, `[{"id":1,"type":"non-billing","models":["mock-echo"],"input":0,"output":0,"anonymous":false}]`)
	s.want(t, "sk-alice", "GET", "/v1/charge", "", 200, `[{"id":1,"type":"non-billing","models":["free","mock-free","say"],"input":0,"output":0,"anonymous":true},`+
		`{"id":2,"type":"non-billing","models":["mock-echo","recall","long-400-slow-5","hang","fail-500","empty"],"input":0,"output":0,"anonymous":false}]`)
	s.want(t, "sk-bob", "GET", "/v1/market", "", 200, `[{"id":"mock-echo","name":"mock-echo","description":"","free":true,"auth":false,"default":true,"high_context":false,"avatar":"","tag":[]}]`)
	closed := openSite(t, strings.Replace(siteConf, "  anonymous: {models: [free, mock-free, say]}\n", "", 1))
	closed.want(t, "", "GET", "/v1/market", "", 200, `[]`)
	closed.want(t, "", "GET", "/v1/charge", "", 200, `[]`)
}

func TestALoginIsWorthItsKeyAndNoMore(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	resp, body := s.call(t, "POST", "/login", `{"username":"bob","password":"sk-bob"}`)
	var got struct {
		Status bool
		Token  string
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != 200 || !got.Status || got.Token == "" {
		t.Fatalf("got %d %s", resp.StatusCode, body)
	}
	s.want(t, got.Token, "POST", "/state", "", 200, `{"admin":false,"status":true,"user":"bob"}`)
	// bob's key is for one model only, and so is what was made of it.
	if _, models := s.call(t, "GET", "/v1/models", "", "Authorization", got.Token); strings.Count(models, `"object":"model"`) != 1 {
		t.Errorf("got %s", models)
	}
	k := s.enter(t, got.Token, 0)
	if p := k.ask("recall", "hi"); p.fault != "cannot find channel for model recall" {
		t.Errorf("got %+v", p)
	}
	k.leave()

	_, body = s.call(t, "POST", "/login", "username=bob&password=sk-bob", "Content-Type", "application/x-www-form-urlencoded")
	if !strings.Contains(body, `"status":true`) {
		t.Errorf("a form: %s", body)
	}
	wrong := refusedWith("invalid username or password")
	s.want(t, "", "POST", "/login", `{"username":"alice","password":"sk-bob"}`, 200, wrong)
	s.want(t, "", "POST", "/login", `{"username":"bob","password":"nonsense"}`, 200, wrong)
	s.want(t, "", "POST", "/login", `{"username":"bob","password":""}`, 200, wrong)
	s.want(t, "", "POST", "/login", `{"username":"late","password":"sk-late"}`, 200, wrong)
	s.want(t, "", "POST", "/login", `{"username":"bob","password":"`+got.Token+`"}`, 200, wrong)
	s.want(t, "", "POST", "/login", `{bad`, 200, refusedWith("bad request"))

	// Where the key is not configured any more, its logins are worth nothing.
	gone := openSite(t, strings.Replace(siteConf, "sk-bob", "sk-bob-2", 1))
	gone.want(t, got.Token, "POST", "/state", "", 200, `{"admin":false,"status":false,"user":""}`)
	none := openSite(t, strings.Replace(siteConf, "  jwt: {secret: "+siteSecret+"}\n", "", 1))
	none.want(t, "", "POST", "/login", `{"username":"bob","password":"sk-bob"}`, 200, wrong)
}

func TestGuessesAtTheLoginEndAndTheRightPasswordIsNotTakenMeanwhile(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	checked, began := 0, time.Now()
	for i := range 200 {
		// In turn at every path, and as JSON and as a form.
		path, body, kind := []string{"/login", "/api/login"}[i%2], `{"username":"bob","password":"guess"}`, "application/json"
		if i%3 == 0 {
			body, kind = "username=bob&password=guess", "application/x-www-form-urlencoded"
		}
		resp, said := s.call(t, "POST", path, body, "Content-Type", kind)
		switch {
		case resp.StatusCode == 200 && said == refusedWith("invalid username or password"):
			checked++
		case resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" || said != refusedWith("too many wrong keys or passwords, please try again later"):
			t.Fatalf("got %d %v %s", resp.StatusCode, resp.Header, said)
		}
	}
	// 20 at once, and one more every two seconds.
	if most := 20 + int(time.Since(began)/(2*time.Second)) + 1; checked > most {
		t.Errorf("%d of 200 guesses were checked, at most %d may be", checked, most)
	}
	for i := 0; ; i++ { // on a slow machine there may be room for one again
		s.call(t, "POST", "/login", `{"username":"bob","password":"guess"}`)
		resp, said := s.call(t, "POST", "/login", `{"username":"bob","password":"sk-bob"}`)
		if resp.StatusCode == 429 {
			break
		}
		if i == 50 {
			t.Fatalf("the right password: %d %s", resp.StatusCode, said)
		}
	}
	s.want(t, "sk-bob", "POST", "/state", "", 200, `{"admin":false,"status":true,"user":"bob"}`)
}

func TestEveryCallSlowsBadCredentials(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for i := 0; ; i++ {
		if i == 200 {
			t.Fatal("200 bad credentials were not slowed")
		}
		if resp, _ := s.call(t, "GET", "/v1/models", "", "Authorization", "Bearer sk-guess"); resp.StatusCode == 429 {
			break
		}
	}
	for _, one := range []struct{ method, path, header, value string }{
		{"POST", "/state", "Authorization", "sk-guess"}, {"GET", "/quota", "Authorization", "sk-guess"}, {"GET", "/api/info", "Authorization", "Bearer sk-guess"},
		{"GET", "/v1/models", "X-Api-Key", "guess"}, {"GET", "/api/conversations", "X-API-Key", "guess"}, {"GET", "/v1/models/m", "Authorization", "Bearer a.b.c"},
		{"GET", "/chat", "Authorization", "Bearer sk-guess"}, {"GET", "/ws/v1/chat?app_token=guess", "", ""}, {"POST", "/api/chat", "Authorization", "Bearer guess"},
		{"POST", "/v1/messages", "X-Api-Key", "guess"}, {"POST", "/login", "Authorization", "sk-guess"},
	} {
		head := []string{"Anthropic-Version", "2023-06-01"}
		if one.header != "X-Api-Key" {
			head = nil
		}
		if one.header != "" {
			head = append(head, one.header, one.value)
		}
		slowed := false
		for range 3 { // half of one is forgiven each second
			resp, _ := s.call(t, one.method, one.path, "", head...)
			slowed = slowed || (resp.StatusCode == 429 || resp.StatusCode == 401) && resp.Header.Get("Retry-After") != ""
		}
		if !slowed {
			resp, body := s.call(t, one.method, one.path, "", head...)
			t.Errorf("%+v: %d %s", one, resp.StatusCode, body)
		}
	}
	s.want(t, "sk-alice", "POST", "/state", "", 200, `{"admin":false,"status":true,"user":"alice"}`)
}

func TestConversationsAreListedLoadedRenamedAndDeleted(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	long := "a long first message that is certainly longer than fifty characters, 你好世界"
	for _, text := range []string{long, "second", "third"} {
		k := s.enter(t, "sk-alice", 0)
		if p := k.ask("mock-echo", text); p.fault != "" {
			t.Fatal(p.fault)
		}
		k.leave()
	}
	list := s.list(t, "sk-alice")
	if len(list) != 3 || list[0].ID != 3 || list[2].ID != 1 || list[2].Name != long[:50]+"..." || list[0].Model != "mock-echo" || list[0].UserID != 119673833 || list[0].Message != nil {
		t.Fatalf("got %+v", list)
	}
	if c := s.load(t, "sk-alice", 1); c.said() != "user: "+long+` | assistant: Hello, you said "`+long+`" (n=1)` || c.Model != "mock-echo" || c.UserID != 119673833 || c.ID != 1 {
		t.Errorf("got %+v", c)
	}
	// Numbers are each caller's own.
	s.want(t, "sk-bob", "GET", "/conversation/load?id=1", "", 200, refusedWith("conversation not found"))
	for _, path := range []string{"/conversation/load", "/conversation/delete"} {
		for _, id := range []string{"", "?id=", "?id=abc", "?id=1.5"} {
			s.want(t, "sk-alice", "GET", path+id, "", 200, refusedWith("invalid id"))
		}
		for _, id := range []string{"-1", "0", "99"} {
			s.want(t, "sk-alice", "GET", path+"?id="+id, "", 200, refusedWith("conversation not found"))
		}
	}
	s.want(t, "sk-alice", "POST", "/conversation/rename", `{"id":2,"name":"<new>"}`, 200, ok)
	s.want(t, "sk-alice", "POST", "/conversation/rename", `{"id":"3","name":"three"}`, 200, ok)
	s.want(t, "sk-alice", "POST", "/conversation/rename", `{"id":99,"name":"x"}`, 200, refusedWith("conversation not found"))
	s.want(t, "sk-bob", "POST", "/conversation/rename", `{"id":2,"name":"x"}`, 200, refusedWith("conversation not found"))
	for _, body := range []string{`{bad`, `{"id":2}`, `{"name":"x"}`, ``} {
		s.want(t, "sk-alice", "POST", "/conversation/rename", body, 200, refusedWith("invalid form"))
	}
	// The new name outlives a turn.
	k := s.enter(t, "sk-alice", 2)
	if p := k.ask("mock-echo", "more"); p.number != 2 || p.text != `Hello, you said "more" (n=3)` {
		t.Errorf("got %+v", p)
	}
	k.leave()
	if c := s.load(t, "sk-alice", 2); c.Name != "<new>" {
		t.Errorf("got the name %q", c.Name)
	}
	s.want(t, "sk-alice", "GET", "/conversation/delete?id=2", "", 200, ok)
	s.want(t, "sk-alice", "GET", "/conversation/delete?id=2", "", 200, refusedWith("conversation not found"))
	if list := s.list(t, "sk-alice"); len(list) != 2 {
		t.Errorf("got %+v", list)
	}
	s.want(t, "sk-alice", "GET", "/conversation/clean", "", 200, ok)
	s.want(t, "sk-alice", "GET", "/conversation/list", "", 200, `{"data":[],"message":"","status":true}`)
}

func TestASharedConversationIsACopyForAnyoneWithTheHash(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	k := s.enter(t, "sk-alice", 0)
	k.ask("mock-echo", "one")
	k.ask("mock-echo", "two")
	share := func(body string) string {
		_, got := s.call(t, "POST", "/conversation/share", body, "Authorization", "sk-alice")
		var answer struct {
			Status bool
			Data   string
		}
		if err := json.Unmarshal([]byte(got), &answer); err != nil || !answer.Status || len(answer.Data) != 32 {
			t.Fatalf("%s: got %s", body, got)
		}
		return answer.Data
	}
	all, some := share(`{"id":1,"refs":[-1]}`), share(`{"id":1,"refs":[3,0]}`)
	k.ask("mock-echo", "three")
	k.leave()
	for hash, want := range map[string]string{
		all:  `[{"role":"user","content":"one"},{"role":"assistant","content":"Hello, you said \"one\" (n=1)"},{"role":"user","content":"two"},{"role":"assistant","content":"Hello, you said \"two\" (n=3)"}]`,
		some: `[{"role":"user","content":"one"},{"role":"assistant","content":"Hello, you said \"two\" (n=3)"}]`,
	} {
		_, got := s.call(t, "GET", "/conversation/view?hash="+hash, "")
		if !strings.HasPrefix(got, `{"data":{"username":"alice","name":"one","messages":`+want+`,"model":"mock-echo","time":"`) {
			t.Errorf("got %s", got)
		}
	}
	_, got := s.call(t, "GET", "/conversation/share/list", "", "Authorization", "sk-alice")
	var shares struct {
		Data []struct {
			Name           string
			ConversationID int64 `json:"conversation_id"`
			Time, Hash     string
		}
	}
	if err := json.Unmarshal([]byte(got), &shares); err != nil || len(shares.Data) != 2 || shares.Data[0].ConversationID != 1 || shares.Data[0].Name != "one" {
		t.Errorf("got %s", got)
	} else if _, err := time.Parse(time.RFC3339, shares.Data[0].Time); err != nil {
		t.Error(err)
	}
	if list := s.list(t, "sk-alice"); !list[0].Shared || !s.load(t, "sk-alice", 1).Shared {
		t.Errorf("it is not said that it is shared: %+v", list)
	}
	s.want(t, "sk-alice", "POST", "/conversation/share", `{"id":1,"refs":[9]}`, 200, refusedWith("no such message"))
	s.want(t, "sk-alice", "POST", "/conversation/share", `{"id":9,"refs":[-1]}`, 200, refusedWith("conversation not found"))
	s.want(t, "sk-alice", "POST", "/conversation/share", `{`, 200, refusedWith("invalid form"))
	s.want(t, "", "GET", "/conversation/view", "", 200, refusedWith("invalid hash"))
	s.want(t, "", "GET", "/conversation/view?hash=0123", "", 200, refusedWith("sql: no rows in result set"))
	s.want(t, "sk-bob", "GET", "/conversation/share/delete?hash="+all, "", 200, refusedWith("sql: no rows in result set"))
	s.want(t, "sk-alice", "GET", "/conversation/share/delete?hash="+all, "", 200, ok)
	s.want(t, "", "GET", "/conversation/view?hash="+all, "", 200, refusedWith("sql: no rows in result set"))
}

func TestMasksAreKeptForTheirOwner(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	mask := `{"id":-1,"avatar":"1f9d0","name":"m","description":"d","context":[{"role":"system","content":"s"}]}`
	s.want(t, "sk-alice", "POST", "/conversation/mask/save", mask, 200, maskOK)
	s.want(t, "sk-alice", "GET", "/conversation/mask/view", "", 200, `{"status":true,"data":[`+strings.Replace(mask, "-1", "1", 1)+`],"error":""}`)
	s.want(t, "sk-bob", "GET", "/conversation/mask/view", "", 200, `{"status":true,"data":[],"error":""}`)
	changed := strings.Replace(strings.Replace(mask, "-1", "1", 1), `"name":"m"`, `"name":"n"`, 1)
	s.want(t, "sk-bob", "POST", "/conversation/mask/save", changed, 200, maskFail("invalid_request_error"))
	s.want(t, "sk-alice", "POST", "/conversation/mask/save", changed, 200, maskOK)
	s.want(t, "sk-alice", "GET", "/conversation/mask/view", "", 200, `{"status":true,"data":[`+changed+`],"error":""}`)
	for _, body := range []string{``, `{bad`, `[]`, `{"id":"x"}`, `{"id":-1,"context":{"role":"user"}}`, `{"id":-1,"context":[{"role":"user","content":1}]}`} {
		s.want(t, "sk-alice", "POST", "/conversation/mask/save", body, 200, maskFail("invalid_request_error"))
	}
	for _, body := range []string{``, `{}`, `{"id":7}`} {
		s.want(t, "sk-alice", "POST", "/conversation/mask/delete", body, 200, maskFail("invalid_request_error"))
	}
	s.want(t, "sk-alice", "POST", "/conversation/mask/delete", `{"id":1}`, 200, maskOK)
	s.want(t, "sk-alice", "GET", "/conversation/mask/view", "", 200, `{"status":true,"data":[],"error":""}`)
}

func TestBrowsersAreLetInFromAnywhere(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	for _, path := range []string{"/conversation/list", "/api/quota", "/login", "/chat", "/"} {
		resp, body := s.call(t, http.MethodOptions, path, "", "Origin", "http://x.example", "Access-Control-Request-Headers", "authorization")
		h := resp.Header
		if resp.StatusCode != 200 || body != "" || h.Get("Access-Control-Allow-Origin") != "http://x.example" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "Authorization") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "POST") {
			t.Errorf("%s: got %d %q %v", path, resp.StatusCode, body, h)
		}
	}
	for _, key := range []string{"sk-alice", "", "sk-nobody"} {
		resp, _ := s.call(t, "GET", "/quota", "", "Origin", "http://x.example", "Authorization", key)
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "http://x.example" {
			t.Errorf("as %q: got %q", key, got)
		}
	}
}

func TestWrongMethodsAndOddRequestsAreAnsweredAsByTheRealServer(t *testing.T) {
	t.Parallel()
	s := openSite(t, siteConf)
	missing := refusedWith("not found or method not allowed")
	for _, one := range []string{"DELETE /conversation/delete?id=1", "POST /conversation/list", "GET /login", "POST /chat", "PUT /api/quota"} {
		method, path, _ := strings.Cut(one, " ")
		s.want(t, "sk-alice", method, path, "", 404, missing)
	}
	resp, body := s.call(t, "GET", "/nope", "")
	if resp.StatusCode != 404 || !strings.Contains(body, `"status":false`) || !strings.Contains(body, `"message":"not found or method not allowed"`) {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	resp, body = s.call(t, "GET", "/chat", "")
	if resp.StatusCode != 400 || !strings.Contains(body, `"reason":"websocket: the client is not using the websocket protocol"`) {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	// The Java SDK offers HTTP/2 and names no content type.
	resp, body = s.call(t, "GET", "/quota", "", "Authorization", "sk-alice", "Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "HTTP2-Settings", "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA")
	if resp.StatusCode != 200 || !strings.Contains(body, `"quota":1000000`) {
		t.Errorf("got %d %s", resp.StatusCode, body)
	}
	s.want(t, "sk-alice", "POST", "/conversation/mask/save", `{"id":-1,"name":"`+strings.Repeat("x", 2<<20)+`"}`, 413, refusedWith("the body is too large"))
	// Eight calls in a row: there is no throttle.
	for range 8 {
		s.want(t, "sk-alice", "GET", "/conversation/list", "", 200, `{"data":[],"message":"","status":true}`)
	}
}
