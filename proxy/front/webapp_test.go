package front_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// webConf is siteConf with a caller who may ask one question at once.
var webConf = strings.Replace(siteConf, "  jwt: {", "    - {name: one, key: sk-one, limits: single}\n  jwt: {", 1) +
	"limits: {single: {concurrent: 1}}\n"

// TestTheWebApplicationFindsWhatItHasOnItsScreen plays what the web application of
// chatnio sends. A transcript is a line for each step:
//
//	socket NAME KEY ID     opens one, on a conversation or (-1) a new one
//	chat NAME MODEL TEXT   asks;  send NAME FRAME  sends any frame
//	edit-at NAME I TEXT    sends an edit;  leave NAME  closes the socket
//	first NAME N           reads the first frame of a turn, which has the number N
//	over NAME              reads on to a good end;  end NAME N TEXT, error NAME N TEXT: a whole turn
//	load [KEY] N LIST      what /conversation/load says; - is that there is none
//	names KEY N:NAME, …    what /conversation/list says
//	rest N LAST            count and last message of the newest one in the rest list; - is that it is empty
//	rename, delete N       ask for that;  share N I,I -> LIST  shares messages
//	shared-by NAME KEY N   opens a socket with the newest share, which has N messages
//	login NAME KEY         signs in; {TOKEN} stands for what it gives, - for nobody's
//	market, charge KEY     what /v1/market and /v1/charge say, the latter of who need not sign in
func TestTheWebApplicationFindsWhatItHasOnItsScreen(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/webapp/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			w := &webApp{site: openSite(t, webConf), t: t, socks: map[string]*sock{}, left: map[string]bool{}}
			for i, line := range strings.Split(string(text), "\n") {
				line = strings.ReplaceAll(line, "{TOKEN}", w.token)
				if verb, rest, ok := strings.Cut(line, " "); ok && webVerbs[verb] != nil {
					w.where = fmt.Sprint(filepath.Base(file), ":", i+1)
					webVerbs[verb](w, rest)
				}
			}
			for name, k := range w.socks {
				if !w.left[name] {
					k.leave()
				}
			}
		})
	}
}

type webApp struct {
	*site
	t     *testing.T
	where string
	socks map[string]*sock
	left  map[string]bool
	hash  string
	token string
}

// fields parts the first n words of a line from its rest.
func fields(line string, n int) []string { return strings.SplitN(line, " ", n) }

func (w *webApp) want(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: %s is %s\nwant %s", w.where, what, got, want)
	}
}

