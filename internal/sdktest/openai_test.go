package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/respjson"
	"github.com/openai/openai-go/v3/shared"
)

// openaiClient is OpenAI's own library.
type openaiClient struct{ c openai.Client }

func dialOpenAI(o options) client {
	return openaiClient{openai.NewClient(
		option.WithBaseURL(o.url+"/v1"), option.WithAPIKey(o.key), option.WithMaxRetries(o.retries),
		option.WithHTTPClient(&http.Client{Transport: o.http}),
	)}
}

func (c openaiClient) params(q *question) openai.ChatCompletionNewParams {
	p := openai.ChatCompletionNewParams{Model: q.model}
	if q.system != "" {
		p.Messages = append(p.Messages, openai.SystemMessage(q.system))
	}
	for _, t := range q.turns {
		p.Messages = append(p.Messages, openaiMessages(t)...)
	}
	for _, name := range q.tools {
		p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
			Name: name, Description: openai.String("Looks something up."),
			Parameters: shared.FunctionParameters{"type": "object", "properties": map[string]any{"q": map[string]any{"type": "string"}}, "required": []string{"q"}},
		}))
	}
	return p
}

func openaiMessages(t turn) (msgs []openai.ChatCompletionMessageParamUnion) {
	switch t.role {
	case "assistant":
		m := openai.AssistantMessage(t.text)
		for _, c := range t.calls {
			m.OfAssistant.ToolCalls = append(m.OfAssistant.ToolCalls, openai.ChatCompletionMessageToolCallUnionParam{OfFunction: &openai.ChatCompletionMessageFunctionToolCallParam{
				ID: c.id, Function: openai.ChatCompletionMessageFunctionToolCallFunctionParam{Name: c.name, Arguments: c.args},
			}})
		}
		return append(msgs, m)
	case "tool":
		for _, r := range t.results {
			msgs = append(msgs, openai.ToolMessage(r.text, r.id))
		}
		return msgs
	}
	if len(t.images) == 0 {
		return append(msgs, openai.UserMessage(t.text))
	}
	parts := []openai.ChatCompletionContentPartUnionParam{openai.TextContentPart(t.text)}
	for _, uri := range t.images {
		parts = append(parts, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: uri}))
	}
	return append(msgs, openai.UserMessage(parts))
}

func (c openaiClient) whole(ctx context.Context, q *question) (*reply, error) {
	got, err := c.c.Chat.Completions.New(ctx, c.params(q))
	if err != nil {
		return nil, err
	}
	return openaiReply(got)
}

func openaiReply(got *openai.ChatCompletion) (*reply, error) {
	if len(got.Choices) != 1 || got.ID == "" || got.Created == 0 {
		return nil, fmt.Errorf("not a completion: %+v", got)
	}
	choice := got.Choices[0]
	r := &reply{
		text: choice.Message.Content, finish: openaiFinish(choice.FinishReason), model: got.Model,
		reasoning: extra(choice.Message.JSON.ExtraFields), in: got.Usage.PromptTokens, out: got.Usage.CompletionTokens,
	}
	if sum := got.Usage.PromptTokens + got.Usage.CompletionTokens; got.Usage.TotalTokens != sum {
		return nil, fmt.Errorf("usage: %d tokens in all, but the parts are %d", got.Usage.TotalTokens, sum)
	}
	for _, tc := range choice.Message.ToolCalls {
		if tc.Type != "function" {
			return nil, fmt.Errorf("a tool call of type %q", tc.Type)
		}
		r.calls = append(r.calls, call{tc.ID, tc.Function.Name, tc.Function.Arguments})
	}
	return r, nil
}

// extra is the text of reasoning_content, which the library has no field for.
func extra(fields map[string]respjson.Field) (s string) {
	if f, ok := fields["reasoning_content"]; ok {
		_ = json.Unmarshal([]byte(f.Raw()), &s)
	}
	return s
}

func openaiFinish(reason string) string {
	switch reason {
	case "tool_calls":
		return "tool"
	case "content_filter":
		return "filter"
	}
	return reason
}

func (c openaiClient) stream(ctx context.Context, q *question, each func(string)) (*reply, error) {
	p := c.params(q)
	p.StreamOptions.IncludeUsage = openai.Bool(true)
	s := c.c.Chat.Completions.NewStreaming(ctx, p)
	defer func() { _ = s.Close() }()
	acc, reasoning := openai.ChatCompletionAccumulator{}, ""
	for s.Next() {
		chunk := s.Current()
		if !acc.AddChunk(chunk) {
			return nil, fmt.Errorf("the accumulator refused %s", chunk.RawJSON())
		}
		for _, choice := range chunk.Choices {
			reasoning += extra(choice.Delta.JSON.ExtraFields)
			if choice.Delta.Content != "" {
				each(choice.Delta.Content)
			}
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	r, err := openaiReply(&acc.ChatCompletion)
	if err == nil {
		r.reasoning = reasoning
	}
	return r, err
}

func (c openaiClient) models(ctx context.Context) (ids []string, err error) {
	pages := c.c.Models.ListAutoPaging(ctx)
	for pages.Next() {
		ids = append(ids, pages.Current().ID)
	}
	return ids, pages.Err()
}

func (c openaiClient) model(ctx context.Context, id string) (string, error) {
	m, err := c.c.Models.Get(ctx, id)
	if err != nil {
		return "", err
	}
	return m.ID, nil
}

func (openaiClient) fault(err error) (fault, bool) {
	var e *openai.Error
	if errors.As(err, &e) {
		return fault{status: e.StatusCode, kind: e.Type, code: e.Code}, true
	}
	return fault{}, false
}
