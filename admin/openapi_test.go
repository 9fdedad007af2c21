package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/config/revision"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/proxy/capture"
	"github.com/dragoman-gateway/dragoman/proxy/journal"
)

var update = flag.Bool("update", false, "write openapi.json anew")

// operation describes one call. in and out are of the types of its bodies; a map of such
// types is an object that has exactly these keys.
type operation struct {
	id, does string
	query    string // names of the parameters, with blanks between
	in, out  any
	media    string // of the answer, if it is no JSON
	status   int    // 0: 200
}

type keys map[string]any

// may marks a key that may be missing.
type may struct{ of any }

var applies = keys{"status": "", "revision": 0, "changes": []config.Change{}, "restart": []string{}}

var set = []setJSON{}

var operations = map[string]operation{
	"GET /api/health": {id: "health", does: "Whether questions are taken; 503 until they are, and from the signal to stop on.", out: keys{"status": "", "store": "", "uptime_seconds": 0, "configuration": may{""}, "shared": may{""}, "differing": may{0}}},
	"GET /readyz":     {id: "ready", does: "The same, under the name that balancers know.", out: keys{"status": "", "store": "", "uptime_seconds": 0, "configuration": may{""}, "shared": may{""}, "differing": may{0}}},
	"GET /livez":      {id: "alive", does: "That the process answers.", out: keys{"status": ""}},
	"GET /api/token":  {id: "rights", does: "What the token of the call opens: all, or read.", out: keys{"may": ""}},
	"GET /api/channels": {id: "channels", does: "How every channel, key and model stands.",
		out: keys{"channels": []proxy.ChannelState{}, "set_at_run_time": set, "set_on": ""}},
	"POST /api/channels/{id}/open":              {id: "openChannel", does: "No question goes to the channel any more.", out: keys{"id": "", "forced": ""}},
	"POST /api/channels/{id}/close":             {id: "closeChannel", does: "Its breakers and set-aside keys are ignored.", out: keys{"id": "", "forced": ""}},
	"POST /api/channels/{id}/drain":             {id: "drainChannel", does: "As open, for a channel that is to be free of questions soon.", out: keys{"id": "", "forced": ""}},
	"POST /api/channels/{id}/auto":              {id: "leaveChannel", does: "Its record decides again.", out: keys{"id": "", "forced": ""}},
	"POST /api/channels/{id}/test":              {id: "testChannel", does: "Puts a short question to this one channel, whatever its breakers say, and streams all that happens as server-sent events, of which event is the kind and data a TestEvent. It counts for no breaker and no caller and is stored in no conversation; the ledger has its cost.", in: proxy.ChannelTest{}, media: "text/event-stream"},
	"GET /api/channels/{id}/failures":           {id: "failures", does: "The newest attempts on it that failed, as far as their exchanges are remembered; exchange is what to explain.", query: "limit", out: keys{"failures": []journal.Failed{}}},
	"GET /api/overview":                         {id: "overview", does: "How the gateway stands: lately is the last minute; points are the last quarter of an hour in steps of point_seconds, without those in which nothing ended. added_ms is the time from a question to the last attempt, first_ms that to the first content, first_spread how many took how long.", out: keys{"overview": Overview{}, "point_seconds": 0.0, "points": []Point{}}},
	"GET /api/traffic":                          {id: "traffic", does: "Where the questions of the last minutes went, from front over model to channel, and those that run; the most used first, at most 500.", query: "minutes", out: trafficJSON{}},
	"GET /api/timeline":                         {id: "timeline", does: "How every channel, key and model stood in the last 30 minutes: cells of a minute with the worst state of it, the reason and for how many seconds. A minute without a cell was ready, or lies before since.", query: "channel", out: keys{"from": time.Time{}, "minutes": 0, "since": time.Time{}, "rows": []strip{}}},
	"PUT /api/channels/{id}/weight":             {id: "setWeight", does: "Gives a channel another weight for as long as the process lives.", in: keys{"weight": 0}, out: keys{"id": "", "weight": 0}},
	"DELETE /api/channels/{id}/weight":          {id: "unsetWeight", does: "Gives it that of the file again.", out: keys{"id": "", "weight": 0}},
	"GET /api/exchanges":                        {id: "exchanges", does: "The newest exchanges; next is the cursor for ?before=, 0 at the end.", query: "state front caller model channel outcome before limit", out: keys{"exchanges": []journal.Summary{}, "next": 0}},
	"GET /api/events":                           {id: "events", does: "Server-sent events: exchange for each that has ended; channels (as /api/channels), overview (as in /api/overview) when they have changed; point (one of /api/overview) and traffic (as /api/traffic) every five seconds; missed. With changes=true those who know the channels are told changed, with those alone that are not as they were. The id of an event is the cursor to go on with.", query: "cursor changes", media: "text/event-stream"},
	"GET /api/conversations":                    {id: "conversations", does: "Those of one caller, without what was said.", query: "caller limit offset", out: keys{"conversations": []conversationJSON{}, "total": 0}},
	"GET /api/conversations/{id}":               {id: "conversation", does: "What was said in one. Each reading is logged.", query: "caller limit", out: keys{"id": "", "number": 0, "caller": "", "user": "", "group": "", "model": "", "skipped": 0, "messages": []messageJSON{}}},
	"POST /api/conversations/{id}/clear":        {id: "clearConversation", does: "Removes what was said in it.", query: "caller", out: keys{"id": "", "cleared": true}},
	"DELETE /api/conversations/{id}":            {id: "deleteConversation", does: "Removes it.", query: "caller", out: keys{"id": "", "deleted": true}},
	"GET /api/callers":                          {id: "callers", does: "Who may ask by the configuration.", out: keys{"callers": []callerJSON{}, "limits_of_all": []string{}}},
	"GET /api/limits":                           {id: "limits", does: "The limits of the configuration; use: how those of which most is used stand, budgets among them, for whom, the most used first; this_process_only: several processes share limits, and these are the counts of this one, which each use says for itself, since a store may keep budgets for all; refused: who was refused under which limits in the last 15 minutes before a channel was asked.", out: keys{"limits": []limitJSON{}, "use": []proxy.LimitUse{}, "refused": []journal.Refused{}, "this_process_only": false}},
	"POST /api/limits/what-if":                  {id: "foreseeLimits", does: "Whether the limits and the budget of a caller would let a question in now, with the room under each. It counts nothing. caller is a name of the file, that or the id of a key made at run time, or anonymous; this_process_only: some of rules are the counts of this process, of several that share limits.", in: proxy.LimitQuestion{}, out: proxy.LimitForeseen{}},
	"GET /api/sockets":                          {id: "sockets", does: "The open sockets, the oldest first, and how many each caller has on each front. Addresses are told by their network.", query: "front caller limit", out: keys{"sockets": []Socket{}, "total": 0, "counts": []SocketCount{}}},
	"POST /api/sockets/{id}/close":              {id: "closeSocket", does: "Closes one; answers that run on it end as if its client had left.", out: keys{"id": "", "closed": true}},
	"GET /api/playground":                       {id: "protocols", does: "The protocols that the playground speaks; names is the part of the configuration that a question names.", out: keys{"protocols": []PlayProtocol{}}},
	"POST /api/playground":                      {id: "play", does: "Puts a question to one of the gateway's own fronts over a connection, as a client of that protocol does, and streams all that goes over the wire as server-sent events, of which event is the kind and data a PlayEvent. A caller playground-1 to -4 is made for it and revoked after it; else the question is one like any other, with cost, record and conversation.", in: PlayQuestion{}, media: "text/event-stream"},
	"GET /api/openapi.json":                     {id: "document", does: "This document.", out: may{nil}},
	"GET /api/explain/{id}":                     {id: "explain", does: "What became of an exchange.", query: "n caller", out: journal.Explanation{}},
	"POST /api/explain":                         {id: "foresee", does: "Where a question would go, and which limits count it.", in: proxy.Hypothesis{}, out: journal.Explanation{}},
	"GET /api/captures":                         {id: "captures", does: "Whose questions and answers are kept at the moment, until when, and of which exchanges there is something. What was said is in none of it.", out: keys{"captures": []capture.Capture{}, "exchanges": []capture.Kept{}, "bytes": 0, "most": captureLimits{}}},
	"POST /api/captures":                        {id: "startCapture", does: "Keeps the questions and answers of one caller in all their forms from now on, for so many seconds, 3600 at most. Nothing is kept on a disk, and a restart ends it. It is logged.", in: captureJSON{}, out: capture.Capture{}},
	"DELETE /api/captures":                      {id: "clearCaptures", does: "Ends all captures and forgets what was kept.", out: keys{"forgotten": 0}},
	"DELETE /api/captures/{caller}":             {id: "endCapture", does: "Ends that of one caller. What was kept stays for an hour from its question on.", out: keys{"caller": "", "ended": true}},
	"GET /api/captures/exchanges/{id}":          {id: "captured", does: "What was kept of an exchange, without keys: the question as its client sent it, as it was understood, as each attempt sent it, and the answers. Of several with this id it is the newest, or the one of this caller and of this time, which is the at of its explanation. Each reading is logged.", query: "caller at", out: capture.Forms{}},
	"GET /api/keys":                             {id: "keys", does: "The keys that were made at run time.", out: keys{"keys": []keyJSON{}}},
	"POST /api/keys":                            {id: "addKey", does: "Makes one; key in the answer is shown this once.", in: keys{"name": "", "group": may{""}, "models": may{[]string{}}, "limits": may{""}, "expires": may{time.Time{}}}, out: keyJSON{}, status: 201},
	"DELETE /api/keys/{id}":                     {id: "revokeKey", does: "Revokes one, at once.", out: keys{"id": "", "revoked": true}},
	"GET /api/ledger":                           {id: "ledger", does: "Rows, the newest first, and sums over requests.", query: "request caller limits from to attempts limit offset", out: keys{"rows": []rowJSON{}, "totals": keys{"requests": 0, "input_tokens": 0, "output_tokens": 0, "cached_tokens": 0, "cost": 0.0}}},
	"POST /api/reload":                          {id: "reload", does: "Reads the configuration file again.", out: applies},
	"GET /api/configuration":                    {id: "configuration", does: "What runs and where it is from, secrets masked.", out: keys{"file": "", "read_only": "", "revision": 0, "sum": "", "differs_from_file": true, "file_sum": "", "text": "", "text_hidden": "", "restart": []string{}, "warnings": []problemJSON{}, "set_at_run_time": set, "set_on": ""}},
	"POST /api/configuration/validate":          {id: "validate", does: "What is wrong with a text, a revision, or the file as it is now.", in: textJSON{}, out: keys{"valid": true, "problems": []problemJSON{}, "warnings": []problemJSON{}}},
	"POST /api/configuration/diff":              {id: "diff", does: "What the same would change of what runs.", in: textJSON{}, out: keys{"changes": []config.Change{}, "restart": []string{}}},
	"POST /api/configuration/apply":             {id: "apply", does: "Writes a text to the file and puts it in the place of what runs. 400 with problems, 409 where nothing may be applied.", in: textJSON{}, out: applies},
	"GET /api/configuration/history":            {id: "history", does: "The last 50 configurations that ran.", out: keys{"revisions": []revision.Revision{}}},
	"GET /api/configuration/history/{revision}": {id: "revision", does: "One of them with its text, secrets masked.", out: revision.Revision{}},
	"POST /api/configuration/rollback":          {id: "rollback", does: "Applies a revision of the history.", in: textJSON{}, out: applies},
	"GET /metrics":                              {id: "metrics", does: "Prometheus' text format.", media: "text/plain"},
}

