package sdktest

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// The endpoints beside chat, as OpenAI's own library for Go asks them.
func TestTheEndpointsBesideChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "echo")
	c := openai.NewClient(option.WithBaseURL(w.url+"/v1"), option.WithAPIKey(clientKey), option.WithMaxRetries(0))
	ctx, model := t.Context(), "openai.echo"
	vectors, err := c.Embeddings.New(ctx, openai.EmbeddingNewParams{Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"a", "b c"}}})
	if err != nil || len(vectors.Data) != 2 || len(vectors.Data[1].Embedding) != 8 || vectors.Usage.PromptTokens != 3 {
		t.Errorf("embeddings: %+v, %v", vectors, err)
	}
	judged, err := c.Moderations.New(ctx, openai.ModerationNewParams{Model: model, Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("bad")}})
	if err != nil || !judged.Results[0].Flagged {
		t.Errorf("moderations: %+v, %v", judged, err)
	}
	heard, err := c.Audio.Transcriptions.New(ctx, openai.AudioTranscriptionNewParams{Model: model, File: bytes.NewReader(make([]byte, 2<<20))})
	if err != nil || heard.Text != "a sound of 2097152 bytes" {
		t.Errorf("transcription: %+v, %v", heard, err)
	}
	made, err := c.Images.Generate(ctx, openai.ImageGenerateParams{Model: model, Prompt: "a point"})
	if err != nil || !strings.HasPrefix(made.Data[0].B64JSON, "iVBOR") {
		t.Errorf("image: %+v, %v", made, err)
	}
	said, err := c.Audio.Speech.New(ctx, openai.AudioSpeechNewParams{Model: model, Input: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	defer said.Body.Close()
	if sound, err := io.ReadAll(said.Body); err != nil || !bytes.HasPrefix(sound, []byte("ID3")) || said.Header.Get("Content-Type") != "audio/mpeg" {
		t.Errorf("speech: %q, %v, %v", sound, said.Header, err)
	}
	stream := c.Completions.NewStreaming(ctx, openai.CompletionNewParams{Model: openai.CompletionNewParamsModel(model), Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("hi")}})
	text := ""
	for stream.Next() {
		text += stream.Current().Choices[0].Text
	}
	if stream.Err() != nil || text != "you said hi" {
		t.Errorf("completion: %q, %v", text, stream.Err())
	}
}
