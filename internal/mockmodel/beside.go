package mockmodel

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// besideRequest is a question of a path beside chat, as far as a model looks at it.
type besideRequest struct {
	Model      string          `json:"model"`
	Input      json.RawMessage `json:"input"`
	Prompt     json.RawMessage `json:"prompt"`
	Stream     bool            `json:"stream"`
	Dimensions int             `json:"dimensions"`
	Documents  []any           `json:"documents"`
	Number     int             `json:"n"` // of pictures
	format     string          // of a transcription
	file       int             // bytes of the files
	seconds    float64         // of the first file that is a WAV; 0: there is none
	script     Script
}

// besidePaths are the paths of the openai dialect beside chat. Their answers are short, and depend on the question
// alone.
var besidePaths = map[string]func(r *besideRequest) (kind string, body []byte){
	"/v1/embeddings":         embed,
	"/v1/completions":        complete,
	"/v1/moderations":        moderate,
	"/v1/rerank":             rank,
	"/v1/images/generations": paint,
	"/v1/images/edits":       paint,
	"/v1/images/variations":  paint,
	"/v1/audio/speech": func(*besideRequest) (string, []byte) {
		return "audio/mpeg", []byte("ID3\x04\x00\x00\xff\xfb\x90\x00")
	},
	"/v1/audio/transcriptions": transcribe,
	"/v1/audio/translations":   transcribe,
}

// besideChat serves POST of a path beside chat, and reports whether path is one.
func (s *Server) besideChat(ctx *fasthttp.RequestCtx, path string) bool {
	answer := besidePaths[path]
	if answer == nil || !ctx.IsPost() {
		return false
	}
	key := bearer(ctx)
	if !s.accepts(key) {
		refuse(ctx, refusal{status: 401, message: "Incorrect API key provided."}, openaiAnswer{})
		return true
	}
	r, wrong := readBeside(ctx)
	if wrong != "" {
		refuse(ctx, refusal{status: 400, message: wrong}, openaiAnswer{})
		return true
	}
	s.begin(s.seen(ctx, Seen{Dialect: "openai", Model: r.Model, Key: key, Stream: r.Stream}))
	defer s.finish(false)
	sc := s.count.apply(r.Model, Plan(r.Model, nil, nil))
	if sc.Fault == FaultFail {
		refuse(ctx, sc.refusal(), openaiAnswer{})
		return true
	}
	r.script = sc
	kind, body := answer(r)
	ctx.SetContentType(kind)
	ctx.SetBody(body)
	return true
}

// readBeside reads a question; wrong says what is wrong with it.
func readBeside(ctx *fasthttp.RequestCtx) (r *besideRequest, wrong string) {
	r = &besideRequest{}
	kind, params, _ := mime.ParseMediaType(string(ctx.Request.Header.ContentType()))
	if kind != "multipart/form-data" {
		if err := json.Unmarshal(ctx.PostBody(), r); err != nil {
			return nil, "We could not parse the JSON body of your request: " + err.Error()
		}
	} else if err := r.readForm(multipart.NewReader(bytes.NewReader(ctx.PostBody()), params["boundary"])); err != nil {
		return nil, "Could not parse multipart form: " + err.Error()
	}
	if r.Model == "" {
		return nil, "you must provide a model parameter"
	}
	return r, ""
}

func (r *besideRequest) readForm(form *multipart.Reader) error {
	for {
		part, err := form.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return err
		}
		switch name := part.FormName(); {
		case part.FileName() != "":
			if r.file += len(value); r.seconds == 0 {
				r.seconds = secondsOf(value)
			}
		case name == "n":
			r.Number, _ = strconv.Atoi(string(value))
		case name == "model":
			r.Model = string(value)
		case name == "stream":
			r.Stream = string(value) == "true"
		case name == "response_format":
			r.format = string(value)
		}
	}
}

// texts are the texts of a value that is one or a list.
func texts(value json.RawMessage) (all []string) {
	var one string
	if json.Unmarshal(value, &one) == nil {
		return []string{one}
	}
	var list []json.RawMessage
	_ = json.Unmarshal(value, &list)
	for _, each := range list {
		all = append(all, strings.Trim(string(each), `"`))
	}
	return all
}

func wordsIn(all []string) (n int) {
	for _, text := range all {
		n += len(strings.Fields(text))
	}
	return n
}

