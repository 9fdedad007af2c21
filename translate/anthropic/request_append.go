package anthropic

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// AppendRequest appends the body that puts req to an upstream.
func (codec) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	if req.PassThrough {
		return req.AppendRaw(dst, req.RawOutline())
	}
	dst, plan, err := appendQuestion(dst, req, true)
	if err != nil {
		return dst, err
	}
	if req.Stream {
		dst = append(dst, `,"stream":true`...)
	}
	dst = appendParams(dst, req, &plan)
	dst = appendTools(dst, req)
	if req.User != "" {
		dst = append(dst, `,"metadata":{"user_id":`...)
		dst = jsonx.AppendString(dst, req.User)
		dst = append(dst, '}')
	}
	return append(dst, '}'), nil
}

// appendQuestion appends the beginning of a body up to the messages, and returns how the
// question is thought about. limited: it has max_tokens, which a question that is only counted
// has not.
func appendQuestion(dst []byte, req *translate.Request, limited bool) ([]byte, thinking, error) {
	if err := checkImages(req); err != nil {
		return dst, thinking{}, err
	}
	dst = req.Room(dst)
	plan := planThinking(req)
	msgs := arranged(req, &plan)
	dst = append(dst, `{"model":`...)
	dst = jsonx.AppendString(dst, req.Model)
	if limited {
		dst = append(dst, `,"max_tokens":`...)
		dst = jsonx.AppendInt(dst, int64(plan.maxTokens))
	}
	leading := translate.Leading(msgs)
	dst = appendSystem(dst, req, msgs[:leading])
	dst, said := appendMessages(dst, req, msgs[leading:])
	if !said {
		return dst, plan, req.Nothing()
	}
	return dst, plan, nil
}

func appendText(dst []byte, text string, cache json.RawMessage) []byte {
	dst = append(dst, `{"type":"text","text":`...)
	dst = jsonx.AppendString(dst, text)
	return appendCache(dst, cache)
}

// appendCache ends a block, with a comma after it.
func appendCache(dst []byte, cache json.RawMessage) []byte {
	if len(cache) > 0 {
		dst = append(dst, `,"cache_control":`...)
		dst = append(dst, cache...)
	}
	return append(dst, `},`...)
}

// appendSystem appends the system messages as one text, or as blocks when a
// cache mark depends on them.
func appendSystem(dst []byte, req *translate.Request, system []translate.Message) []byte {
	cached := false
	var texts []string
	for i := range system {
		for j := range system[i].Parts {
			p := &system[i].Parts[j]
			if p.Kind != translate.PartText {
				req.Drop("system: parts other than text")
				continue
			}
			if p.Text != "" {
				texts = append(texts, p.Text)
				cached = cached || p.Cache != nil
			}
		}
	}
	asJSON := req.Params.Format().AnyJSON
	if asJSON {
		texts = append(texts, anyJSON)
	}
	if len(texts) == 0 {
		return dst
	}
	dst = append(dst, `,"system":`...)
	if !cached {
		return jsonx.AppendString(dst, strings.Join(texts, "\n\n"))
	}
	dst = append(dst, '[')
	start := len(dst)
	for i := range system {
		for j := range system[i].Parts {
			if p := &system[i].Parts[j]; p.Kind == translate.PartText && p.Text != "" {
				dst = appendText(dst, p.Text, p.Cache)
			}
		}
	}
	if asJSON {
		dst = appendText(dst, anyJSON, nil)
	}
	return jsonx.CloseList(dst, start)
}

// appendMessages appends the turns. Neighbours of one role become one message,
// and the results of tools belong to the user. said is false where nothing is left of
// them, or of the question.
func appendMessages(dst []byte, req *translate.Request, msgs []translate.Message) (out []byte, said bool) {
	said = true
	question := translate.Question(msgs)
	dst = append(dst, `,"messages":[`...)
	start := len(dst)
	open := ""
	var ids callIDs
	for i := range msgs {
		m := &msgs[i]
		if i == len(msgs)-1 {
			m = unended(m)
		}
		if m.Name != "" {
			req.Drop("name")
		}
		role := "user"
		if m.Role == translate.RoleAssistant || m.Role == translate.RoleSystem {
			role = m.Role.String()
		}
		before, from := len(dst), len(dst)
		if role != open {
			dst = appendOpening(dst, role, open)
			from = len(dst)
		}
		if dst = appendBlocks(dst, req, m, &ids); len(dst) > from {
			open = role
			continue
		}
		said = said && (i != question || m.Role == translate.RoleAssistant)
		if dst = dst[:before]; role != open && open != "" {
			dst[before-1] = ',' // which the opening took
		}
	}
	if open != "" {
		dst = append(dst[:len(dst)-1], `]},`...)
	}
	return jsonx.CloseList(dst, start), said && open != ""
}

// appendOpening ends the message of the role open, if there is one, and begins another.
func appendOpening(dst []byte, role, open string) []byte {
	if open != "" {
		dst = append(dst[:len(dst)-1], `]},`...)
	}
	dst = append(dst, `{"role":"`...)
	dst = append(dst, role...)
	return append(dst, `","content":[`...)
}

