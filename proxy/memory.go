package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"text/template"

	"github.com/dragoman-gateway/dragoman/translate"
)

// DefaultFold is the text/template that folds system text and history into one
// message for channels that know neither (rest, iagent). It sees .System,
// .History (each with .Role and .Text) and .Message.
const DefaultFold = `{{if .System}}{{.System}}

{{end}}{{if .History}}Our conversation so far:
{{range .History}}{{.Role}}: {{.Text}}
{{end}}
Now answer this:
{{end}}{{.Message}}`

// maxMemories bounds how many remote memories are known at once. One that was
// forgotten costs a replay, nothing else.
const maxMemories = 100_000

// maxFold bounds what a template may make of a conversation, in bytes: it may say
// each message many times.
const maxFold = 32 << 20

var errFoldTooLong = errors.New("what the template makes of the conversation is too long")

// folded is what a template has written so far.
type folded struct{ bytes.Buffer }

func (f *folded) Write(p []byte) (int, error) {
	if f.Len()+len(p) > maxFold {
		return 0, errFoldTooLong
	}
	return f.Buffer.Write(p)
}

// place names a point of a conversation: whose it is, and what was said so far.
// A remote memory is in sync with exactly one such point, so an edit, a cleared
// conversation or a turn that another channel answered is out of sync by itself.
type place struct {
	scope uint64
	said  fingerprint
}

// memory is what one stateful channel remembers of one conversation.
type memory struct {
	ch     *Channel
	agent  string // see candidate.agent
	remote string
}

// memories knows which stateful channel holds what. It is safe for concurrent
// use. A memory is taken out while an attempt uses it and put back only when that
// ended well, so one that failed or was abandoned is gone.
type memories struct {
	seed maphash.Seed
	mu   sync.Mutex
	at   map[place]memory
}

func newMemories() *memories {
	return &memories{seed: maphash.MakeSeed(), at: make(map[place]memory)}
}

// fingerprint is what was said so far, in short. What the system was told is kept
// apart, each text with its place. Of a conversation that is kept, its version stands
// for all that was said in it, so that nothing of it has to be read.
type fingerprint struct {
	system, rest uint64
	n            uint64 // messages in rest
	version      int64  // of the conversation that goes before rest; 0: there is none
}

// version names what was said in t up to now; the holder of the turn may ask.
func (t *Thread) version() int64 {
	switch {
	case t.unkept:
		return t.kept.version
	case t.quieter.stored == t.made.Version:
		return t.quieter.said
	}
	return t.made.Version
}

// quieter says that what was stored as another version tells models nothing new.
type quieter struct{ stored, said int64 }

// quiet notes that models are told what they were when version was was the latest.
func (t *Thread) quiet(was int64) { t.quieter = quieter{t.made.Version, was} }

// asked are the versions of a conversation before its newest question and after the
// answer to it. They are zero when they are not known.
type asked struct{ before, after int64 }

// answered notes that c was made to version was of t.
func (t *Thread) answered(was int64, c *change) {
	if c.quiet() {
		return
	}
	if c.again && t.asked.after != was {
		t.asked = asked{}
		return
	}
	if !c.again {
		t.asked.before = was
	}
	t.asked.after = t.version()
}

// placeOf returns the point of the conversation scope that said has reached.
func (m *memories) placeOf(scope string, said fingerprint) place {
	return place{scope: maphash.String(m.seed, scope), said: said}
}

// said continues the fingerprint f with msgs.
func (m *memories) said(f fingerprint, msgs []translate.Message) fingerprint {
	for i := range msgs {
		if msgs[i].Role == translate.RoleSystem {
			f.system = m.sum(f.system, f.n, &msgs[i])
			continue
		}
		f.rest = m.sum(f.rest, 0, &msgs[i])
		f.n++
	}
	return f
}

