package ollama

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/dragoman-gateway/dragoman/internal/jsonx"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Version is the version of the vendor's server whose API this package speaks. Clients look at it
// before they use what came with it.
const Version = "0.12.6"

// AppendVersion appends the object that answers GET /api/version.
func AppendVersion(dst []byte) []byte {
	return append(jsonx.AppendString(append(dst, `{"version":`...), Version), '}')
}

// since is the date that is given for every model: nobody has said one.
const since = "2023-11-14T22:13:20Z"

// AppendModels appends the object that answers GET /api/tags.
func AppendModels(dst []byte, names []string) []byte {
	dst = append(dst, `{"models":[`...)
	start := len(dst)
	for _, n := range names {
		dst = append(jsonx.AppendString(append(dst, `{"name":`...), n), `,"model":`...)
		dst = append(jsonx.AppendString(dst, n), `,"modified_at":"`+since+`","size":0,"digest":"`...)
		sum := sha256.Sum256([]byte(n)) // clients tell models apart by it
		dst = append(hex.AppendEncode(dst, sum[:]), `","details":`+details+`},`...)
	}
	return append(jsonx.CloseList(dst, start), '}')
}

// details are those of a model of which nothing is known.
const details = `{"parent_model":"","format":"","family":"dragoman","families":["dragoman"],"parameter_size":"","quantization_level":""}`

// AppendModel appends the object that answers POST /api/show. What a model can do is not known: a
// client is told all that it may try.
func AppendModel(dst []byte, model string) []byte {
	dst = append(dst, `{"modelfile":"","parameters":"","template":"","license":"","details":`+details+`,"model_info":{"general.architecture":"dragoman","general.basename":`...)
	dst = jsonx.AppendString(dst, model)
	return append(dst, `},"capabilities":["completion","tools","vision","thinking"],"modified_at":"`+since+`"}`...)
}

// ModelOf reads the body of POST /api/show, whose model older clients call name.
func ModelOf(body []byte) (string, error) {
	o, ok := jsonx.Members(body)
	if !ok {
		return "", translate.NotJSON(body)
	}
	var model, older string
	if err := translate.Fill(body, o.Members, []translate.Field{{Name: "model", To: &model}, {Name: "name", To: &older}}); err != nil {
		return "", err
	}
	if model == "" {
		model = older
	}
	if model == "" {
		return "", translate.InvalidAt("model", "model is required")
	}
	return model, translate.Bound("model", model, translate.MaxModel)
}

// latest is the tag of a name that has none.
const latest = ":latest"

// Untagged is the name that clients mean by one with the tag that goes without saying; "": it has
// another tag, or none.
func Untagged(model string) string {
	if n := len(model) - len(latest); n > 0 && model[n:] == latest {
		return model[:n]
	}
	return ""
}

// Load is a question that asks nothing: a client has a model loaded, or taken out of memory.
type Load struct {
	Model  string
	prompt bool
	unload bool
}

// LoadOf reads a body that asks nothing; ok is false for any other. prompt: it is one of a prompt.
func LoadOf(body []byte, prompt bool) (l Load, ok bool) {
	o, isObject := jsonx.Members(body)
	if !isObject {
		return l, false
	}
	var w wireRequest
	var keep translate.Raw
	if translate.Fill(body, o.Members, append(w.fields(), translate.Field{Name: "keep_alive", To: &keep})) != nil || w.Model == "" || translate.TooLong(w.Model, translate.MaxModel) {
		return l, false
	}
	if prompt && (w.Prompt != "" || says(w.Images) || says(w.Suffix) || elsewhere(&o, true) != nil) || !prompt && (o.Find("messages") == nil || says(w.Messages)) {
		return l, false
	}
	switch string(keep) {
	case "0", `"0"`, `"0s"`, `"0m"`:
		l.unload = true
	}
	l.Model, l.prompt = w.Model, prompt
	return l, true
}

// Append appends the answer to l; created is in milliseconds.
func (l *Load) Append(dst []byte, created int64) []byte {
	dst = appendHead(dst, l.Model, created)
	if l.prompt {
		dst = append(dst, `,"response":""`...)
	} else {
		dst = append(dst, `,"message":{"role":"assistant","content":""}`...)
	}
	if l.unload {
		return append(dst, `,"done":true,"done_reason":"unload"}`...)
	}
	return append(dst, `,"done":true,"done_reason":"load"}`...)
}