// schema is the JSON schema of v's type.
func schema(v any) map[string]any {
	switch v := v.(type) {
	case may:
		return schema(v.of)
	case keys:
		props, required := map[string]any{}, []string{}
		for name, of := range v {
			props[name] = schema(of)
			if _, optional := of.(may); !optional {
				required = append(required, name)
			}
		}
		slices.Sort(required)
		return map[string]any{"type": "object", "properties": props, "required": required, "additionalProperties": false}
	case nil:
		return map[string]any{"type": "object"}
	}
	return schemaOf(reflect.TypeOf(v))
}

func schemaOf(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t.Kind() == reflect.Pointer:
		of := schemaOf(t.Elem())
		of["type"] = []any{of["type"], "null"}
		return of
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": []any{"array", "null"}, "items": schemaOf(t.Elem())}
	case reflect.Struct:
		props, required := map[string]any{}, []string{}
		for _, f := range reflect.VisibleFields(t) {
			name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" || f.Anonymous {
				continue
			}
			props[name] = schemaOf(f.Type)
			if option != "omitempty" {
				required = append(required, name)
			}
		}
		slices.Sort(required)
		return map[string]any{"type": "object", "properties": props, "required": required, "additionalProperties": false}
	}
	return map[string]any{"type": "integer"}
}

