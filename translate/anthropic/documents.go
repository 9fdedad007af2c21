package anthropic

import (
	"encoding/base64"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// isText reports whether p is a document, or what a search found, of which all can be said
// in words.
func isText(p *translate.Part) bool {
	return (p.Kind == translate.PartDocument || p.Kind == translate.PartSearch) && p.Text != ""
}

// decodeDocument reads a document: a text, a file, its address, or its id.
func decodeDocument(req *translate.Request, path string, b *wireBlock) (p translate.Part, err error) {
	s, err := decodeSource(path, b.Source)
	if err != nil {
		return p, err
	}
	if s == nil {
		return p, translate.Invalid(path + ".source is required")
	}
	p = translate.Part{Kind: translate.PartDocument, Name: b.Title, Detail: b.Context, Args: citations(b.Citations)}
	switch s.Type {
	case "text":
		p.Text = s.Data
	case "base64":
		p.MediaType, p.Data = s.MediaType, s.Data
	case "url":
		p.URL = s.URL
	case "file":
		p.ID = s.FileID
	case "content":
		p.Text, err = textsOf(req, path+".source.content", s.Content)
	case "":
		return p, translate.Invalid(path + ".source.type is required")
	default:
		req.DropWord("content.document." + s.Type)
		return translate.Part{}, nil
	}
	if err == nil && p.Text == "" && p.Data == "" && p.URL == "" && p.ID == "" {
		p.Kind = 0 // there is nothing in it
		req.Drop("content.document")
	}
	return p, err
}

// decodeSearch reads what a search found.
func decodeSearch(req *translate.Request, path string, b *wireBlock) (p translate.Part, err error) {
	p = translate.Part{Kind: translate.PartSearch, Name: b.Title, Args: citations(b.Citations)}
	if p.URL, err = translate.Text(path+".source", b.Source); err == nil {
		p.Text, err = textsOf(req, path+".content", b.Content)
	}
	if p.Text == "" {
		p.Kind = 0
		req.Drop("content.search_result")
	}
	return p, err
}

// textsOf returns the texts of a content, and notes what else is in it.
func textsOf(req *translate.Request, path string, raw translate.Raw) (string, error) {
	var texts []string
	err := eachBlock(path, raw, func(_ string, b *wireBlock) error {
		if b.Type == "text" {
			texts = append(texts, b.Text)
		} else {
			req.DropWord("content." + b.Type)
		}
		return nil
	})
	return strings.Join(texts, "\n"), err
}

// citations returns the object in raw, "" where there is none, or where it is switched off.
func citations(raw translate.Raw) string {
	if raw.Null() || raw[0] != '{' {
		return ""
	}
	text := jsonx.Compact(raw)
	if text == `{"enabled":false}` || text == `{}` {
		return ""
	}
	return text
}

// appendDocument appends a document, or what a search found, of a user's message.
func appendDocument(dst []byte, req *translate.Request, p *translate.Part) []byte {
	if p.Kind == translate.PartSearch {
		dst = append(dst, `{"type":"search_result","source":`...)
		dst = jsonx.AppendString(dst, p.URL)
		dst = append(dst, `,"title":`...)
		dst = jsonx.AppendString(dst, p.Name)
		dst = append(dst, `,"content":[`...)
		dst = jsonx.CloseList(appendText(dst, p.Text, nil), len(dst))
		return appendCited(dst, p)
	}
	source, ok := appendSource(append(dst, `{"type":"document","source":`...), req, p)
	if !ok {
		return dst
	}
	dst = source
	if p.Name != "" {
		dst = append(dst, `,"title":`...)
		dst = jsonx.AppendString(dst, p.Name)
	}
	if p.Detail != "" {
		dst = append(dst, `,"context":`...)
		dst = jsonx.AppendString(dst, p.Detail)
	}
	return appendCited(dst, p)
}

// appendCited ends a block that may be cited.
func appendCited(dst []byte, p *translate.Part) []byte {
	if p.Args != "" {
		dst = append(dst, `,"citations":`...)
		dst = append(dst, p.Args...)
	}
	return appendCache(dst, p.Cache)
}

const pdf = "application/pdf"

// appendSource appends where a document comes from. ok is false for one that the vendor
// does not take, which is noted: files are of PDF or of text, and ids are the vendor's own.
func appendSource(dst []byte, req *translate.Request, p *translate.Part) (source []byte, ok bool) {
	media, _, _ := strings.Cut(strings.ToLower(p.MediaType), ";")
	text := p.Text
	switch {
	case text != "":
	case p.ID != "" && req.Dialect == name:
		dst = append(dst, `{"type":"file","file_id":`...)
		return append(jsonx.AppendString(dst, p.ID), '}'), true
	case p.ID != "":
		req.DropDocument(p)
		return nil, false
	case p.URL != "":
		dst = append(dst, `{"type":"url","url":`...)
		return append(jsonx.AppendString(dst, p.URL), '}'), true
	case media == pdf:
		dst = append(dst, `{"type":"base64","media_type":"application/pdf","data":`...)
		return append(jsonx.AppendString(dst, p.Data), '}'), true
	case strings.HasPrefix(media, "text/") || media == "application/json":
		plain, err := base64.StdEncoding.DecodeString(p.Data)
		if text = string(plain); err != nil || text == "" {
			req.DropDocument(p)
			return nil, false
		}
	default:
		req.DropWord("content.document " + media)
		return nil, false
	}
	dst = append(dst, `{"type":"text","media_type":"text/plain","data":`...)
	return append(jsonx.AppendString(dst, text), '}'), true
}

// images are the media types that the vendor takes, by all names that they go under.
var images = map[string]string{
	"image/jpeg": "image/jpeg", "image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/jfif": "image/jpeg",
	"image/png": "image/png", "image/x-png": "image/png", "image/apng": "image/png",
	"image/gif": "image/gif", "image/webp": "image/webp",
}

// checkImages returns an *Error for an image that the vendor takes in no form.
func checkImages(req *translate.Request) error {
	for i := range req.Messages {
		m := &req.Messages[i]
		for j := range m.Parts {
			p := &m.Parts[j]
			if p.Kind == translate.PartImage && m.Role != translate.RoleAssistant && p.Data != "" && images[strings.ToLower(p.MediaType)] == "" {
				return translate.InvalidAt("messages", "an image of "+translate.Printable(p.MediaType)+" cannot be told this model: it takes image/jpeg, image/png, image/gif and image/webp")
			}
		}
	}
	return nil
}
