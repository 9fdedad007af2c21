package sdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
)

// anthropicClient is Anthropic's own library.
type anthropicClient struct{ c anthropic.Client }

func dialAnthropic(o options) client {
	return anthropicClient{anthropic.NewClient(
		option.WithBaseURL(o.url), option.WithAPIKey(o.key), option.WithMaxRetries(o.retries),
		option.WithHTTPClient(&http.Client{Transport: o.http}),
	)}
}

func (c anthropicClient) params(q *question) anthropic.MessageNewParams {
	p := anthropic.MessageNewParams{Model: q.model, MaxTokens: 1000}
	if q.system != "" {
		p.System = []anthropic.TextBlockParam{{Text: q.system}}
	}
	for _, t := range q.turns {
		p.Messages = append(p.Messages, anthropicMessage(t))
	}
	for _, name := range q.tools {
		tool := anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{
			Properties: map[string]any{"q": map[string]any{"type": "string"}}, Required: []string{"q"},
		}, name)
		tool.OfTool.Description = anthropic.String("Looks something up.")
		p.Tools = append(p.Tools, tool)
	}
	return p
}

func anthropicMessage(t turn) anthropic.MessageParam {
	var blocks []anthropic.ContentBlockParamUnion
	for _, uri := range t.images {
		kind, data, _ := strings.Cut(strings.TrimPrefix(uri, "data:"), ";base64,")
		blocks = append(blocks, anthropic.NewImageBlockBase64(kind, data))
	}
	for _, r := range t.results {
		blocks = append(blocks, anthropic.NewToolResultBlock(r.id, r.text, false))
	}
	if t.text != "" {
		blocks = append(blocks, anthropic.NewTextBlock(t.text))
	}
	for _, c := range t.calls {
		blocks = append(blocks, anthropic.NewToolUseBlock(c.id, json.RawMessage(c.args), c.name))
	}
	if t.role == "assistant" {
		return anthropic.NewAssistantMessage(blocks...)
	}
	return anthropic.NewUserMessage(blocks...)
}

func (c anthropicClient) whole(ctx context.Context, q *question) (*reply, error) {
	got, err := c.c.Messages.New(ctx, c.params(q))
	if err != nil {
		return nil, err
	}
	return anthropicReply(got)
}

func anthropicReply(got *anthropic.Message) (*reply, error) {
	if got.ID == "" || got.Role != "assistant" || got.Type != "message" {
		return nil, fmt.Errorf("not a message: %+v", got)
	}
	r := &reply{model: got.Model, in: got.Usage.InputTokens, out: got.Usage.OutputTokens}
	r.finish = map[anthropic.StopReason]string{"end_turn": "stop", "max_tokens": "length", "tool_use": "tool", "refusal": "filter"}[got.StopReason]
	for _, block := range got.Content {
		switch b := block.AsAny().(type) {
		case anthropic.TextBlock:
			r.text += b.Text
		case anthropic.ThinkingBlock:
			r.reasoning += b.Thinking
		case anthropic.ToolUseBlock:
			r.calls = append(r.calls, call{b.ID, b.Name, string(b.Input)})
		default:
			return nil, fmt.Errorf("a block of type %q", block.Type)
		}
	}
	return r, nil
}

func (c anthropicClient) stream(ctx context.Context, q *question, each func(string)) (*reply, error) {
	s := c.c.Messages.NewStreaming(ctx, c.params(q))
	defer func() { _ = s.Close() }()
	var got anthropic.Message
	ended := false
	for s.Next() {
		ev := s.Current()
		if err := got.Accumulate(ev); err != nil {
			return nil, err
		}
		switch e := ev.AsAny().(type) {
		case anthropic.ContentBlockDeltaEvent:
			if e.Delta.Text != "" {
				each(e.Delta.Text)
			}
		case anthropic.MessageStopEvent:
			ended = true
		}
	}
	if err := s.Err(); err != nil {
		return nil, err
	}
	if !ended {
		return nil, errors.New("no message_stop")
	}
	return anthropicReply(&got)
}

func (c anthropicClient) models(ctx context.Context) (ids []string, err error) {
	pages := c.c.Models.ListAutoPaging(ctx, anthropic.ModelListParams{})
	for pages.Next() {
		ids = append(ids, pages.Current().ID)
	}
	return ids, pages.Err()
}

func (c anthropicClient) model(ctx context.Context, id string) (string, error) {
	m, err := c.c.Models.Get(ctx, id, anthropic.ModelGetParams{})
	if err != nil {
		return "", err
	}
	return m.ID, nil
}

func (anthropicClient) fault(err error) (fault, bool) {
	var e *anthropic.Error
	if errors.As(err, &e) {
		return fault{status: e.StatusCode, kind: string(e.Type())}, true
	}
	return fault{}, false
}