var pathName = regexp.MustCompile(`\{(\w+)\}`)

// describe is the operation of one route as the document has it.
func (o *operation) describe(r route) map[string]any {
	out := map[string]any{"operationId": o.id, "summary": o.does}
	params := []any{}
	for _, m := range pathName.FindAllStringSubmatch(r.path, -1) {
		params = append(params, map[string]any{"name": m[1], "in": "path", "required": true, "schema": map[string]any{"type": "string"}})
	}
	for _, name := range strings.Fields(o.query) {
		params = append(params, map[string]any{"name": name, "in": "query", "schema": map[string]any{"type": "string"}})
	}
	if len(params) > 0 {
		out["parameters"] = params
	}
	content := func(media string, of any) map[string]any { return map[string]any{media: map[string]any{"schema": of}} }
	if o.in != nil {
		body := schema(o.in)
		if _, exact := o.in.(keys); !exact {
			delete(body, "required") // of a struct every key may be left out
		}
		out["requestBody"] = map[string]any{"required": true, "content": content("application/json", body)}
	}
	answer := content("application/json", schema(o.out))
	if o.media != "" {
		answer = content(o.media, map[string]any{"type": "string"})
	}
	fails := map[string]any{"$ref": "#/components/responses/error"}
	responses := map[string]any{fmt.Sprint(max(o.status, 200)): map[string]any{"description": "done", "content": answer}, "default": fails}
	if o.id == "health" {
		responses["503"] = map[string]any{"description": "it stops", "content": answer}
	}
	switch r.needs {
	case mayNothing:
		out["security"] = []any{}
	case mayRead:
		out["security"] = []any{map[string]any{"token": []any{}}, map[string]any{"read_token": []any{}}}
	}
	out["responses"] = responses
	return out
}

