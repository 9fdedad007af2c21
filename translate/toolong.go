package translate

import (
	"strings"
	"time"
)

// tooLongTexts are what vendors say of a question that is too long: OpenAI and most of
// its imitators, vLLM, SGLang, TGI, llama.cpp and its Python server, Anthropic, Bedrock,
// Google, Mistral, xAI, Moonshot, Cohere, DashScope, GitHub Models, Zhipu.
var tooLongTexts = [...]string{
	"maximum context length", "maximum model length", "context window exceeded", "exceeds the context window", "exceed the context window", "exceed context window",
	"context length exceeded", "model's context length", "available context size", "exceed context limit", "exceeds context limit", "prompt is too long", "input is too long",
	"exceeds the maximum number of tokens", "exceeds the maximum number of input tokens", "maximum prompt length is", "exceeded model token limit", "tokens in the prompt cannot exceed",
	"range of input length should be", "`inputs` tokens + `max_new_tokens` must be <=", "inputs` must have less than", "exceeds the maximum context", "exceeds the context length", "too large for model with",
	"reduce the length of the messages", "prompt exceeds max length", "exceed the maximum length of", "prompt 超长", "输入长度超过", "超过模型最大长度", "超出最大长度",
}

// tooLong says that the question is longer than the model can take; nil: it does not.
func (w *words) tooLong(status int) *Length {
	if status != 0 && status < 400 || status == 401 || status == 403 || status == 404 || status >= 500 && w.holds("overloaded") {
		return nil
	}
	size := (status == 413 || status == 429) && strings.HasPrefix(w.text, "request too large")
	if !size && status == 429 {
		return nil
	}
	if !size && !w.is("contextlengthexceeded", "contextwindowexceeded", "modelcontextwindowexceeded", "contextwindowexceedederror", "exceedcontextsizeerror", "tokenslimitreached", "1261") &&
		!w.says(tooLongTexts[:]...) {
		return nil
	}
	l := &Length{Limit: w.inner.limit, Sent: w.inner.sent}
	if l.Limit == 0 {
		l.Limit = w.count(limitMarks[:])
	}
	if l.Sent == 0 {
		l.Sent = w.count(sentMarks[:])
	}
	return l
}

// What stands before the two numbers; the first of them that has one behind it counts.
var (
	limitMarks = [...]string{
		"tokens > ", "maximum context length is ", "maximum context length of ", "maximum context length: ", "context window of ", "available context size (", "maximum model length of ", "context length (",
		"tokens allowed (", "tokens allowed ", "maximum prompt length is ", "token limit: ", "must be <= ", "prompt cannot exceed ", "should be [1, ", "limit is ", "max size: ",
		"too large for model with ", "maximum context ", " > ", "limit ", "must have less than ", "maximum length of ",
	}
	sentMarks = [...]string{
		"prompt is too long: ", "tokens (", "messages resulted in ", "resulted in ", "you requested about ", "you requested ", "requested tokens (", "input token count (", "prompt contains ",
		"request contains ", "(length ", "prompt (length ", "the input (", "exceed context limit: ", "received ", "(requested: ", "requested: ", "requested ", "current length is ", "given: ", "request (", "has ",
	}
)

// count is the whole number behind one of marks.
func (w *words) count(marks []string) int64 {
	for _, mark := range marks {
		for rest := w.text; ; {
			at := strings.Index(rest, mark)
			if at < 0 {
				break
			}
			rest = rest[at+len(mark):]
			if n := wholeNumber(rest); n > 0 {
				return n
			}
		}
	}
	return 0
}

// wholeNumber is the number that s begins with, which may have commas in it; 0: none.
func wholeNumber(s string) (n int64) {
	for i := 0; i < len(s) && n < 1e12; i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			n = 10*n + int64(c-'0')
		case (c == ',' || c == '_') && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
		default:
			return n
		}
	}
	return n
}

// retryIn finds when to come back in the words of vendors, which are in lower case:
// "please try again in 6m0.5s", "retry after 20 seconds". 0: it does not say. No hint
// is believed beyond a day.
func retryIn(text string) time.Duration {
	for _, mark := range [...]string{"try again in ", "retry in ", "retry after ", "try again after ", "wait "} {
		if _, rest, ok := strings.Cut(text, mark); ok {
			if d := spanOf(rest); d > 0 {
				return min(d, 24*time.Hour)
			}
		}
	}
	return 0
}

// spanOf is the time that s begins with: numbers with their units.
func spanOf(s string) (all time.Duration) {
	for {
		n, rest, ok := number(s)
		if !ok {
			return all
		}
		rest = strings.TrimPrefix(rest, " ")
		unit, size := time.Duration(0), 0
		for _, u := range [...]struct {
			name string
			d    time.Duration
		}{{"milliseconds", time.Millisecond}, {"ms", time.Millisecond}, {"seconds", time.Second}, {"second", time.Second}, {"s", time.Second},
			{"minutes", time.Minute}, {"minute", time.Minute}, {"m", time.Minute}, {"hours", time.Hour}, {"hour", time.Hour}, {"h", time.Hour}} {
			if strings.HasPrefix(rest, u.name) {
				unit, size = u.d, len(u.name)
				break
			}
		}
		if size == 0 {
			return all
		}
		all += time.Duration(min(n, 1e6) * float64(unit))
		s = rest[size:]
	}
}

func number(s string) (n float64, rest string, ok bool) {
	scale := 1.0
	i, point := 0, false
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9' && !point:
			n = min(10*n+float64(c-'0'), 1e9)
		case c >= '0' && c <= '9':
			scale /= 10
			n += scale * float64(c-'0')
		case c == '.' && !point && i > 0:
			point = true
		default:
			return n, s[i:], i > 0
		}
	}
	return n, "", i > 0
}
