package translate

// BytesPerToken is the usual size of a token in English prose; what is estimated
// with it is marked so.
const BytesPerToken = 4

// What a medium counts until the back end has said what it was: nobody can tell from
// its bytes, and their number says nothing. Vendors publish what theirs cost.
const (
	imageTokens    = 1600  // the most that one image is at Anthropic (width × height / 750, scaled down above that); 1,105 at OpenAI for 2048 × 1024 in detail
	audioTokens    = 2000  // a minute at 32 tokens a second, as Google counts
	videoTokens    = 16000 // a minute at 263 tokens a second, as Google counts
	documentTokens = 9000  // three pages, each up to 3,000 tokens of text at Anthropic
)

// wrapping is how many bytes of a body may be names, numbers and brackets.
const wrapping = 1024

// Tokens is the usual number of tokens in n bytes of text.
func Tokens(n int) int { return (n + BytesPerToken - 1) / BytesPerToken }

// Length is how long r is as a model sees it, in bytes of text. What is no text
// counts with a flat price.
func (r *Request) Length() int {
	n := r.LengthBeside()
	for i := range r.Messages {
		n += r.Messages[i].Length()
	}
	return n
}

// LengthBeside is Length of all but the messages.
func (r *Request) LengthBeside() int {
	n := len(r.ToolChoice.Name) + len(r.Params.ResponseFormat)
	for i := range r.Tools {
		t := &r.Tools[i]
		n += max(len(t.Name)+len(t.Description)+len(t.Schema)+len(t.Cache), 1)
	}
	for _, s := range r.Params.Stop {
		n += max(len(s), 1)
	}
	return n
}

// PassedLength is Length of a question that is passed on as it came. Its body is what
// counts where it holds much more than the canonical form knows of: whatever that is, the
// model may read it. Up to that, it is how JSON writes the same.
func (r *Request) PassedLength() int {
	if r.Opaque != nil {
		return r.Opaque.Length
	}
	known, body := r.Length(), len(r.Raw)
	for i := range r.Messages {
		for j := range r.Messages[i].Parts {
			p := &r.Messages[i].Parts[j]
			body += p.flatTokens()*BytesPerToken - len(p.Data)
		}
	}
	if body <= 2*known+wrapping {
		body = known
	}
	return body
}

// Length is how long m is, as that of a [Request]. None is free.
func (m *Message) Length() int {
	n := len(m.Name)
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Kind == PartText { // most are, and have nothing else
			n += len(p.Text) + len(p.Signature) + len(p.Cache)
			continue
		}
		// Data is counted by the medium.
		n += len(p.Text) + len(p.URL) + len(p.ID) + len(p.Name) + len(p.Args) + len(p.Signature) + len(p.Cache) + p.flatTokens()*BytesPerToken
	}
	return max(n, 1)
}

// flatTokens is the flat price of a part that is no text.
func (p *Part) flatTokens() int {
	switch p.Kind {
	case PartImage:
		return imageTokens
	case PartAudio:
		return audioTokens
	case PartDocument:
		if p.Text != "" {
			return 0
		}
		return documentTokens
	case PartMedia:
		switch p.MediaType {
		case "voice":
			return audioTokens
		case "video":
			return videoTokens
		}
		return imageTokens
	}
	return 0
}
