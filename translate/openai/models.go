package openai

import "github.com/dragoman-gateway/dragoman/internal/jsonx"

// Model is one entry of GET /v1/models.
type Model struct {
	ID      string
	Created int64  // Unix time in milliseconds, as in translate.Envelope
	Owner   string // owned_by
}

// AppendModels appends the list object that answers GET /v1/models.
func AppendModels(dst []byte, models []Model) []byte {
	dst = append(dst, `{"object":"list","data":[`...)
	start := len(dst)
	for i := range models {
		dst = append(AppendModel(dst, models[i]), ',')
	}
	return append(jsonx.CloseList(dst, start), '}')
}

// AppendModel appends the object that answers GET /v1/models/:id.
func AppendModel(dst []byte, m Model) []byte {
	dst = append(dst, `{"id":`...)
	dst = jsonx.AppendString(dst, m.ID)
	dst = append(dst, `,"object":"model","created":`...)
	dst = jsonx.AppendInt(dst, m.Created/1000)
	dst = append(dst, `,"owned_by":`...)
	dst = jsonx.AppendString(dst, m.Owner)
	return append(dst, '}')
}