func written(t *testing.T) []byte {
	paths := map[string]map[string]any{}
	for _, r := range routes() {
		o, ok := operations[r.method+" "+r.path]
		if !ok {
			t.Fatalf("%s %s is not described: say in operations what it does", r.method, r.path)
		}
		if paths[r.path] == nil {
			paths[r.path] = map[string]any{}
		}
		paths[r.path][strings.ToLower(r.method)] = o.describe(r)
	}
	bearer := func(what string) map[string]any {
		return map[string]any{"type": "http", "scheme": "bearer", "description": what}
	}
	problem := schema(keys{"error": keys{"code": "", "message": "", "problems": may{[]problemJSON{}}}})
	text, err := json.MarshalIndent(map[string]any{
		"openapi": "3.1.0", "info": map[string]any{"title": "dragoman, the operator's side", "version": "1"},
		"security": []any{map[string]any{"token": []any{}}}, "paths": paths,
		"components": map[string]any{
			"securitySchemes": map[string]any{"token": bearer("admin.token: it opens everything"), "read_token": bearer("admin.read_token: it changes nothing and shows no conversation")},
			"responses":       map[string]any{"error": map[string]any{"description": "why it was not done", "content": map[string]any{"application/json": map[string]any{"schema": problem}}}},
		}}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func TestTheDocumentDescribesEveryCallAsItIs(t *testing.T) {
	got := written(t)
	if *update {
		if err := os.WriteFile("openapi.json", got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(got, openAPI) {
		t.Error("run go test ./admin -update: openapi.json does not say what the calls do")
	}
	if len(operations) != len(routes()) {
		t.Errorf("%d operations are described, there are %d", len(operations), len(routes()))
	}
}

// misfits says where v is not what a schema of the document allows.
func misfits(at string, s map[string]any, v any) (wrong []string) {
	kinds, _ := s["type"].([]any)
	if one, ok := s["type"].(string); ok {
		kinds = []any{one}
	}
	kind := kindOf(v)
	if kind == "integer" && !slices.Contains(kinds, any("integer")) {
		kind = "number"
	}
	if !slices.Contains(kinds, any(kind)) {
		return []string{fmt.Sprintf("%s is %s, want %v", at, kind, kinds)}
	}
	switch v := v.(type) {
	case []any:
		for i := range v {
			wrong = append(wrong, misfits(fmt.Sprintf("%s[%d]", at, i), s["items"].(map[string]any), v[i])...)
		}
	case map[string]any:
		props, _ := s["properties"].(map[string]any)
		for k, of := range v {
			p, ok := props[k].(map[string]any)
			if ok {
				wrong = append(wrong, misfits(at+"."+k, p, of)...)
			} else if s["additionalProperties"] == false {
				wrong = append(wrong, at+"."+k+" is not described")
			}
		}
		needs, _ := s["required"].([]any)
		for _, k := range needs {
			if _, ok := v[k.(string)]; !ok {
				wrong = append(wrong, fmt.Sprintf("%s.%s is missing", at, k))
			}
		}
	}
	return wrong
}

func kindOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	case []any:
		return "array"
	}
	return "object"
}

// described returns the schema of what a call answers with status.
func described(t *testing.T, r route, status int) (s map[string]any, media string) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
		Components struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
	}
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	answer, ok := doc.Paths[r.path][strings.ToLower(r.method)].Responses[fmt.Sprint(status)]
	if !ok {
		answer = doc.Components.Responses["error"]
	}
	for media, c := range answer.Content {
		return c.Schema, media
	}
	t.Fatalf("%s %s with %d is not described", r.method, r.path, status)
	return nil, ""
}
