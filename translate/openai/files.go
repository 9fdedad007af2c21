package openai

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// file reads a file: its bytes as a data URI, or the id under which the vendor has it.
func (d *decoding) file(at string, raw translate.Raw) (p translate.Part, err error) {
	var data string
	p.Kind = translate.PartDocument
	err = translate.Object(at, raw, []translate.Field{{Name: "filename", To: &p.Name}, {Name: "file_data", To: &data}, {Name: "file_id", To: &p.ID}})
	if err != nil {
		return p, err
	}
	switch {
	case data != "":
		p.ID = ""
		var ok bool
		if p.MediaType, p.Data, ok = translate.DataURI(data); !ok && !translate.IsData(data) {
			p.Data, ok = translate.Base64(data), true
		}
		if !ok {
			return p, translate.InvalidAt(at+".file_data", at+".file_data must be base64, or a base64 data URI")
		}
		if p.MediaType == "" {
			p.MediaType = mediaOf(p.Name)
		}
	case p.ID == "":
		p.Kind = 0
		d.req.Drop("content.file")
	}
	return p, nil
}

// endings are the media types of files by their names.
var endings = map[string]string{".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv", ".html": "text/html", ".json": "application/json"}

// ending is what a file's name ends with, from its last point on.
func ending(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 && len(name)-i <= 6 {
		return name[i:]
	}
	return ""
}

// mediaOf is the media type of a file by its name; one without a known ending is a PDF,
// which every file was when the vendor began to take any.
func mediaOf(name string) string {
	if media := endings[strings.ToLower(ending(name))]; media != "" {
		return media
	}
	return endings[".pdf"]
}

// audio reads a sound.
func (d *decoding) audio(at string, raw translate.Raw) (p translate.Part, err error) {
	p.Kind = translate.PartAudio
	err = translate.Object(at, raw, []translate.Field{{Name: "data", To: &p.Data}, {Name: "format", To: &p.MediaType}})
	if err == nil && p.Data == "" {
		p.Kind = 0
		d.req.Drop("content.input_audio")
	}
	return p, err
}

// sayable reports whether p can stand in a user's message as it is, and notes what cannot.
func sayable(req *translate.Request, p *translate.Part) bool {
	switch {
	case p.Kind == translate.PartAudio, p.Data != "":
	case p.ID != "" && req.Dialect == name:
	default:
		req.DropDocument(p)
		return false
	}
	if p.Detail != "" {
		req.Drop("content.document.context")
	}
	if p.Args != "" {
		req.Drop("citations")
	}
	return true
}

// appendFile appends a file or a sound, with a comma after it.
func appendFile(dst []byte, p *translate.Part) []byte {
	if p.Kind == translate.PartAudio {
		dst = append(dst, `{"type":"input_audio","input_audio":{"data":`...)
		dst = jsonx.AppendString(dst, p.Data)
		dst = append(dst, `,"format":`...)
		dst = jsonx.AppendString(dst, p.MediaType)
		return append(dst, `}},`...)
	}
	dst = append(dst, `{"type":"file","file":{`...)
	if p.Data == "" {
		dst = append(dst, `"file_id":`...)
		dst = jsonx.AppendString(dst, p.ID)
		return append(dst, `}},`...)
	}
	dst = append(dst, `"filename":`...)
	dst = jsonx.AppendString(dst, fileName(p))
	dst = append(dst, `,"file_data":"data:`...)
	dst = jsonx.AppendEscaped(dst, p.MediaType)
	dst = append(dst, `;base64,`...)
	dst = jsonx.AppendEscaped(dst, p.Data)
	return append(dst, `"}},`...)
}

// fileName is the name of a document: its title, with the ending of its type.
func fileName(p *translate.Part) string {
	title := p.Name
	if title == "" {
		title = "document"
	}
	if ending(title) != "" {
		return title
	}
	for of, media := range endings {
		if media == p.MediaType {
			return title + of
		}
	}
	return title
}
