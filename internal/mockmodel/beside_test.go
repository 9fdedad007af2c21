package mockmodel

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"testing"
)

// wave is a WAV of so many seconds, 1,000 bytes each; claimed is the size that it says its samples have.
func wave(seconds int, claimed uint32) []byte {
	b := append([]byte("RIFF"), 0xff, 0xff, 0xff, 0xff)
	b = append(b, "WAVELIST\x03\x00\x00\x00abc\x00fmt \x10\x00\x00\x00\x01\x00\x01\x00"...)
	b = binary.LittleEndian.AppendUint32(b, 1000)
	b = binary.LittleEndian.AppendUint32(b, 1000)
	b = append(b, "\x01\x00\x08\x00data"...)
	return append(binary.LittleEndian.AppendUint32(b, claimed), make([]byte, 1000*seconds)...)
}

func TestATranscriptionTellsHowLongItsSoundWas(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for _, c := range []struct {
		model, format string
		file          []byte
		kind          string // of the usage; empty: there is none
		seconds       float64
		duration      float64
	}{
		{"whisper-sound", "json", wave(90, 90_000), "duration", 90, 0},
		{"whisper-sound", "verbose_json", wave(90, 90_000), "duration", 90, 90},
		{"sound-nousage", "verbose_json", wave(3, 1<<32-1), "", 0, 3},
		{"sound", "json", []byte("RIFF"), "tokens", 0, 0},
		{"sound", "json", wave(1, 0), "tokens", 0, 0},
		{"sound", "verbose_json", wave(2, 2000)[:56], "tokens", 0, 0}, // it is cut at its samples
		{"whisper", "verbose_json", wave(90, 90_000), "tokens", 0, 0},
	} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		part, _ := form.CreateFormFile("file", "a.wav")
		_, _ = part.Write(c.file)
		_ = form.WriteField("model", c.model)
		_ = form.WriteField("response_format", c.format)
		_ = form.Close()
		status, _, text, err := r.call("POST", "/v1/audio/transcriptions", body.String(), "Content-Type", form.FormDataContentType())
		var answer struct {
			Duration float64
			Usage    struct {
				Type    string
				Seconds float64
			}
		}
		if err != nil || status != 200 || json.Unmarshal([]byte(text), &answer) != nil || answer.Usage.Type != c.kind || answer.Usage.Seconds != c.seconds || answer.Duration != c.duration {
			t.Errorf("%s as %s: %d %s %v", c.model, c.format, status, text, err)
		}
	}
}

func TestPicturesAreAsManyAsAreAskedFor(t *testing.T) {
	t.Parallel()
	r := start(t, Options{})
	for n, want := range map[int]int{-1: 1, 0: 1, 1: 1, 3: 3, 10: 10, 11: 10} {
		var body bytes.Buffer
		form := multipart.NewWriter(&body)
		_ = form.WriteField("model", "m")
		_ = form.WriteField("n", fmt.Sprint(n))
		_ = form.Close()
		for path, q := range map[string][2]string{
			"/v1/images/generations": {fmt.Sprintf(`{"model":"m","prompt":"p","n":%d}`, n), "application/json"},
			"/v1/images/edits":       {body.String(), form.FormDataContentType()},
		} {
			status, _, text, err := r.call("POST", path, q[0], "Content-Type", q[1])
			var answer struct{ Data []any }
			if err != nil || status != 200 || json.Unmarshal([]byte(text), &answer) != nil || len(answer.Data) != want {
				t.Errorf("%s of %d: %d %.200s %v", path, n, status, text, err)
			}
		}
	}
}
