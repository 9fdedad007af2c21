package anthropic

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

// wireBlock is a block of a message's content, of any type.
type wireBlock struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	Source    json.RawMessage `json:"source"` // a text in a search_result
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage `json:"content"`
	IsError   bool            `json:"is_error"`
	Thinking  string          `json:"thinking"`
	Signature string          `json:"signature"`
	Data      string          `json:"data"`
	Cache     json.RawMessage `json:"cache_control"`
}

type wireSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type"`
	Data      string `json:"data"`
	URL       string `json:"url"`
}

func decodeSystem(req *translate.Request, raw json.RawMessage) error {
	if null(raw) {
		return nil
	}
	blocks, err := decodeBlocks("system", raw)
	if err != nil {
		return err
	}
	m := translate.Message{Role: translate.RoleSystem}
	for i := range blocks {
		path := index("system", i)
		if blocks[i].Type != "text" {
			return translate.Invalid(path + ".type must be text")
		}
		p, err := textPart(path, &blocks[i])
		if err != nil {
			return err
		}
		m.Parts = append(m.Parts, p)
	}
	if len(m.Parts) > 0 {
		req.Messages = append(req.Messages, m)
	}
	return nil
}

// decodeBlocks takes a text for one block of text, as the vendor does.
func decodeBlocks(path string, raw json.RawMessage) ([]wireBlock, error) {
	if null(raw) {
		return nil, nil
	}
	if raw[0] == '"' {
		b := wireBlock{Type: "text"}
		err := translate.Unmarshal(path, raw, &b.Text)
		return []wireBlock{b}, err
	}
	if raw[0] != '[' {
		return nil, translate.Invalid(path + " must be a string or an array of blocks")
	}
	var wire []json.RawMessage
	if err := translate.Unmarshal(path, raw, &wire); err != nil {
		return nil, err
	}
	blocks := make([]wireBlock, len(wire))
	for i := range wire {
		if err := translate.Unmarshal(index(path, i), wire[i], &blocks[i]); err != nil {
			return nil, err
		}
	}
	return blocks, nil
}

func textPart(path string, b *wireBlock) (p translate.Part, err error) {
	p = translate.Part{Kind: translate.PartText, Text: b.Text}
	p.Cache, err = cacheControl(path, b.Cache)
	return p, err
}

func decodeMessages(req *translate.Request, raw json.RawMessage) error {
	var wire []json.RawMessage
	if err := translate.Unmarshal("messages", raw, &wire); err != nil {
		return err
	}
	if len(wire) == 0 {
		return translate.Invalid("messages must not be empty")
	}
	for i, raw := range wire {
		path := index("messages", i)
		var w struct {
			Role    string          `json:"role"`
			Content json.RawMessage `json:"content"`
		}
		if err := translate.Unmarshal(path, raw, &w); err != nil {
			return err
		}
		role := translate.ParseRole(w.Role)
		if role != translate.RoleUser && role != translate.RoleAssistant {
			return translate.Invalid(path + ".role must be user or assistant")
		}
		if null(w.Content) {
			return translate.Invalid(path + ".content is required")
		}
		blocks, err := decodeBlocks(path+".content", w.Content)
		if err != nil {
			return err
		}
		if err := decodeMessage(req, role, path+".content", blocks); err != nil {
			return err
		}
	}
	return nil
}

// decodeMessage appends the messages that blocks make: the results of tools,
// which the vendor puts into a user's message, and the rest.
func decodeMessage(req *translate.Request, role translate.Role, path string, blocks []wireBlock) error {
	var results, parts []translate.Part
	for i := range blocks {
		b, at := &blocks[i], index(path, i)
		if b.Type == "tool_result" {
			result, images, err := decodeResult(req, at, b)
			if err != nil {
				return err
			}
			results, parts = append(results, result), append(parts, images...)
			continue
		}
		p, err := decodePart(req, at, b)
		if err != nil {
			return err
		}
		if p.Kind != 0 {
			parts = append(parts, p)
		}
	}
	if len(results) > 0 {
		if role != translate.RoleUser {
			return translate.Invalid(path + " has a tool_result, which belongs into a user's message")
		}
		req.Messages = append(req.Messages, translate.Message{Role: translate.RoleTool, Parts: results})
	}
	if len(parts) > 0 || len(results) == 0 {
		req.Messages = append(req.Messages, translate.Message{Role: role, Parts: parts})
	}
	return nil
}

