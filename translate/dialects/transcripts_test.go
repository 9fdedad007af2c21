package dialects

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/sse"
	"github.com/dragoman-gateway/dragoman/internal/wiretest"
	"github.com/dragoman-gateway/dragoman/translate"
	"github.com/dragoman-gateway/dragoman/translate/chatnio"
	"github.com/dragoman-gateway/dragoman/translate/iagent"
)

var update = flag.Bool("update", false, "rewrite the transcripts")

// vendor is what clients and servers of one dialect say, written by hand.
type vendor struct {
	translate.Dialect
	said map[string]string
}

func vendors(t *testing.T) []vendor {
	t.Helper()
	var all []vendor
	for _, d := range All {
		text, err := os.ReadFile(filepath.Join("testdata", "vendors", d.Name()+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		v := vendor{Dialect: d, said: map[string]string{}}
		_, sections := wiretest.Parse(string(text))
		for _, s := range sections {
			v.said[s.Name] = s.Data
		}
		all = append(all, v)
	}
	return all
}

// scenario is one question: which of the client's asks, and which of the
// upstream's answers come of it, the first that there is.
type scenario struct {
	name    string
	ask     []string
	answers []string
	cut     bool
}

var scenarios = []scenario{
	{name: "whole", ask: []string{"ask whole"}, answers: []string{"whole 200", "frames"}},
	{name: "stream", ask: []string{"ask stream"}, answers: []string{"stream", "frames"}},
	{name: "tools", ask: []string{"ask tools"}, answers: []string{"tools", "stream", "frames"}},
	{name: "refusal", ask: []string{"ask stream", "ask whole"}, answers: []string{"refusal 400", "refusal"}},
	{name: "cut", ask: []string{"ask stream", "ask whole"}, answers: []string{"cut"}, cut: true},
}

func (v *vendor) first(names []string) (name, text string) {
	for _, n := range names {
		if s, ok := v.said[n]; ok {
			return n, s
		}
	}
	return "", ""
}

// exchange is one question on its way through two dialects.
type exchange struct {
	t        *testing.T
	down, up *vendor
	req      *translate.Request // as the client put it
	sent     *translate.Request // as the upstream gets it
	enc      translate.Encoder
	answer   translate.Answer
	out      []byte
	status   int
	began    bool
}

// The upstream's name of the model, and what an answer's envelope says.
const upstreamModel = "vendor-large"

var head = translate.Envelope{ID: "answer-1", Created: 1767225600000, Conversation: "conv_1", Talk: func() string { return "conv_1" }, Number: 1, RequestID: "req-1"}

func (v *vendor) asks(t *testing.T, ask, text string, up *vendor) *exchange {
	t.Helper()
	x := &exchange{t: t, down: v, up: up, req: &translate.Request{Dialect: v.Name()}, status: 200}
	if p, ok := v.Dialect.(translate.Pather); ok {
		target, body, _ := strings.Cut(strings.TrimPrefix(text, "POST "), "\n")
		path, query, _ := strings.Cut(target, "?")
		if err := p.FromPath(x.req, path, query); err != nil {
			t.Fatal(err)
		}
		text = body
	}
	if err := v.DecodeRequest(x.req, []byte(text)); err != nil {
		t.Fatalf("%s of %s: %v", ask, v.Name(), err)
	}
	if v.Name() == "rest" || v.Name() == "chatnio" {
		x.req.Stream = ask == "ask stream" // their paths say it
	}
	sent := *x.req
	sent.Model = upstreamModel
	sent.PassThrough = v.Name() == up.Name() && sent.Raw != nil
	if sent.PassThrough {
		sent.Dropped = nil
	}
	switch up.Name() {
	case "rest", "iagent", "chatnio":
		sent.Memory = translate.Memory{ID: "dg_1", InSync: up.Name() != "chatnio"}
	}
	x.sent = &sent
	x.enc = v.NewEncoder(x.req, head)
	if v.Name() == "iagent" {
		m, err := iagent.DecodeMessage([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		x.enc = iagent.NewReply(m, head, "dragoman", head.Created)
	}
	return x
}

// question is what goes to the upstream.
func (x *exchange) question() string {
	var out []byte
	if p, ok := x.up.Dialect.(translate.Pather); ok {
		out = append(p.AppendPath([]byte("POST "), x.sent), '\n')
	}
	if n := len(x.sent.Messages); x.up.Name() == "chatnio" && n > 1 {
		out = append(chatnio.AppendMask(out, x.sent.Messages[:n-1]), '\n')
	}
	out, err := x.up.AppendRequest(out, x.sent)
	if err != nil {
		x.t.Fatalf("%s to %s: %v", x.down.Name(), x.up.Name(), err)
	}
	return string(out)
}

// answered is what the client gets when the upstream sends text, which is the
// section name of its vendor.
func (x *exchange) answered(name, text string, cut bool) string {
	dec := x.up.NewDecoder(x.sent)
	opening := x.opening()
	err := x.decode(dec, name, text)
	if err == nil && cut {
		err = translate.Truncated(nil)
	}
	switch {
	case err != nil:
		if !x.began {
			x.out = nil // what came before the first content is held until then
		}
		x.out = x.enc.AppendError(x.out, err, x.began)
		if !x.began {
			x.status = statusOf(x.down.Name(), err)
		}
	case x.streams() && !x.sent.PassThrough:
		x.out = x.enc.AppendTail(x.out)
	case !x.streams() && !x.sent.PassThrough:
		x.out = x.enc.AppendWhole(x.out, &x.answer)
	}
	return opening + string(x.out)
}

func (x *exchange) streams() bool { return x.req.Stream || x.down.Name() == "chatnio" }

// opening is what goes out before the upstream is asked.
func (x *exchange) opening() string {
	if x.down.Name() != "chatnio" {
		return ""
	}
	return string(chatnio.AppendFirst(nil, head.Number, ""))
}

func statusOf(front string, err *translate.Error) int {
	switch status := Statuses[front]; {
	case status != nil:
		return status(err)
	case front == "rest":
		return err.Status()
	}
	return 200 // a socket has no status
}

func (x *exchange) decode(dec translate.Decoder, name, text string) *translate.Error {
	if _, code, whole := strings.Cut(name, " "); whole {
		status, err := strconv.Atoi(code)
		if err != nil {
			x.t.Fatal(err)
		}
		lent := []byte(text)
		evs, failed := dec.DecodeWhole(nil, status, lent)
		if x.sent.PassThrough && failed == nil {
			evs[0].Raw = lent
		}
		return x.take(evs, failed)
	}
	if name == "cut" && !x.streams() && x.up.said["whole 200"] != "" {
		return nil // a transport waits for all of a body
	}
	frames := lines(text)
	if strings.HasPrefix(text, "event: ") || strings.HasPrefix(text, "data: ") {
		frames = framesOf(x.t, text+"\n")
	}
	var evs []translate.Event
	for _, f := range frames {
		lent := bytes.Clone(f.Data)
		var err error
		evs, err = dec.Decode(evs[:0], lent)
		if x.sent.PassThrough && err == nil {
			if len(evs) == 0 {
				evs = append(evs, translate.Event{Kind: translate.KindOpaque})
			}
			evs[0].Raw = f.Raw
		}
		if failed := x.take(evs, err); failed != nil {
			return failed
		}
		for i := range lent {
			lent[i] = '#'
		}
	}
	if e, ok := dec.(translate.Ender); ok && e.Complete() {
		return x.take(e.End(evs[:0]), nil)
	}
	return nil
}

// take gives events to the client, as the gateway does.
func (x *exchange) take(evs []translate.Event, failed error) *translate.Error {
	for _, ev := range evs {
		if ev.Kind == translate.KindStart && len(ev.Name) == 0 {
			ev.Name = []byte(upstreamModel)
		}
		x.answer.Add(ev)
		switch {
		case x.sent.PassThrough:
			x.out = append(x.out, ev.Raw...)
		case x.streams():
			x.out = x.enc.Append(x.out, ev)
		}
		x.began = x.began || x.streams() && ev.Kind.Content()
	}
	if failed == nil {
		return nil
	}
	err, ok := failed.(*translate.Error)
	if !ok {
		x.t.Fatalf("not a typed error: %v", failed)
	}
	return err
}

func lines(text string) []sse.Frame {
	var out []sse.Frame
	for line := range strings.Lines(text) {
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			out = append(out, sse.Frame{Data: []byte(line), Raw: []byte(line + "\n")})
		}
	}
	return out
}

func framesOf(t *testing.T, text string) []sse.Frame {
	t.Helper()
	var s sse.Scanner
	var out []sse.Frame
	for len(text) > 0 {
		n := copy(s.Room(1), text)
		s.Wrote(n)
		text = text[n:]
		for {
			f, ok, err := s.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			out = append(out, sse.Frame{Data: bytes.Clone(f.Data), Raw: bytes.Clone(f.Raw)})
		}
	}
	return out
}

// transcript plays every scenario that both dialects can.
func transcript(t *testing.T, down, up *vendor) string {
	t.Helper()
	comment := fmt.Sprintf("A client of %s, answered by a channel of %s. \"client >\" is what the client says, \"upstream <\" what the\nchannel is asked, \"upstream >\" what it answers, \"client <\" what the client gets.\n", down.Name(), up.Name())
	switch up.Name() {
	case "rest", "iagent":
		comment += "The upstream remembers the earlier messages: the newest alone is put.\n"
	case "chatnio":
		comment += "The upstream is new to the conversation: a mask brings the earlier messages.\n"
	}
	if down.Name() == up.Name() && keepsBodies(up) {
		comment += "Both are one dialect: everything but the model's name passes through as it is.\n"
	}
	var sections []wiretest.Section
	for _, s := range scenarios {
		ask, asked := down.first(s.ask)
		answer, answered := up.first(s.answers)
		if ask == "" || answer == "" {
			comment += "No " + s.name + ": " + reason(ask == "", down, up) + ".\n"
			continue
		}
		x := down.asks(t, ask, asked, up)
		if whole := up.said["whole 200"]; s.cut && !x.streams() && whole != "" {
			answer, answered = "cut", whole[:len(whole)/2]
		}
		add := func(name, data string) {
			sections = append(sections, wiretest.Section{Name: s.name + ": " + name, Data: strings.TrimSuffix(data, "\n")})
		}
		add("client >", asked)
		add("upstream <", x.question())
		if len(x.sent.Dropped) > 0 {
			add("dropped", strings.Join(x.sent.Dropped, ", "))
		}
		_, code, _ := strings.Cut(answer, " ")
		add(strings.TrimSpace("upstream > "+code), answered)
		got := x.answered(answer, answered, s.cut)
		code = ""
		if n := x.down.Name(); n != "chatnio" && n != "iagent" {
			code = " " + strconv.Itoa(x.status)
		}
		add("client <"+code, got)
	}
	return wiretest.Format(comment+"\n", sections)
}

// keepsBodies tells whether questions of a dialect pass through.
func keepsBodies(v *vendor) bool {
	_, ok := v.Dialect.(translate.RoutingScanner)
	return ok
}

func reason(client bool, down, up *vendor) string {
	if client {
		return "a client of " + down.Name() + " cannot ask for it"
	}
	return "the protocol of " + up.Name() + " has nothing of the kind"
}

func TestEveryPairOfDialectsIsTranslatedAsItsTranscriptShows(t *testing.T) {
	t.Parallel()
	all := vendors(t)
	for i := range all {
		for j := range all {
			down, up := &all[i], &all[j]
			t.Run(down.Name()+" from "+up.Name(), func(t *testing.T) {
				t.Parallel()
				compare(t, filepath.Join("testdata", down.Name()+"-from-"+up.Name()+".txtar"), transcript(t, down, up))
			})
		}
	}
}

func compare(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		if i >= len(g) || i >= len(w) || g[i] != w[i] {
			t.Fatalf("%s differs from line %d on:\ngot  %s\nwant %s", file, i+1, at(g, i), at(w, i))
		}
	}
}

func at(lines []string, i int) string {
	if i >= len(lines) {
		return "(nothing)"
	}
	return lines[i]
}
