package anthropic

import (
	"time"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
)

// Model is one entry of GET /v1/models.
type Model struct {
	ID      string
	Name    string // display_name; empty: the id
	Created int64  // Unix time in milliseconds, as in translate.Envelope
}

// AppendModels appends the page that answers GET /v1/models: always one, with
// all models.
func AppendModels(dst []byte, models []Model) []byte {
	dst = append(dst, `{"data":[`...)
	start := len(dst)
	for i := range models {
		dst = append(AppendModel(dst, models[i]), ',')
	}
	dst = jsonx.CloseList(dst, start)
	dst = append(dst, `,"has_more":false,"first_id":`...)
	if len(models) == 0 {
		return append(dst, `null,"last_id":null}`...)
	}
	dst = jsonx.AppendString(dst, models[0].ID)
	dst = append(dst, `,"last_id":`...)
	dst = jsonx.AppendString(dst, models[len(models)-1].ID)
	return append(dst, '}')
}

// AppendModel appends the object that answers GET /v1/models/:id.
func AppendModel(dst []byte, m Model) []byte {
	dst = append(dst, `{"type":"model","id":`...)
	dst = jsonx.AppendString(dst, m.ID)
	dst = append(dst, `,"display_name":`...)
	if m.Name == "" {
		m.Name = m.ID
	}
	dst = jsonx.AppendString(dst, m.Name)
	dst = append(dst, `,"created_at":"`...)
	dst = time.UnixMilli(m.Created).UTC().AppendFormat(dst, time.RFC3339)
	return append(dst, `"}`...)
}