// decodeResult returns a tool's result. Its images have no place in the
// canonical result and go before what the user says next.
func decodeResult(req *translate.Request, path string, b *wireBlock) (p translate.Part, images []translate.Part, err error) {
	if b.ToolUseID == "" {
		return p, nil, translate.Invalid(path + ".tool_use_id is required")
	}
	blocks, err := decodeBlocks(path+".content", b.Content)
	if err != nil {
		return p, nil, err
	}
	var texts []string
	for i := range blocks {
		inner, err := decodePart(req, index(path+".content", i), &blocks[i])
		if err != nil {
			return p, nil, err
		}
		switch inner.Kind {
		case translate.PartText:
			texts = append(texts, inner.Text)
		case translate.PartImage:
			images = append(images, inner)
		}
	}
	p = translate.Part{Kind: translate.PartToolResult, ID: b.ToolUseID, Text: strings.Join(texts, "\n"), Failed: b.IsError}
	p.Cache, err = cacheControl(path, b.Cache)
	return p, images, err
}

// decodePart returns a part without a kind for what the canonical form cannot
// say.
func decodePart(req *translate.Request, path string, b *wireBlock) (p translate.Part, err error) {
	switch b.Type {
	case "text":
		p = translate.Part{Kind: translate.PartText, Text: b.Text}
	case "thinking":
		p = translate.Part{Kind: translate.PartReasoning, Text: b.Thinking, Signature: b.Signature}
		if b.Thinking == "" && b.Signature != "" {
			p.Signature = markThinking + b.Signature
		}
		return p, nil
	case "redacted_thinking":
		return translate.Part{Kind: translate.PartReasoning, Signature: markRedacted + b.Data}, nil
	case "tool_use":
		p, err = decodeCall(path, b)
	case "image":
		p, err = decodeImage(req, path, b.Source)
	case "document":
		s, err := decodeSource(path, b.Source)
		if err != nil {
			return p, err
		}
		if s == nil || s.Type != "text" {
			if req.Unsaid.Documents++; s != nil && s.Type == "base64" {
				req.Unsaid.Bytes += len(s.Data)
			}
			req.Drop("content.document")
			return p, nil
		}
		p = translate.Part{Kind: translate.PartText, Text: s.Data}
	case "":
		return p, translate.Invalid(path + ".type is required")
	default:
		req.DropWord("content." + b.Type)
		return p, nil
	}
	if err != nil || p.Kind == 0 {
		return p, err
	}
	p.Cache, err = cacheControl(path, b.Cache)
	return p, err
}

func decodeCall(path string, b *wireBlock) (p translate.Part, err error) {
	switch {
	case b.ID == "":
		return p, translate.Invalid(path + ".id is required")
	case b.Name == "":
		return p, translate.Invalid(path + ".name is required")
	case null(b.Input) || b.Input[0] != '{':
		return p, translate.Invalid(path + ".input must be an object")
	}
	var args bytes.Buffer
	if err := json.Compact(&args, b.Input); err != nil {
		return p, translate.Invalid(path + ".input is not valid")
	}
	return translate.Part{Kind: translate.PartToolCall, ID: b.ID, Name: b.Name, Args: args.String()}, nil
}

// decodeSource returns nil where there is none.
func decodeSource(path string, raw json.RawMessage) (s *wireSource, err error) {
	if null(raw) {
		return nil, nil
	}
	err = translate.Unmarshal(path+".source", raw, &s)
	return s, err
}

func decodeImage(req *translate.Request, path string, raw json.RawMessage) (p translate.Part, err error) {
	s, err := decodeSource(path, raw)
	if err != nil {
		return p, err
	}
	if s == nil {
		return p, translate.Invalid(path + ".source is required")
	}
	p.Kind = translate.PartImage
	switch s.Type {
	case "base64":
		if s.MediaType == "" || s.Data == "" {
			return p, translate.Invalid(path + ".source must have media_type and data")
		}
		p.MediaType, p.Data = s.MediaType, s.Data
	case "url":
		if s.URL == "" {
			return p, translate.Invalid(path + ".source.url is required")
		}
		p.URL = s.URL
	case "":
		return p, translate.Invalid(path + ".source.type is required")
	default:
		req.DropWord("content.image." + s.Type)
		p.Kind = 0
	}
	return p, nil
}
