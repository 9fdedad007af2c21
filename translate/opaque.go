package translate

import (
	"bytes"
	"io"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// Endpoint is a path of a dialect beside its chat. Its questions and answers have no canonical form:
// they pass to channels of the dialect and back as they are.
type Endpoint struct {
	// Path is where it lies behind the base of an address, such as /embeddings.
	Path string
	// Operation is the gen_ai.operation.name of OpenTelemetry's conventions.
	Operation string
	// Model is asked where the question names none; empty: the question has to.
	Model string
	// Form: the body may be multipart/form-data, whose field model names the model. Else, and in
	// any other case, it is JSON with a member of that name.
	Form bool
	// OnlyForm: it has to be.
	OnlyForm bool
	// Usage are the members of the answer in which tokens are counted. The first that is there
	// counts.
	Usage []string
	// Duration is the member of the answer that tells the seconds of sound where Usage does not say what
	// was used; empty: there is none.
	Duration string
	// Images: the answer has pictures, one for each object of its member data, or of its events
	// that tell of one that is complete.
	Images bool
	// Answer is how many tokens an answer is expected to have where the question does not bound
	// them; 0: none, whatever the question says.
	Answer int
	// Text: an answer may be text that is not JSON.
	Text bool
	// Live: clients use the answer while it comes.
	Live bool
	// Slow: there may be long silences within an answer.
	Slow bool
}

// Route is the path that clients ask at, such as /v1/embeddings; a server may have put a prefix before it.
func (e *Endpoint) Route() string { return "/v1" + e.Path }

// Prose reports whether an answer that begins with first is text although e answers in JSON: it is
// of a proxy or of a server that is no model. Pictures that come as their bytes are no text.
func (e *Endpoint) Prose(first []byte) bool {
	if e.Text || e.Live {
		return false
	}
	first = bytes.TrimSpace(bytes.TrimPrefix(first, []byte("\xef\xbb\xbf")))
	return len(first) > 0 && first[0] != '{' && first[0] != '[' && !bytes.ContainsFunc(first, func(r rune) bool { return r < '\t' })
}

// Opaque is a question of an [Endpoint].
type Opaque struct {
	*Endpoint
	// Type is the Content-Type of the body.
	Type string
	// File holds the body, which has Size bytes, where Request.Raw does not; nil: Raw does.
	File io.ReaderAt
	Size int64
	// Start and End are where the model's name lies in the body. Where both are the same, it is to
	// be put there.
	Start, End int64
	// Pictures is how many pictures are asked for, at least.
	Pictures int
	// Length is how many bytes of the body are text that a model reads.
	Length int
}

// MostPictures is how many pictures of one answer are counted.
const MostPictures = 1000

// PicturesOf is how many pictures a question is taken to ask for that says n.
func PicturesOf(n int) int { return min(max(n, 1), MostPictures) }

// ModelText is what stands in the body for a model called name; said says that the question names
// one.
func (o *Opaque) ModelText(name string) (text []byte, said bool) {
	said = o.End > o.Start
	switch {
	case o.File != nil || o.Type != "" && IsForm(o.Type):
		return []byte(name), said
	case said:
		return jsonx.AppendString(nil, name), true
	case name == o.Model:
		return nil, false
	}
	return append(jsonx.AppendString([]byte(`"model":`), name), ','), false
}

// IsForm reports whether a Content-Type is multipart/form-data.
func IsForm(kind string) bool { return isMedia(kind, "multipart/form-data") }

// SentSize is how many bytes the body has for a model called name.
func (o *Opaque) SentSize(name string) int64 {
	text, _ := o.ModelText(name)
	return o.Size - (o.End - o.Start) + int64(len(text))
}

// Sent reads a body that is in a File, for a model called name.
func (o *Opaque) Sent(name string) io.Reader {
	text, _ := o.ModelText(name)
	return io.MultiReader(io.NewSectionReader(o.File, 0, o.Start), bytes.NewReader(text), io.NewSectionReader(o.File, o.End, o.Size-o.End))
}

// IsEvents reports whether a Content-Type is that of server-sent events.
func IsEvents(kind string) bool { return isMedia(kind, "text/event-stream") }

// IsSound reports whether a Content-Type is one under which sound comes.
func IsSound(kind string) bool {
	family, _, _ := strings.Cut(strings.TrimSpace(kind), "/")
	return strings.EqualFold(family, "audio") || isMedia(kind, "application/octet-stream")
}

// isMedia reports whether a Content-Type is of a media type, in lower case.
func isMedia(kind, media string) bool {
	name, _, _ := strings.Cut(kind, ";")
	return strings.EqualFold(strings.TrimSpace(name), media)
}
