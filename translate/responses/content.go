package responses

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// wirePart is a part of a message's content, or of a tool's output.
type wirePart struct {
	Type, Text, Refusal string
	Image               translate.Raw // an address or a data URI; some clients write it as chat completions do
	Detail, FileID      string
	FileData, FileURL   string
	FileName            string
	Audio               translate.Raw
}

func (w *wirePart) fields() []translate.Field {
	return []translate.Field{
		{Name: "type", To: &w.Type},
		{Name: "text", To: &w.Text},
		{Name: "refusal", To: &w.Refusal},
		{Name: "image_url", To: &w.Image},
		{Name: "detail", To: &w.Detail},
		{Name: "file_id", To: &w.FileID},
		{Name: "file_data", To: &w.FileData},
		{Name: "file_url", To: &w.FileURL},
		{Name: "filename", To: &w.FileName},
		{Name: "input_audio", To: &w.Audio},
	}
}

// content adds the parts of a content. A text alone is one, and anything but a list or a
// text is the text of its JSON where other is set, for results that clients write so.
func (d *decoding) content(path string, raw translate.Raw, other string) error {
	switch {
	case raw.Null():
		return nil
	case raw[0] == '"':
		text, err := translate.Text(path, raw)
		d.parts.Add(translate.Part{Kind: translate.PartText, Text: text})
		return err
	case raw[0] != '[' && other != "":
		d.parts.Add(translate.Part{Kind: translate.PartText, Text: string(raw)})
		return nil
	case raw[0] != '[':
		return translate.InvalidAt(path, path+" must be a string or an array of parts")
	}
	i := 0
	for raw := range jsonx.Elements(raw) {
		if err := d.req.Stopped(i); err != nil {
			return err
		}
		p, err := d.decodePart(translate.Index(path, i), raw)
		if err != nil {
			return err
		}
		if p.Kind != 0 {
			d.parts.Add(p)
		}
		i++
	}
	return nil
}

// decodePart returns a part without a kind for what the canonical form cannot say.
func (d *decoding) decodePart(path string, raw []byte) (p translate.Part, err error) {
	w := &d.part
	*w = wirePart{}
	if err := translate.Object(path, raw, d.partFields); err != nil {
		return p, err
	}
	switch w.Type {
	case "input_text", "output_text", "text":
		return translate.Part{Kind: translate.PartText, Text: w.Text}, nil
	case "refusal":
		return translate.Part{Kind: translate.PartText, Text: w.Refusal}, nil
	case "input_image":
		return d.image(path, w)
	case "input_file":
		return d.file(path, w)
	case "input_audio":
		p.Kind = translate.PartAudio
		err = translate.Object(path+".input_audio", w.Audio, []translate.Field{{Name: "data", To: &p.Data}, {Name: "format", To: &p.MediaType}})
		if err == nil && p.Data != "" {
			return p, nil
		}
		p.Kind = 0
	case "":
		return p, translate.InvalidAt(path+".type", path+".type is required")
	}
	d.req.DropWord("content." + w.Type)
	return p, err
}

// image reads an image: an address, a data URI, or the id under which the vendor has it.
func (d *decoding) image(path string, w *wirePart) (p translate.Part, err error) {
	p = translate.Part{Kind: translate.PartImage, Detail: w.Detail, ID: w.FileID}
	var url string
	if !w.Image.Null() && w.Image[0] == '{' {
		err = translate.Object(path+".image_url", w.Image, []translate.Field{{Name: "url", To: &url}, {Name: "detail", To: &p.Detail}})
	} else {
		url, err = translate.Text(path+".image_url", w.Image)
	}
	switch {
	case err != nil:
		return p, err
	case url == "" && p.ID == "":
		return p, translate.InvalidAt(path+".image_url", path+".image_url is required")
	case url == "":
		return p, nil
	}
	p.ID = ""
	if !translate.IsData(url) {
		p.URL = url
		return p, nil
	}
	media, data, _ := translate.DataURI(url)
	if media = translate.ImageType(media); media == "" {
		return p, translate.InvalidAt(path+".image_url", path+".image_url must be an address or a base64 data URI with a media type")
	}
	p.MediaType, p.Data = media, data
	return p, nil
}

// file reads a file: its bytes, its address, or the id under which the vendor has it.
func (d *decoding) file(path string, w *wirePart) (p translate.Part, err error) {
	p = translate.Part{Kind: translate.PartDocument, Name: w.FileName}
	switch {
	case w.FileData != "":
		if p.Data = w.FileData; translate.IsData(w.FileData) {
			p.MediaType, p.Data, _ = translate.DataURI(w.FileData)
			p.MediaType = translate.ImageType(p.MediaType)
		}
		if p.Data == "" {
			return p, translate.InvalidAt(path+".file_data", path+".file_data must be base64, or a base64 data URI")
		}
		if p.MediaType == "" {
			p.MediaType = mediaOf(p.Name)
		}
	case w.FileURL != "":
		p.URL = w.FileURL
	case w.FileID != "":
		p.ID = w.FileID
	default:
		return p, translate.InvalidAt(path, path+" has neither file_data nor file_url nor file_id")
	}
	return p, nil
}

// endings are the media types of files by their names.
var endings = []struct{ end, media string }{
	{".pdf", "application/pdf"}, {".txt", "text/plain"}, {".md", "text/markdown"}, {".csv", "text/csv"}, {".html", "text/html"}, {".json", "application/json"},
}

// mediaOf is the media type of a file by its name; one without a known ending is a PDF.
func mediaOf(name string) string {
	for _, e := range endings {
		if strings.HasSuffix(strings.ToLower(name), e.end) {
			return e.media
		}
	}
	return endings[0].media
}

// fileName is the name of a document: its title, with the ending of its type.
func fileName(p *translate.Part) string {
	title := p.Name
	if title == "" {
		title = "document"
	}
	if i := strings.LastIndexByte(title, '.'); i >= 0 && len(title)-i <= 6 {
		return title
	}
	for _, e := range endings {
		if e.media == p.MediaType {
			return title + e.end
		}
	}
	return title
}