func (m *memories) sum(sum, at uint64, msg *translate.Message) uint64 {
	var h maphash.Hash
	h.SetSeed(m.seed)
	var b [17]byte
	binary.LittleEndian.PutUint64(b[:], sum)
	binary.LittleEndian.PutUint64(b[8:], at)
	b[16] = byte(msg.Role)
	_, _ = h.Write(b[:])
	for i := range msg.Parts {
		p := &msg.Parts[i]
		if p.Kind == translate.PartReasoning {
			continue // clients do not send it back
		}
		for _, s := range [...]string{p.Text, p.URL, p.Data, p.ID, p.Name, p.Args} {
			_, _ = h.WriteString(s)
			_ = h.WriteByte(0)
		}
	}
	return h.Sum64()
}

// peek returns the channel that remembers p, or nil. Of a memory whose connection is gone
// nothing is kept.
func (m *memories) peek(p place) *Channel {
	m.mu.Lock()
	defer m.mu.Unlock()
	held := m.at[p]
	if held.ch != nil && held.ch.dials != nil && !held.ch.dials.Idle(held.remote) {
		delete(m.at, p)
		return nil
	}
	return held.ch
}

// remote is the name under which c remembers p; "" if it does not.
func (m *memories) remote(p place, c candidate) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held := m.at[p]; held.ch == c.ch && held.agent == c.agent() {
		return held.remote
	}
	return ""
}

// take removes and returns what c remembers of p; remote is empty if nothing.
func (m *memories) take(p place, c candidate) (remote string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held := m.at[p]; held.ch == c.ch && held.agent == c.agent() {
		delete(m.at, p)
		return held.remote
	}
	return ""
}

// put notes that c remembers p under remote.
func (m *memories) put(p place, c candidate, remote string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.at) >= maxMemories {
		for any := range m.at {
			delete(m.at, any)
			break
		}
	}
	m.at[p] = memory{ch: c.ch, agent: c.agent(), remote: remote}
}

// fold returns req as one user message that says everything.
func fold(t *template.Template, req *translate.Request) (translate.Message, error) {
	type said struct{ Role, Text string }
	var data struct {
		System  string
		History []said
		Message string
	}
	newest := req.Newest()
	data.Message = textOf(newest)
	req.DropUnfolded()
	var system []string
	for i := range req.Messages[:len(req.Messages)-1] {
		m := &req.Messages[i]
		if m.Role == translate.RoleSystem {
			system = append(system, textOf(m))
			continue
		}
		data.History = append(data.History, said{m.Role.String(), textOf(m)})
	}
	data.System = strings.Join(system, "\n\n")
	if data.System == "" && data.History == nil || data.Message == "" && !slices.ContainsFunc(newest.Parts, standsAlone) {
		return *newest, nil
	}
	if len(newest.Parts) == 1 && newest.Parts[0].Kind == translate.PartMedia {
		// No words can go beside a medium.
		req.Drop("history")
		return *newest, nil
	}
	var b folded
	if err := t.Execute(&b, &data); err != nil {
		return translate.Message{}, err
	}
	out := translate.TextMessage(translate.RoleUser, b.String())
	for _, p := range newest.Parts {
		if p.Kind == translate.PartMedia || p.Kind == translate.PartImage || p.Kind == translate.PartAudio || p.Kind == translate.PartDocument && p.Text == "" {
			out.Parts = append(out.Parts, p)
		}
	}
	return out, nil
}

// standsAlone reports whether p can stand beside a text, or in its place.
func standsAlone(p translate.Part) bool {
	return p.Kind == translate.PartMedia || p.Kind == translate.PartImage && p.URL != ""
}

// textOf renders a message for a reader that knows only text: tool calls and
// their results are put in words, so that they are not lost.
func textOf(m *translate.Message) string {
	var b strings.Builder
	for i := range m.Parts {
		p := &m.Parts[i]
		line := ""
		switch p.Kind {
		case translate.PartText:
			line = p.Text
		case translate.PartToolCall:
			line = "[called " + p.Name + " with " + p.Args + "]"
		case translate.PartToolResult:
			line = "[result: " + p.Text + "]"
		case translate.PartMedia:
			line = "[" + p.MediaType + " " + p.Text + "]"
		case translate.PartDocument, translate.PartSearch:
			line = new(translate.Request).DocumentText(p)
		}
		if line != "" && b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(line)
	}
	return b.String()
}
