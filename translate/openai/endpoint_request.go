package openai

import (
	"bytes"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Beside is the dialect of the paths beside chat: its questions are those that have a
// [translate.Opaque].
var Beside translate.Dialect = endpoint{}

type endpoint struct{ codec }

// asked is what is read of the JSON body of a path beside chat.
type asked struct {
	Model     string
	Stream    bool
	Format    string
	MaxTokens *int
	Choices   *int
	User      string
}

func (a *asked) fields() []translate.Field {
	return []translate.Field{
		{Name: "model", To: &a.Model},
		{Name: "stream", To: &a.Stream},
		{Name: "stream_format", To: &a.Format},
		{Name: "max_tokens", To: &a.MaxTokens},
		{Name: "n", To: &a.Choices},
		{Name: "user", To: &a.User},
	}
}

// DecodeRequest reads what must be known of the body of a question whose Opaque names its
// endpoint. All else of the body is its channel's to judge.
func (endpoint) DecodeRequest(req *translate.Request, body []byte) error {
	o, _ := jsonx.Scan(body)
	if err := translate.Bounded(&o, body); err != nil {
		return err
	}
	if !o.Valid {
		return translate.NotJSON(body)
	}
	if err := once(&o, "model", "stream"); err != nil {
		return err
	}
	var a asked
	if err := translate.Fill(body, o.Members, a.fields()); err != nil {
		return err
	}
	if err := elsewhere(&o, req.Opaque.Route()); err != nil {
		return err
	}
	q := *req.Opaque
	q.Size, q.Length = int64(len(body)), len(body)-pictures(body)
	if m := o.Find("model"); m != nil && a.Model != "" {
		q.Start, q.End = int64(m.Start), int64(m.End)
	} else if q.Model == "" || len(o.Members) == 0 || m != nil {
		return translate.InvalidAt("model", "you must provide a model parameter")
	} else {
		brace := int64(bytes.IndexByte(body, '{')) + 1
		q.Start, q.End, a.Model = brace, brace, q.Model
	}
	if err := translate.Bound("model", a.Model, translate.MaxModel); err != nil {
		return err
	}
	req.Dialect, req.Model, req.Raw, req.Opaque, req.User = name, a.Model, body, &q, translate.UserID(a.User)
	req.Stream = a.Stream || a.Format == "sse"
	if q.Images {
		q.Pictures = 1
		if a.Choices != nil {
			q.Pictures = translate.PicturesOf(*a.Choices)
		}
	}
	if q.Answer > 0 {
		req.Params.MaxTokens = a.MaxTokens
		if a.Choices != nil {
			req.Params.Choices = *a.Choices
		}
	}
	return nil
}

// elsewhere returns an *Error for a body that belongs to another front. What a back end takes at these
// paths is known to it alone: only a body that has none of the vendor's own members is refused.
func elsewhere(o *jsonx.Outline, path string) *translate.Error {
	for _, own := range []string{"input", "prompt", "query", "documents"} {
		if o.Find(own) != nil {
			return nil
		}
	}
	member, to := translate.Whose(o, "")
	if member == "" {
		return nil
	}
	return translate.InvalidAt(member, "a body with "+member+" is for "+to+", not for "+path)
}

// once makes sure that no name is there twice, in whatever case: a back end could read the other
// one.
func once(o *jsonx.Outline, names ...string) error {
	for _, name := range names {
		n := 0
		for i := range o.Members {
			if strings.EqualFold(string(o.Members[i].Key), name) {
				n++
			}
		}
		if exact := o.Find(name) != nil; n > 1 || n == 1 && !exact {
			return translate.InvalidAt(name, "the name "+name+" must be there once, in lower case")
		}
	}
	return nil
}

// pictures is how many bytes of a body are data in URLs, of which a model reads no text.
func pictures(body []byte) (n int) {
	const start = `"data:`
	for {
		at := bytes.Index(body, []byte(start))
		if at < 0 {
			return n
		}
		body = body[at+len(start):]
		end := bytes.IndexByte(body, '"')
		if end < 0 {
			return n
		}
		n += end
		body = body[end:]
	}
}

// AppendRequest appends the body as it came, with another model. Of a body in a file it appends
// nothing.
func (endpoint) AppendRequest(dst []byte, req *translate.Request) ([]byte, error) {
	o := req.Opaque
	if o.File != nil {
		return dst, nil
	}
	text, _ := o.ModelText(req.Model)
	dst = append(append(dst, req.Raw[:o.Start]...), text...)
	return append(dst, req.Raw[o.End:]...), nil
}

// AppendPath implements [translate.Pather].
func (endpoint) AppendPath(dst []byte, req *translate.Request) []byte {
	return append(dst, req.Opaque.Path...)
}

// FromPath implements [translate.Pather]: whoever has chosen the endpoint has read the path.
func (endpoint) FromPath(*translate.Request, string, string) error { return nil }