var webVerbs = map[string]func(w *webApp, rest string){
	"socket": func(w *webApp, rest string) {
		f := fields(rest, 3)
		w.socks[f[0]] = w.dial(w.t, "/api/chat", `{"token":"`+f[1]+`","id":`+f[2]+`}`)
	},
	"chat": func(w *webApp, rest string) {
		f := fields(rest, 3)
		w.socks[f[0]].say(chatFrame(f[1], f[2]))
	},
	"send": func(w *webApp, rest string) {
		f := fields(rest, 2)
		w.socks[f[0]].say(f[1])
	},
	"edit-at": func(w *webApp, rest string) {
		f := fields(rest, 3)
		w.socks[f[0]].say(`{"type":"edit","message":"` + f[1] + ":" + f[2] + `","model":"event"}`)
	},
	"leave": func(w *webApp, rest string) {
		_ = w.socks[rest].ws.Close()
		w.left[rest] = true
	},
	"first": func(w *webApp, rest string) {
		f := fields(rest, 2)
		first, _ := w.socks[f[0]].frame()
		w.want("the number", fmt.Sprint(*first.Conversation), f[1])
	},
	"over": func(w *webApp, rest string) {
		for {
			if f, _ := w.socks[rest].frame(); *f.End {
				w.want("the end", *f.Message, "")
				return
			}
		}
	},
	"end": func(w *webApp, rest string) {
		f := fields(rest, 3)
		p := w.socks[f[0]].turn()
		w.want("the turn", fmt.Sprint(p.number, " ", p.text, p.fault), f[1]+" "+f[2])
		w.want("the error", p.fault, "")
	},
	"error": func(w *webApp, rest string) {
		f := fields(rest, 3)
		p := w.socks[f[0]].turn()
		if got := fmt.Sprint(p.number, " ", p.fault); !strings.HasPrefix(got, f[1]+" "+f[2]) {
			w.want("the error", got, f[1]+" "+f[2])
		}
	},
	"load": func(w *webApp, rest string) {
		key := "sk-alice"
		if f := fields(rest, 2); strings.HasPrefix(f[0], "sk-") || f[0] == w.token {
			key, rest = f[0], f[1]
		}
		f := fields(rest, 2)
		got := w.said(key, "/api/conversation/load?id="+f[0])
		for _, cut := range []string{"; retry after 1s"} {
			got = strings.ReplaceAll(got, cut, "")
		}
		w.want("the list", got, f[1])
	},
	"names": func(w *webApp, rest string) {
		f := fields(rest, 2)
		var data []struct {
			ID   int64
			Name string
		}
		w.get(f[0], "/api/conversation/list", &data)
		var names []string
		for _, one := range data {
			names = append(names, fmt.Sprint(one.ID, ":", one.Name))
		}
		w.want("the side bar", strings.Join(names, ", "), f[1])
	},
	"rest": func(w *webApp, rest string) {
		_, _, body := w.Do(w.t, "GET", "/api/conversations", "", "Authorization", "Bearer sk-alice")
		var got struct {
			Data struct {
				Conversations []item
				Total         int
			}
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || got.Data.Total != len(got.Data.Conversations) {
			w.t.Fatalf("%s: %v in %s", w.where, err, body)
		}
		said := "-"
		if list := got.Data.Conversations; len(list) > 0 {
			said = strings.TrimSpace(fmt.Sprint(list[0].Count, " ", list[0].LastMessage))
		}
		w.want("the rest list", said, rest)
	},
	"login": func(w *webApp, rest string) {
		f := fields(rest, 2)
		_, _, body := w.Do(w.t, "POST", "/api/login", `{"username":"`+f[0]+`","password":"`+f[1]+`"}`)
		var got struct {
			Status bool
			Token  string
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil || !got.Status || got.Token == "" {
			w.t.Fatalf("%s: %v in %s", w.where, err, body)
		}
		w.token = got.Token
	},
	"market": func(w *webApp, rest string) {
		f := fields(rest, 2)
		var all []struct{ ID string }
		w.public(f[0], "/api/v1/market", &all)
		var ids []string
		for _, m := range all {
			ids = append(ids, m.ID)
		}
		w.want("the market", strings.Join(ids, " "), f[1])
	},
	"charge": func(w *webApp, rest string) {
		f := fields(rest, 2)
		var all []struct {
			Models    []string
			Anonymous bool
		}
		w.public(f[0], "/api/v1/charge", &all)
		var open []string
		for _, c := range all {
			if c.Anonymous {
				open = append(open, c.Models...)
			}
		}
		w.want("what needs no login", strings.Join(open, " "), f[1])
	},
	"rename": func(w *webApp, rest string) {
		f := fields(rest, 2)
		w.post("/api/conversation/rename", `{"id":`+f[0]+`,"name":"`+f[1]+`"}`, nil)
	},
	"delete": func(w *webApp, rest string) { w.get("sk-alice", "/api/conversation/delete?id="+rest, nil) },
	"share": func(w *webApp, rest string) {
		line, want, _ := strings.Cut(rest, " -> ")
		f := fields(line, 2)
		w.post("/api/conversation/share", `{"id":`+f[0]+`,"refs":[`+f[1]+`]}`, &w.hash)
		w.want("the share", w.said("", "/api/conversation/view?hash="+w.hash), want)
		w.post("/api/conversation/share", `{"id":`+f[0]+`,"refs":[-1]}`, &w.hash)
	},
	"shared-by": func(w *webApp, rest string) {
		f := fields(rest, 3)
		w.socks[f[0]] = w.dial(w.t, "/api/chat", `{"token":"`+f[1]+`","id":-1,"ref":"`+w.hash+`"}`)
	},
}

// said is the messages of a call's data; - where there is none.
func (w *webApp) said(key, path string) string {
	w.t.Helper()
	var data struct{ Message, Messages []entry }
	if !w.get(key, path, &data) {
		return "-"
	}
	var said []string
	for _, m := range append(data.Message, data.Messages...) {
		said = append(said, m.Role+": "+m.Content)
	}
	return strings.Join(said, " | ")
}

// public reads a call whose answer is a list; the key - is none.
func (w *webApp) public(key, path string, data any) {
	w.t.Helper()
	var head []string
	if key != "-" {
		head = []string{"Authorization", key}
	}
	status, _, text := w.Do(w.t, "GET", path, "", head...)
	if err := json.Unmarshal([]byte(text), data); err != nil || status != 200 {
		w.t.Fatalf("%s: %s: %d %v in %s", w.where, path, status, err, text)
	}
}

func (w *webApp) get(key, path string, data any) bool {
	w.t.Helper()
	return w.answer("GET", path, "", key, data)
}

func (w *webApp) post(path, body string, data any) {
	w.t.Helper()
	if !w.answer("POST", path, body, "sk-alice", data) {
		w.t.Errorf("%s: %s was refused", w.where, path)
	}
}

func (w *webApp) answer(method, path, body, key string, data any) (ok bool) {
	w.t.Helper()
	var head []string
	if key != "" {
		head = []string{"Authorization", key}
	}
	status, _, text := w.Do(w.t, method, path, body, head...)
	var got struct {
		Status bool
		Data   json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil || status != 200 {
		w.t.Fatalf("%s: %s: %d %v in %s", w.where, path, status, err, text)
	}
	if got.Status && data != nil {
		if err := json.Unmarshal(got.Data, data); err != nil {
			w.t.Fatalf("%s: %v in %s", w.where, err, text)
		}
	}
	return got.Status
}
