package openai

import (
	"encoding/json"
	"strings"

	"github.com/dragoman-gateway/dragoman/translate"
)

type wireMessage struct {
	Role             string            `json:"role"`
	Name             string            `json:"name"`
	Content          json.RawMessage   `json:"content"`
	Refusal          string            `json:"refusal"`
	ReasoningContent string            `json:"reasoning_content"`
	Reasoning        json.RawMessage   `json:"reasoning"`
	ToolCalls        []wireCall        `json:"tool_calls"`
	ToolCallID       string            `json:"tool_call_id"`
	FunctionCall     *wireFunctionCall `json:"function_call"`
}

type wireFunctionCall struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type wireCall struct {
	ID       string           `json:"id"`
	Type     string           `json:"type"`
	Function wireFunctionCall `json:"function"`
}

type wirePart struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Refusal  string `json:"refusal"`
	ImageURL *struct {
		URL    string `json:"url"`
		Detail string `json:"detail"`
	} `json:"image_url"`
}

// decodeMessages puts system and developer messages first and joins the results
// of tools that follow each other.
func decodeMessages(req *translate.Request, raw json.RawMessage) error {
	var wire []json.RawMessage
	if err := translate.Unmarshal("messages", raw, &wire); err != nil {
		return err
	}
	if len(wire) == 0 {
		return translate.Invalid("messages must not be empty")
	}
	var system, turns []translate.Message
	var older olderCalls
	for i, raw := range wire {
		m, err := decodeMessage(req, &older, index("messages", i), raw)
		if err != nil {
			return err
		}
		switch last := len(turns) - 1; {
		case m.Role == translate.RoleSystem:
			system = append(system, m)
		case m.Role == translate.RoleTool && last >= 0 && turns[last].Role == translate.RoleTool:
			turns[last].Parts = append(turns[last].Parts, m.Parts...)
		default:
			turns = append(turns, m)
		}
	}
	req.Messages = append(system, turns...)
	return nil
}

func decodeMessage(req *translate.Request, older *olderCalls, path string, raw json.RawMessage) (m translate.Message, err error) {
	var w wireMessage
	if err := translate.Unmarshal(path, raw, &w); err != nil {
		return m, err
	}
	m.Role, m.Name = translate.ParseRole(w.Role), w.Name
	if m.Role == 0 && w.Role != roleFunction {
		return m, badRole(path, w.Role)
	}
	content, err := decodeContent(req, path+".content", w.Content)
	if err != nil {
		return m, err
	}
	if w.Role == roleFunction {
		return older.decodeResult(path, &w, content)
	}
	if m.Role == translate.RoleTool {
		if w.ToolCallID == "" {
			return m, translate.Invalid(path + ".tool_call_id is required")
		}
		whole := translate.Message{Parts: content}
		m.Parts = []translate.Part{{Kind: translate.PartToolResult, ID: w.ToolCallID, Text: whole.Text()}}
		return m, nil
	}
	if m.Role != translate.RoleAssistant {
		if null(w.Content) {
			return m, translate.Invalid(path + ".content is required")
		}
		m.Parts = content
		return m, nil
	}
	return m, assistant(&m, older, path, &w, content)
}

func badRole(path, role string) error {
	if role == "" {
		return translate.Invalid(path + ".role is required")
	}
	return translate.Invalid(path + ".role must be system, developer, user, assistant, tool or function")
}