// appendBlocks appends what can be said of m, each block with a comma after it.
func appendBlocks(dst []byte, req *translate.Request, m *translate.Message, ids *callIDs) []byte {
	for i := range m.Parts {
		p := &m.Parts[i]
		switch p.Kind {
		case translate.PartText:
			// The vendor refuses an empty text, and one of white space.
			if !blank(p.Text) {
				dst = appendText(dst, p.Text, p.Cache)
			}
		case translate.PartImage:
			if m.Role == translate.RoleTool {
				continue // it went with its result
			}
			if m.Role != translate.RoleUser {
				req.Drop("image")
				continue
			}
			if p.Detail != "" {
				req.Drop("detail")
			}
			if p.ID != "" && req.Dialect != name {
				req.Drop("content.image.file")
				continue
			}
			dst = appendImage(dst, p)
		case translate.PartReasoning:
			if m.Role != translate.RoleAssistant || !signed(p) {
				req.Drop("reasoning")
				continue
			}
			dst = appendThinking(dst, p)
		case translate.PartToolCall:
			dst = append(dst, `{"type":"tool_use","id":`...)
			dst = jsonx.AppendString(dst, ids.call(p.ID))
			dst = append(dst, `,"name":`...)
			dst = jsonx.AppendString(dst, toldName(p.Name))
			dst = append(dst, `,"input":`...)
			dst = translate.AppendArgs(dst, p.Args)
			dst = appendCache(dst, p.Cache)
		case translate.PartToolResult:
			dst = append(dst, `{"type":"tool_result","tool_use_id":`...)
			dst = jsonx.AppendString(dst, ids.result(p.ID))
			dst = appendResult(append(dst, `,"content":`...), p.Text, m.Shown(i))
			if p.Failed {
				dst = append(dst, `,"is_error":true`...)
			}
			dst = appendCache(dst, p.Cache)
		case translate.PartDocument, translate.PartSearch:
			if m.Role != translate.RoleUser {
				req.DropDocument(p)
				continue
			}
			dst = appendDocument(dst, req, p)
		case translate.PartAudio:
			req.Drop("content.input_audio")
		default:
			req.Drop("media")
		}
	}
	return dst
}

// appendResult appends the content of a result: a text, or a list where there are images.
func appendResult(dst []byte, text string, images []translate.Part) []byte {
	if len(images) == 0 {
		return jsonx.AppendString(dst, text)
	}
	dst = append(dst, '[')
	start := len(dst)
	if !blank(text) {
		dst = appendText(dst, text, nil)
	}
	for i := range images {
		dst = appendImage(dst, &images[i])
	}
	return jsonx.CloseList(dst, start)
}

// blank reports whether a text says nothing.
func blank(s string) bool { return strings.TrimSpace(s) == "" }

// unended is m, the last message, without the white space that ends the model's begun answer:
// the vendor refuses that.
func unended(m *translate.Message) *translate.Message {
	n := len(m.Parts)
	if m.Role != translate.RoleAssistant || n == 0 || m.Parts[n-1].Kind != translate.PartText {
		return m
	}
	text := strings.TrimRightFunc(m.Parts[n-1].Text, unicode.IsSpace)
	if len(text) == len(m.Parts[n-1].Text) {
		return m
	}
	begun := *m
	begun.Parts = slices.Clone(m.Parts)
	begun.Parts[n-1].Text = text
	return &begun
}

func appendImage(dst []byte, p *translate.Part) []byte {
	dst = append(dst, `{"type":"image","source":`...)
	switch {
	case p.URL != "":
		dst = append(dst, `{"type":"url","url":`...)
		dst = jsonx.AppendString(dst, p.URL)
	case p.ID != "":
		dst = append(dst, `{"type":"file","file_id":`...)
		dst = jsonx.AppendString(dst, p.ID)
	default:
		dst = append(dst, `{"type":"base64","media_type":`...)
		dst = jsonx.AppendString(dst, images[strings.ToLower(p.MediaType)])
		dst = append(dst, `,"data":`...)
		dst = jsonx.AppendString(dst, p.Data)
	}
	dst = append(dst, '}')
	return appendCache(dst, p.Cache)
}

// callID returns id in the characters that the vendor allows. A call and its
// result are changed alike.
func callID(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, id)
}

// signed reports whether a server of this dialect may have signed reasoning.
func signed(p *translate.Part) bool {
	_, sealed := translate.Unseal(p.Signature)
	return p.Signature != "" && !sealed
}

// appendThinking appends the blocks that a signature stands for, see the marks.
func appendThinking(dst []byte, p *translate.Part) []byte {
	rest := p.Signature
	for first := true; first || rest != ""; first = false {
		var mark, piece string
		mark, piece, rest = nextSignature(rest)
		switch {
		case mark == markRedacted:
			dst = append(dst, `{"type":"redacted_thinking","data":`...)
			dst = jsonx.AppendString(dst, piece)
			dst = append(dst, `},`...)
			continue
		case mark == "" && piece == "" && p.Text == "":
			continue
		}
		dst = append(dst, `{"type":"thinking","thinking":`...)
		if mark == "" {
			dst = jsonx.AppendString(dst, p.Text)
		} else {
			dst = append(dst, `""`...)
		}
		dst = append(dst, `,"signature":`...)
		dst = jsonx.AppendString(dst, piece)
		dst = append(dst, `},`...)
	}
	return dst
}

// nextSignature cuts the first piece off s: the mark it begins with, if any, and
// the text up to the next mark.
func nextSignature[T string | []byte](s T) (mark string, piece, rest T) {
	for _, m := range [...]string{markRedacted, markThinking} {
		if len(s) >= len(m) && string(s[:len(m)]) == m {
			mark, s = m, s[len(m):]
			break
		}
	}
	for i := range len(s) {
		for _, m := range [...]string{markRedacted, markThinking} {
			if len(s)-i >= len(m) && string(s[i:i+len(m)]) == m {
				return mark, s[:i], s[i:]
			}
		}
	}
	return mark, s, s[len(s):]
}