// embed gives each text a vector that depends on nothing else.
func embed(r *besideRequest) (string, []byte) {
	type vector struct {
		Object    string    `json:"object"`
		Index     int       `json:"index"`
		Embedding []float64 `json:"embedding"`
	}
	size := r.Dimensions
	if size <= 0 || size > 4096 {
		size = 8
	}
	all := texts(r.Input)
	list := make([]vector, 0, len(all))
	for i, text := range all {
		v := vector{Object: "embedding", Index: i}
		h := fnv.New32a()
		for range size {
			_, _ = h.Write([]byte(text + "."))
			v.Embedding = append(v.Embedding, float64(h.Sum32())/(1<<31)-1)
		}
		list = append(list, v)
	}
	n := wordsIn(all)
	return asJSON(map[string]any{"object": "list", "data": list, "model": r.Model, "usage": map[string]int{"prompt_tokens": n, "total_tokens": n}})
}

func complete(r *besideRequest) (string, []byte) {
	text := strings.Join(texts(r.Prompt), " ")
	if !r.Stream {
		n := len(strings.Fields(text))
		return asJSON(map[string]any{"id": "cmpl-mock", "object": "text_completion", "created": unixSeconds(), "model": r.Model,
			"choices": []any{map[string]any{"text": "you said " + text, "index": 0, "logprobs": nil, "finish_reason": "stop"}},
			"usage":   map[string]int{"prompt_tokens": n, "completion_tokens": n + 2, "total_tokens": 2*n + 2}})
	}
	var b bytes.Buffer
	for _, piece := range []string{"you ", "said ", text} {
		fmt.Fprintf(&b, "data: {\"id\":\"cmpl-mock\",\"object\":\"text_completion\",\"created\":%d,\"model\":%q,\"choices\":[{\"text\":%q,\"index\":0,\"logprobs\":null,\"finish_reason\":null}]}\n\n", unixSeconds(), r.Model, piece)
	}
	b.WriteString("data: {\"id\":\"cmpl-mock\",\"object\":\"text_completion\",\"choices\":[{\"text\":\"\",\"index\":0,\"logprobs\":null,\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	return "text/event-stream", b.Bytes()
}

func moderate(r *besideRequest) (string, []byte) {
	var list []any
	for _, text := range texts(r.Input) {
		bad := strings.Contains(text, "bad")
		list = append(list, map[string]any{"flagged": bad, "categories": map[string]bool{"violence": bad}, "category_scores": map[string]float64{"violence": 0.5}})
	}
	return asJSON(map[string]any{"id": "modr-mock", "model": r.Model, "results": list})
}

func rank(r *besideRequest) (string, []byte) {
	var list []any
	for i := range r.Documents {
		list = append(list, map[string]any{"index": i, "relevance_score": 1 / float64(i+1)})
	}
	return asJSON(map[string]any{"model": r.Model, "results": list, "usage": map[string]int{"total_tokens": len(r.Documents)}})
}

// pixel is a picture of one point.
const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

// mostPictures is how many pictures an answer has at most.
const mostPictures = 10

func paint(r *besideRequest) (string, []byte) {
	return asJSON(map[string]any{"created": unixSeconds(), "data": slices.Repeat([]any{map[string]string{"b64_json": pixel}}, min(max(r.Number, 1), mostPictures)), "usage": map[string]int{"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}})
}

func transcribe(r *besideRequest) (string, []byte) {
	text := fmt.Sprintf("a sound of %d bytes", r.file)
	if r.format == "text" {
		return "text/plain; charset=utf-8", []byte(text + "\n")
	}
	answer := map[string]any{"text": text}
	sound := r.script.Sound && r.seconds > 0
	if sound && r.format == "verbose_json" {
		answer["task"], answer["language"], answer["duration"], answer["segments"] = "transcribe", "english", r.seconds, []any{}
	}
	switch {
	case r.script.NoUsage:
	case sound:
		answer["usage"] = map[string]any{"type": "duration", "seconds": r.seconds}
	default:
		answer["usage"] = map[string]any{"type": "tokens", "input_tokens": 5, "output_tokens": 6, "total_tokens": 11}
	}
	return asJSON(answer)
}

// secondsOf is how long the sound of a WAV is; 0: file is none. A writer that streams does not know the size
// of the samples, and says too much: then all that came are samples.
func secondsOf(file []byte) float64 {
	if len(file) < 12 || string(file[:4]) != "RIFF" || string(file[8:12]) != "WAVE" {
		return 0
	}
	var perSecond uint32 // bytes
	for rest := file[12:]; len(rest) >= 8; {
		name, size := string(rest[:4]), uint64(binary.LittleEndian.Uint32(rest[4:8]))
		rest = rest[8:]
		size = min(size, uint64(len(rest)))
		switch {
		case name == "fmt " && size >= 12:
			perSecond = binary.LittleEndian.Uint32(rest[8:12])
		case name == "data" && perSecond > 0:
			return float64(size) / float64(perSecond)
		}
		rest = rest[min(size+size%2, uint64(len(rest))):] // chunks begin at even places
	}
	return 0
}

func asJSON(v any) (string, []byte) {
	body, _ := json.Marshal(v)
	return "application/json", body
}
