package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	sasha "github.com/sashabaranov/go-openai"
)

// sashaClient is the library that most Go programs used before OpenAI had one.
type sashaClient struct{ c *sasha.Client }

func dialSashabaranov(o options) client {
	conf := sasha.DefaultConfig(o.key)
	conf.BaseURL = o.url + "/v1"
	conf.HTTPClient = &http.Client{Transport: o.http}
	return sashaClient{sasha.NewClientWithConfig(conf)}
}

func (c sashaClient) request(q *question) sasha.ChatCompletionRequest {
	r := sasha.ChatCompletionRequest{Model: q.model}
	if q.system != "" {
		r.Messages = append(r.Messages, sasha.ChatCompletionMessage{Role: "system", Content: q.system})
	}
	for _, t := range q.turns {
		m := sasha.ChatCompletionMessage{Role: t.role, Content: t.text}
		for _, c := range t.calls {
			m.ToolCalls = append(m.ToolCalls, sasha.ToolCall{ID: c.id, Type: "function", Function: sasha.FunctionCall{Name: c.name, Arguments: c.args}})
		}
		if len(t.images) > 0 {
			m.Content, m.MultiContent = "", []sasha.ChatMessagePart{{Type: "text", Text: t.text}}
			for _, uri := range t.images {
				m.MultiContent = append(m.MultiContent, sasha.ChatMessagePart{Type: "image_url", ImageURL: &sasha.ChatMessageImageURL{URL: uri}})
			}
		}
		if t.role != "tool" {
			r.Messages = append(r.Messages, m)
		}
		for _, res := range t.results {
			r.Messages = append(r.Messages, sasha.ChatCompletionMessage{Role: "tool", Content: res.text, ToolCallID: res.id})
		}
	}
	for _, name := range q.tools {
		r.Tools = append(r.Tools, sasha.Tool{Type: "function", Function: &sasha.FunctionDefinition{
			Name: name, Parameters: map[string]any{"type": "object", "properties": map[string]any{"q": map[string]any{"type": "string"}}},
		}})
	}
	return r
}

func (c sashaClient) whole(ctx context.Context, q *question) (*reply, error) {
	got, err := c.c.CreateChatCompletion(ctx, c.request(q))
	if err != nil {
		return nil, err
	}
	if len(got.Choices) != 1 {
		return nil, fmt.Errorf("%d choices", len(got.Choices))
	}
	m := got.Choices[0].Message
	r := &reply{
		text: m.Content, reasoning: m.ReasoningContent, finish: openaiFinish(string(got.Choices[0].FinishReason)),
		model: got.Model, in: int64(got.Usage.PromptTokens), out: int64(got.Usage.CompletionTokens),
	}
	for _, tc := range m.ToolCalls {
		r.calls = append(r.calls, call{tc.ID, tc.Function.Name, tc.Function.Arguments})
	}
	return r, nil
}

func (c sashaClient) stream(ctx context.Context, q *question, each func(string)) (*reply, error) {
	req := c.request(q)
	req.StreamOptions = &sasha.StreamOptions{IncludeUsage: true}
	s, err := c.c.CreateChatCompletionStream(ctx, req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = s.Close() }()
	r := &reply{}
	for {
		chunk, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return nil, err
		}
		r.model = chunk.Model
		if chunk.Usage != nil {
			r.in, r.out = int64(chunk.Usage.PromptTokens), int64(chunk.Usage.CompletionTokens)
		}
		for _, choice := range chunk.Choices {
			r.add(&choice, each)
		}
	}
}

func (r *reply) add(choice *sasha.ChatCompletionStreamChoice, each func(string)) {
	r.text += choice.Delta.Content
	r.reasoning += choice.Delta.ReasoningContent
	if choice.Delta.Content != "" {
		each(choice.Delta.Content)
	}
	if choice.FinishReason != "" {
		r.finish = openaiFinish(string(choice.FinishReason))
	}
	for _, tc := range choice.Delta.ToolCalls {
		i := 0
		if tc.Index != nil {
			i = *tc.Index
		}
		for len(r.calls) <= i {
			r.calls = append(r.calls, call{})
		}
		r.calls[i].id += tc.ID
		r.calls[i].name += tc.Function.Name
		r.calls[i].args += tc.Function.Arguments
	}
}

func (c sashaClient) models(ctx context.Context) (ids []string, err error) {
	list, err := c.c.ListModels(ctx)
	for _, m := range list.Models {
		ids = append(ids, m.ID)
	}
	return ids, err
}

func (c sashaClient) model(ctx context.Context, id string) (string, error) {
	m, err := c.c.GetModel(ctx, id)
	return m.ID, err
}

func (sashaClient) fault(err error) (fault, bool) {
	var e *sasha.APIError
	if errors.As(err, &e) {
		code, _ := e.Code.(string)
		return fault{status: e.HTTPStatusCode, kind: e.Type, code: code}, true
	}
	return fault{}, false
}