// assistant fills m in the order in which a model speaks: it thinks, answers,
// and then calls.
func assistant(m *translate.Message, older *olderCalls, path string, w *wireMessage, content []translate.Part) error {
	thought := w.ReasoningContent
	if thought == "" && !null(w.Reasoning) && w.Reasoning[0] == '"' {
		if err := translate.Unmarshal(path+".reasoning", w.Reasoning, &thought); err != nil {
			return err
		}
	}
	if thought != "" {
		m.Parts = append(m.Parts, translate.Part{Kind: translate.PartReasoning, Text: thought})
	}
	for _, p := range content {
		if p.Kind != translate.PartText || p.Text != "" {
			m.Parts = append(m.Parts, p)
		}
	}
	if w.Refusal != "" {
		m.Parts = append(m.Parts, translate.Part{Kind: translate.PartText, Text: w.Refusal})
	}
	for i, c := range w.ToolCalls {
		at := index(path+".tool_calls", i)
		if c.ID == "" {
			return translate.Invalid(at + ".id is required")
		}
		if c.Function.Name == "" {
			return translate.Invalid(at + ".function.name is required")
		}
		m.Parts = append(m.Parts, translate.Part{Kind: translate.PartToolCall, ID: c.ID, Name: c.Function.Name, Args: c.Function.Arguments})
	}
	if f := w.FunctionCall; f != nil {
		if f.Name == "" {
			return translate.Invalid(path + ".function_call.name is required")
		}
		m.Parts = append(m.Parts, translate.Part{Kind: translate.PartToolCall, ID: older.begin(f.Name), Name: f.Name, Args: f.Arguments})
	}
	return nil
}

func decodeContent(req *translate.Request, path string, raw json.RawMessage) ([]translate.Part, error) {
	if null(raw) {
		return nil, nil
	}
	if raw[0] == '"' {
		p := translate.Part{Kind: translate.PartText}
		err := translate.Unmarshal(path, raw, &p.Text)
		return []translate.Part{p}, err
	}
	if raw[0] != '[' {
		return nil, translate.Invalid(path + " must be a string or an array of parts")
	}
	var wire []json.RawMessage
	if err := translate.Unmarshal(path, raw, &wire); err != nil {
		return nil, err
	}
	var parts []translate.Part
	for i, raw := range wire {
		p, err := decodePart(req, index(path, i), raw)
		if err != nil {
			return nil, err
		}
		if p.Kind != 0 {
			parts = append(parts, p)
		}
	}
	return parts, nil
}

// decodePart returns a part without a kind for what the canonical form cannot
// say.
func decodePart(req *translate.Request, path string, raw json.RawMessage) (p translate.Part, err error) {
	var w wirePart
	if err := translate.Unmarshal(path, raw, &w); err != nil {
		return p, err
	}
	switch w.Type {
	case "text":
		return translate.Part{Kind: translate.PartText, Text: w.Text}, nil
	case "refusal":
		return translate.Part{Kind: translate.PartText, Text: w.Refusal}, nil
	case "image_url":
		if w.ImageURL == nil || w.ImageURL.URL == "" {
			return p, translate.Invalid(path + ".image_url.url is required")
		}
		return decodeImage(path, w.ImageURL.URL, w.ImageURL.Detail)
	case "":
		return p, translate.Invalid(path + ".type is required")
	}
	countUnsaid(req, w.Type, raw)
	req.DropWord("content." + w.Type)
	return p, nil
}

// countUnsaid counts the sound or the file of a part that the canonical form cannot say.
func countUnsaid(req *translate.Request, kind string, raw json.RawMessage) {
	if kind != "input_audio" && kind != "file" {
		return
	}
	var w struct {
		Audio struct {
			Data string `json:"data"`
		} `json:"input_audio"`
		File struct {
			Data string `json:"file_data"`
		} `json:"file"`
	}
	_ = json.Unmarshal(raw, &w) // what is not of this form counts with its whole length
	req.Unsaid.Bytes += len(w.Audio.Data) + len(w.File.Data)
	if kind == "file" {
		req.Unsaid.Documents++
	} else {
		req.Unsaid.Audio++
	}
}

// decodeImage takes a data URI (RFC 2397) apart.
func decodeImage(path, url, detail string) (translate.Part, error) {
	p := translate.Part{Kind: translate.PartImage, Detail: detail}
	if len(url) < 5 || !strings.EqualFold(url[:5], "data:") {
		p.URL = url
		return p, nil
	}
	head, data, ok := strings.Cut(url[5:], ",")
	media, base64 := strings.CutSuffix(head, ";base64")
	if !ok || !base64 || data == "" {
		return p, translate.Invalid(path + ".image_url.url must be an address or a base64 data URI")
	}
	media, _, _ = strings.Cut(media, ";")
	if media == "" {
		return p, translate.Invalid(path + ".image_url.url names no media type")
	}
	p.MediaType, p.Data = media, data
	return p, nil
}
