package gemini

import (
	"encoding/base64"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wirePart is a part of a turn, of any kind.
type wirePart struct {
	Text      translate.Raw
	Thought   bool
	Signature string
	Inline    translate.Raw
	File      translate.Raw
	Call      translate.Raw
	Response  translate.Raw

	response wireResponse // of Response
}

func (w *wirePart) fields() []translate.Field {
	return []translate.Field{
		{Name: "text", To: &w.Text},
		{Name: "thought", To: &w.Thought},
		{Name: "thoughtSignature", To: &w.Signature},
		{Name: "thought_signature", To: &w.Signature},
		{Name: "inlineData", To: &w.Inline},
		{Name: "inline_data", To: &w.Inline},
		{Name: "fileData", To: &w.File},
		{Name: "file_data", To: &w.File},
		{Name: "functionCall", To: &w.Call},
		{Name: "function_call", To: &w.Call},
		{Name: "functionResponse", To: &w.Response},
		{Name: "function_response", To: &w.Response},
	}
}

type wireResponse struct {
	ID, Name        string
	Response, Parts translate.Raw
}

// decodePart reads d.part, whose text is raw. It returns a part without a kind for what the
// canonical form cannot say.
func (d *decoding) decodePart(path string, raw translate.Raw) (p translate.Part, err error) {
	w := &d.part
	if several(w) {
		return p, translate.Invalid(path + " has more than one of text, inlineData, fileData, functionCall and functionResponse")
	}
	switch {
	case !w.Call.Null():
		return d.call(path+".functionCall", w)
	case !w.Response.Null():
		return d.result(path+".functionResponse", w)
	case !w.Inline.Null():
		return d.inline(path+".inlineData", w.Inline)
	case !w.File.Null():
		return d.file(path+".fileData", w.File)
	case !w.Text.Null():
		p.Kind = translate.PartText
		if p.Text, err = translate.Text(path+".text", w.Text); w.Thought {
			p.Kind = translate.PartReasoning
		}
		if w.Signature != "" {
			d.req.Drop("thoughtSignature")
			if p.Text == "" {
				p.Kind = 0 // it was there for the signature
			}
		}
		return p, err
	}
	for key := range jsonx.Pairs(raw) {
		switch string(key) {
		case "thought", "thoughtSignature", "thought_signature", "videoMetadata", "video_metadata", "mediaResolution", "partMetadata":
			continue
		}
		d.req.DropWord("content." + string(key))
		break
	}
	return p, nil
}

// several reports whether a part says more than one thing; an empty text says nothing.
func several(w *wirePart) bool {
	n := 0
	for _, said := range [...]bool{!w.Call.Null(), !w.Response.Null(), !w.Inline.Null(), !w.File.Null(), !w.Text.Null() && string(w.Text) != `""`} {
		if said {
			n++
		}
	}
	return n > 1
}

// call reads a call, with what the model signed it with.
func (d *decoding) call(path string, w *wirePart) (p translate.Part, err error) {
	var args translate.Raw
	p.Kind = translate.PartToolCall
	err = translate.Object(path, w.Call, []translate.Field{{Name: "id", To: &p.ID}, {Name: "name", To: &p.Name}, {Name: "args", To: &args}})
	switch {
	case err != nil:
		return p, err
	case p.Name == "":
		return p, translate.Invalid(path + ".name is required")
	case !args.Null() && args[0] != '{':
		return p, translate.Invalid(path + ".args must be an object")
	}
	if err := translate.Bound(path+".name", p.Name, translate.MaxToolName); err != nil {
		return p, err
	}
	if err := translate.Bound(path+".id", p.ID, translate.MaxID); err != nil {
		return p, err
	}
	if p.Args = "{}"; !args.Null() {
		p.Args = jsonx.Compact(args)
	}
	if p.ID == "" {
		p.ID = d.calls.Begin("", p.Name)
	}
	p.Signature = proofOf(w.Signature)
	return p, nil
}

// The members of OpenAI's form of a call in which the canonical form has the signature of a
// thought, as Google's own servers of that form have it.
const (
	proofFront = `"extra_content":{"google":{"thought_signature":`
	proofBack  = `}}`
)

// proofOf is a signature as the canonical form has it; "" where there is none.
func proofOf(signature string) string {
	if signature == "" {
		return ""
	}
	return string(append(jsonx.AppendString([]byte(proofFront), signature), proofBack...))
}

// signatureOf is the signature in what proofOf made, as JSON text; nil: there is none.
func signatureOf(proof string) (text []byte) {
	wrapped := []byte("{" + proof + "}")
	for _, key := range [...]string{"extra_content", "google", "thought_signature"} {
		o, ok := jsonx.Members(wrapped)
		if !ok {
			return nil
		}
		m := o.Find(key)
		if m == nil {
			return nil
		}
		wrapped = wrapped[m.Start:m.End]
	}
	if len(wrapped) < len(`"x"`) || wrapped[0] != '"' {
		return nil
	}
	return wrapped
}

// result reads the result of a function.
func (d *decoding) result(path string, w *wirePart) (p translate.Part, err error) {
	r := &w.response
	err = translate.Object(path, w.Response, []translate.Field{{Name: "id", To: &r.ID}, {Name: "name", To: &r.Name}, {Name: "response", To: &r.Response}, {Name: "parts", To: &r.Parts}})
	switch {
	case err != nil:
		return p, err
	case r.Name == "":
		return p, translate.Invalid(path + ".name is required")
	case !r.Response.Null() && r.Response[0] != '{':
		return p, translate.Invalid(path + ".response must be an object")
	}
	if err := translate.Bound(path+".name", r.Name, translate.MaxToolName); err != nil {
		return p, err
	}
	if err := translate.Bound(path+".id", r.ID, translate.MaxID); err != nil {
		return p, err
	}
	p = translate.Part{Kind: translate.PartToolResult, ID: r.ID}
	if p.ID == "" {
		p.ID = d.calls.End("", r.Name)
	}
	p.Text, p.Failed = said(r.Response)
	return p, nil
}

// said is the text of a result: that of its one member output or error, where it is a text,
// else the object.
func said(response translate.Raw) (text string, failed bool) {
	if response.Null() {
		return "", false
	}
	if o, ok := jsonx.Members(response); ok && len(o.Members) == 1 {
		m := o.Members[0]
		value := translate.Raw(response[m.Start:m.End])
		key := string(m.Key)
		if (key == "output" || key == "error" || key == "result") && value[0] == '"' {
			text, _ = translate.Text("", value)
			return text, key == "error"
		}
	}
	return jsonx.Compact(response), false
}

// inline reads an image, a sound or a file that stands in the question.
func (d *decoding) inline(path string, raw translate.Raw) (p translate.Part, err error) {
	var media string
	fields := []translate.Field{{Name: "mimeType", To: &media}, {Name: "mime_type", To: &media}, {Name: "data", To: &p.Data}, {Name: "displayName", To: &p.Name}}
	if err := translate.Object(path, raw, fields); err != nil {
		return p, err
	}
	if media == "" || p.Data == "" {
		return p, translate.Invalid(path + " must have mimeType and data")
	}
	if strings.ContainsAny(p.Data, "-_") {
		p.Data = strings.NewReplacer("-", "+", "_", "/").Replace(p.Data)
	}
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	switch kind, format, _ := strings.Cut(media, "/"); {
	case kind == "image":
		return translate.Part{Kind: translate.PartImage, MediaType: media, Data: p.Data}, nil
	case kind == "audio" && sounds[format] != "":
		return translate.Part{Kind: translate.PartAudio, MediaType: sounds[format], Data: p.Data}, nil
	case kind == "text":
		text, err := base64.StdEncoding.DecodeString(p.Data)
		if err != nil {
			return p, translate.InvalidAt(path+".data", path+".data must be base64")
		}
		p.Kind, p.Text, p.Data = translate.PartDocument, strings.ToValidUTF8(string(text), "\ufffd"), ""
		return p, nil
	case media == "application/pdf", media == "application/json":
		p.Kind, p.MediaType = translate.PartDocument, media
		return p, nil
	}
	d.req.DropWord("content." + media)
	return translate.Part{}, nil
}

// sounds are the formats of sounds as the canonical form has them, by their media types.
var sounds = map[string]string{"wav": "wav", "x-wav": "wav", "wave": "wav", "mp3": "mp3", "mpeg": "mp3"}

// file reads an image or a file by its address. Those of the vendor's own store are ids: nobody
// else can fetch them.
func (d *decoding) file(path string, raw translate.Raw) (p translate.Part, err error) {
	var uri, media string
	fields := []translate.Field{{Name: "mimeType", To: &media}, {Name: "mime_type", To: &media}, {Name: "fileUri", To: &uri}, {Name: "file_uri", To: &uri}, {Name: "displayName", To: &p.Name}}
	if err := translate.Object(path, raw, fields); err != nil {
		return p, err
	}
	if uri == "" {
		return p, translate.Invalid(path + ".fileUri is required")
	}
	if media == "" {
		media = mediaOf(uri)
	}
	if stored(uri) {
		p.ID = uri
	} else {
		p.URL = uri
	}
	p.MediaType = media
	switch kind, _, _ := strings.Cut(media, "/"); {
	case kind == "image":
		p.Kind, p.Name = translate.PartImage, ""
	case media == "application/pdf", kind == "text":
		p.Kind = translate.PartDocument
	default:
		d.req.DropWord("content." + media)
		return translate.Part{}, nil
	}
	return p, nil
}

// stored reports whether an address is one of the vendor's own stores.
func stored(uri string) bool {
	return strings.HasPrefix(uri, "gs://") || strings.HasPrefix(uri, "https://generativelanguage.googleapis.com/")
}

// endings are the media types of files by the endings of their addresses.
var endings = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif", ".heic": "image/heic", ".heif": "image/heif",
	".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/markdown", ".html": "text/html", ".csv": "text/csv",
}

// mediaOf is the media type of the file at an address; "": its ending tells none.
func mediaOf(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	if i := strings.LastIndexByte(path, '.'); i >= 0 {
		return endings[strings.ToLower(path[i:])]
	}
	return ""
}
