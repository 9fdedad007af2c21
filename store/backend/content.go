package backend

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/dragoman-gateway/dragoman/store"
	"github.com/dragoman-gateway/dragoman/translate"
)

// The words for the kinds of parts in a store. They must not change.
const (
	wordText      = "text"
	wordImage     = "image"
	wordReasoning = "reasoning"
	wordCall      = "call"
	wordResult    = "result"
	wordMedia     = "media"
	wordDocument  = "document"
	wordAudio     = "audio"
	wordSearch    = "search"
)

// partRow is one part as a store has it. Its names are the store's own, so that
// a change of translate.Part does not change what is stored.
type partRow struct {
	Kind      string `json:"k"`
	Text      string `json:"t,omitempty"`
	URL       string `json:"url,omitempty"`
	MediaType string `json:"type,omitempty"`
	Data      string `json:"data,omitempty"`
	Detail    string `json:"detail,omitempty"`
	ID        string `json:"id,omitempty"`
	Name      string `json:"name,omitempty"`
	Args      string `json:"args,omitempty"`
	Signature string `json:"sig,omitempty"`
	Cache     string `json:"cache,omitempty"` // JSON in a string: exactly as it came
	Failed    bool   `json:"failed,omitempty"`
}

// messageRow is one message of a share, and what messages has as columns.
type messageRow struct {
	Role       string    `json:"r"`
	Name       string    `json:"name,omitempty"`
	Parts      []partRow `json:"p,omitempty"`
	At         int64     `json:"at"`
	Incomplete bool      `json:"inc,omitempty"`
	Mark       uint8     `json:"mark,omitempty"`
}

func word(k translate.PartKind) (string, error) {
	switch k {
	case translate.PartText:
		return wordText, nil
	case translate.PartImage:
		return wordImage, nil
	case translate.PartReasoning:
		return wordReasoning, nil
	case translate.PartToolCall:
		return wordCall, nil
	case translate.PartToolResult:
		return wordResult, nil
	case translate.PartMedia:
		return wordMedia, nil
	case translate.PartDocument:
		return wordDocument, nil
	case translate.PartAudio:
		return wordAudio, nil
	case translate.PartSearch:
		return wordSearch, nil
	}
	return "", fmt.Errorf("store: part of unknown kind %d", k)
}

func kind(word string) (translate.PartKind, error) {
	switch word {
	case wordText:
		return translate.PartText, nil
	case wordImage:
		return translate.PartImage, nil
	case wordReasoning:
		return translate.PartReasoning, nil
	case wordCall:
		return translate.PartToolCall, nil
	case wordResult:
		return translate.PartToolResult, nil
	case wordMedia:
		return translate.PartMedia, nil
	case wordDocument:
		return translate.PartDocument, nil
	case wordAudio:
		return translate.PartAudio, nil
	case wordSearch:
		return translate.PartSearch, nil
	}
	return 0, fmt.Errorf("store: part of unknown kind %.20q", word)
}

func toRows(parts []translate.Part) ([]partRow, error) {
	rows := make([]partRow, len(parts))
	for i, p := range parts {
		w, err := word(p.Kind)
		if err != nil {
			return nil, err
		}
		rows[i] = partRow{
			Kind: w, Text: p.Text, URL: p.URL, MediaType: p.MediaType, Data: p.Data, Detail: p.Detail,
			ID: p.ID, Name: p.Name, Args: p.Args, Signature: p.Signature, Cache: string(p.Cache), Failed: p.Failed,
		}
	}
	return rows, nil
}

func fromRows(rows []partRow) ([]translate.Part, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	parts := make([]translate.Part, len(rows))
	for i, r := range rows {
		k, err := kind(r.Kind)
		if err != nil {
			return nil, err
		}
		parts[i] = translate.Part{
			Kind: k, Text: r.Text, URL: r.URL, MediaType: r.MediaType, Data: r.Data, Detail: r.Detail,
			ID: r.ID, Name: r.Name, Args: r.Args, Signature: r.Signature, Failed: r.Failed,
		}
		if r.Cache != "" {
			parts[i].Cache = json.RawMessage(r.Cache)
		}
	}
	return parts, nil
}

func encodeJSON(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// EncodeParts writes parts down as JSON, without NUL bytes. The error names a part of unknown kind.
func EncodeParts(parts []translate.Part) (string, error) {
	rows, err := toRows(parts)
	if err != nil {
		return "", err
	}
	return encodeJSON(rows)
}

// DecodeParts reads EncodeParts back.
func DecodeParts(text string) ([]translate.Part, error) {
	var rows []partRow
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		return nil, fmt.Errorf("store: a stored message cannot be read: %w", err)
	}
	return fromRows(rows)
}

// EncodeMessages writes the messages of a share down as JSON, without NUL bytes.
func EncodeMessages(messages []store.Message) (string, error) {
	rows := make([]messageRow, len(messages))
	for i, m := range messages {
		parts, err := toRows(m.Parts)
		if err != nil {
			return "", err
		}
		rows[i] = messageRow{Role: m.Role.String(), Name: m.Name, Parts: parts, At: m.At, Incomplete: m.Incomplete, Mark: uint8(m.Mark)}
	}
	return encodeJSON(rows)
}

// DecodeMessages reads EncodeMessages back.
func DecodeMessages(text string) ([]store.Message, error) {
	var rows []messageRow
	if err := json.Unmarshal([]byte(text), &rows); err != nil {
		return nil, fmt.Errorf("store: a share cannot be read: %w", err)
	}
	var messages []store.Message
	for _, r := range rows {
		parts, err := fromRows(r.Parts)
		if err != nil {
			return nil, err
		}
		m := store.Message{At: r.At, Incomplete: r.Incomplete, Mark: store.Mark(r.Mark)}
		m.Role, m.Name, m.Parts = translate.ParseRole(r.Role), r.Name, parts
		messages = append(messages, m)
	}
	return messages, nil
}

// LastLine returns what [store.Summary.LastMessage] says of m.
func LastLine(m *store.Message) string {
	text := m.Text()
	n := 0
	for i := range text {
		if n == 100 {
			return text[:i]
		}
		n++
	}
	return text
}
