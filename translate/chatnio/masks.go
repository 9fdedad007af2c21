package chatnio

import (
	"encoding/json"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// What the mask calls say when they fail (docs/rules/chatnio.md 6).
const (
	MaskNotSigned = "authentication_error"
	MaskInvalid   = "invalid_request_error"
)

// How long the texts of a mask may be, in characters.
const (
	maxAvatar      = 1024
	maxMaskName    = 256
	maxDescription = 4096
)

// Mask is a preset that a user keeps: messages to begin a chat with.
type Mask struct {
	ID          int64 // not above 0: one that does not exist yet
	Avatar      string
	Name        string
	Description string
	Context     []byte // JSON list of role and content
}

// AppendMasks appends the answer to GET /conversation/mask/view.
func AppendMasks(dst []byte, masks []Mask) []byte {
	dst = append(dst, `{"status":true,"data":[`...)
	for i := range masks {
		m := &masks[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonx.AppendInt(append(dst, `{"id":`...), m.ID)
		dst = jsonx.AppendHTMLString(append(dst, `,"avatar":`...), m.Avatar)
		dst = jsonx.AppendHTMLString(append(dst, `,"name":`...), m.Name)
		dst = jsonx.AppendHTMLString(append(dst, `,"description":`...), m.Description)
		dst = append(dst, `,"context":`...)
		if len(m.Context) == 0 {
			dst = append(dst, `[]`...)
		}
		dst = append(append(dst, m.Context...), '}')
	}
	return append(dst, `],"error":""}`...)
}

// AppendMaskOK appends the answer to a mask that was saved or deleted.
func AppendMaskOK(dst []byte) []byte { return append(dst, `{"status":true,"error":""}`...) }

// AppendMaskFail appends the answer to a mask call that failed, sent with HTTP
// 200. data is an empty list, where the real server has null.
func AppendMaskFail(dst []byte, message string) []byte {
	dst = jsonx.AppendHTMLString(append(dst, `{"status":false,"data":[],"error":`...), message)
	dst = jsonx.AppendHTMLString(append(dst, `,"message":`...), message)
	return append(dst, '}')
}

// DecodeMask reads the body of POST /conversation/mask/save. The messages of its
// context are brought into the form that [AppendMessages] gives them. The error
// is an *Error with CodeValidation.
func DecodeMask(body []byte) (Mask, error) {
	var w struct {
		ID          translate.Raw `json:"id"`
		Avatar      string        `json:"avatar"`
		Name        string        `json:"name"`
		Description string        `json:"description"`
		Context     translate.Raw `json:"context"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return Mask{}, invalid(MaskInvalid, err)
	}
	for _, t := range [...]struct {
		text string
		most int
	}{{w.Avatar, maxAvatar}, {w.Name, maxMaskName}, {w.Description, maxDescription}} {
		if translate.TooLong(t.text, t.most) {
			return Mask{}, translate.Invalid(MaskInvalid)
		}
	}
	m := Mask{ID: -1, Avatar: w.Avatar, Name: w.Name, Description: w.Description}
	if text := scalar(w.ID); text != "" {
		n, ok := integral(text)
		if !ok {
			return Mask{}, translate.Invalid(MaskInvalid)
		}
		m.ID = n
	}
	var msgs []translate.Message
	if !w.Context.Null() {
		var ok bool
		if msgs, ok = DecodeMessages(w.Context); !ok {
			return Mask{}, translate.Invalid(MaskInvalid)
		}
	}
	m.Context = AppendMessages(nil, msgs)
	return m, nil
}

// DecodeMaskID reads the body of POST /conversation/mask/delete. The error is an
// *Error with CodeValidation.
func DecodeMaskID(body []byte) (int64, error) {
	var w struct {
		ID translate.Raw `json:"id"`
	}
	if err := json.Unmarshal(body, &w); err != nil {
		return 0, invalid(MaskInvalid, err)
	}
	n, ok := integral(scalar(w.ID))
	if !ok {
		return 0, translate.Invalid(MaskInvalid)
	}
	return n, nil
}
