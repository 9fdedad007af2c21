package gemini

import "github.com/dragoman-gateway/dragoman/internal/jsonx"

// AppendModels appends the page that answers GET /v1beta/models: always one, with all models.
func AppendModels(dst []byte, names []string) []byte {
	dst = append(dst, `{"models":[`...)
	start := len(dst)
	for _, n := range names {
		dst = append(AppendModel(dst, n), ',')
	}
	return append(jsonx.CloseList(dst, start), '}')
}

// AppendModel appends the object that answers GET /v1beta/models/{model}.
func AppendModel(dst []byte, model string) []byte {
	dst = append(dst, `{"name":"models/`...)
	dst = jsonx.AppendEscaped(dst, model)
	dst = append(dst, `","displayName":`...)
	dst = jsonx.AppendString(dst, model)
	return append(dst, `,"supportedGenerationMethods":["generateContent","streamGenerateContent","countTokens"]}`...)
}
