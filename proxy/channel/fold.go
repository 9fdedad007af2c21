package channel

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/dragoman-gateway/dragoman/internal/fold"
	"github.com/dragoman-gateway/dragoman/translate"
)

// DefaultFold is the template ([fold.Template]) that folds system text and history into one
// message for channels that know neither (rest, iagent). It sees .System,
// .History (each with .Role and .Text) and .Message.
const DefaultFold = `{{if .System}}{{.System}}

{{end}}{{if .History}}Our conversation so far:
{{range .History}}{{.Role}}: {{.Text}}
{{end}}
Now answer this:
{{end}}{{.Message}}`

// maxFold bounds what a template may make of a conversation, in bytes: it may say
// each message many times.
const maxFold = 32 << 20

var errFoldTooLong = errors.New("what the template makes of the conversation is too long")

// folded is what a template has written so far.
type folded struct{ text bytes.Buffer }

func (f *folded) Write(p []byte) (int, error) {
	if f.text.Len()+len(p) > maxFold {
		return 0, errFoldTooLong
	}
	return f.text.Write(p)
}

// FoldRequest returns req as one user message that says everything.
func FoldRequest(t *fold.Template, req *translate.Request) (translate.Message, error) {
	var data fold.Talk
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
		data.History = append(data.History, fold.Turn{Role: m.Role.String(), Text: textOf(m)})
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
	if err := t.Execute(&b, data); err != nil {
		return translate.Message{}, err
	}
	out := translate.TextMessage(translate.RoleUser, b.text.String())
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

// ParseFold compiles a template of the configuration; empty is [DefaultFold].
func ParseFold(text string) (*fold.Template, error) {
	if text == "" {
		return defaultFold()
	}
	return fold.Parse(text)
}

// defaultFold parses [DefaultFold] once, for all channels.
var defaultFold = sync.OnceValues(func() (*fold.Template, error) { return fold.Parse(DefaultFold) })
