package translate

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fastjson"
)

// Bounds of what is looked for in a refusal.
const (
	refusalRead  = 16 << 10 // bytes of it
	refusalDeep  = 8
	maxUnknown   = 32 // members
	maxNamedPath = 6
)

// UnknownMembers returns the members of a question that its refusal names as ones that
// the back end does not know or take, as paths: stream_options, messages[].name,
// tools[].function.strict. It reads the bodies of many kinds of servers (a table of them is in
// testdata/unknown.txt); who sent the question knows which of these it held. What is said
// of a member's value alone is not among them.
func UnknownMembers(body []byte) []string {
	var n named
	n.text(string(body[:min(len(body), refusalRead)]), 0)
	return n.paths
}

// named collects the members that a refusal names.
type named struct{ paths []string }

// text looks through a text, which may hold JSON, or Python's form of it.
func (n *named) text(s string, depth int) {
	s = strings.TrimSpace(s)
	if depth > refusalDeep || s == "" {
		return
	}
	if s[0] == '{' || s[0] == '[' {
		if v, err := fastjson.Parse(s); err == nil {
			n.value(v, depth+1)
			return
		}
	}
	if at := strings.IndexAny(s, "[{"); at > 0 && json.Valid([]byte(s[at:])) {
		n.text(s[at:], depth+1) // an error of another server within a text
	}
	for _, m := range unknownLoc().FindAllStringSubmatch(s, -1) {
		n.add(strings.Split(m[1], ","))
	}
	for _, re := range unknownWords {
		for _, m := range re().FindAllStringSubmatch(s, -1) {
			n.list(m[1])
		}
	}
	for _, m := range unknownAt().FindAllStringSubmatch(s, -1) {
		n.add(append(strings.Split(m[2], "."), m[1]))
	}
}

// value looks through what a JSON value says.
func (n *named) value(v *fastjson.Value, depth int) {
	if depth > refusalDeep {
		return
	}
	switch v.Type() {
	case fastjson.TypeString:
		n.text(string(v.GetStringBytes()), depth+1)
	case fastjson.TypeArray:
		for _, e := range v.GetArray() {
			n.value(e, depth+1)
		}
	case fastjson.TypeObject:
		n.object(v)
		v.GetObject().Visit(func(key []byte, e *fastjson.Value) {
			switch string(key) {
			case "input", "value", "url", "doc", "documentation_url":
				return // it repeats the question
			}
			n.value(e, depth+1)
		})
	}
}

// object looks at the members in which libraries put the name.
func (n *named) object(v *fastjson.Value) {
	kind := strings.ToLower(string(v.GetStringBytes("type")))
	if loc := v.GetArray("loc"); len(loc) > 0 && (strings.Contains(kind, "extra") || kind == "unexpected_keyword_argument") {
		n.add(components(loc)) // pydantic
	}
	code := strings.ToLower(string(v.GetStringBytes("code")))
	if code == "unrecognized_keys" { // zod
		for _, key := range v.GetArray("keys") {
			n.add(append(components(v.GetArray("path")), string(key.GetStringBytes())))
		}
	}
	if extra := v.GetStringBytes("params", "additionalProperty"); len(extra) > 0 { // ajv
		path := strings.Split(strings.Trim(string(v.GetStringBytes("instancePath")), "/"), "/")
		n.add(append(path, string(extra)))
	}
	param := string(v.GetStringBytes("param"))
	if param != "" && unknownCode().MatchString(code+" "+kind+" "+string(v.GetStringBytes("message"))) {
		n.add(strings.Split(param, "."))
	}
}

func components(list []*fastjson.Value) (path []string) {
	for _, c := range list {
		if c.Type() == fastjson.TypeNumber {
			path = append(path, strconv.Itoa(c.GetInt()))
		} else {
			path = append(path, string(c.GetStringBytes()))
		}
	}
	return path
}

// list adds the names in a list of them, in quotes or without.
func (n *named) list(names string) {
	for _, name := range unknownName().FindAllString(names, -1) {
		if name == "and" || name == "or" {
			continue
		}
		n.add(strings.Split(name, "."))
	}
}

// add adds a path.
func (n *named) add(components []string) {
	var path []string
	for _, c := range components {
		c = strings.Trim(c, " \t\r\n'\"`()[]$")
		c, inside, _ := strings.Cut(c, "[")
		switch {
		case c == "", c == "body" && len(path) == 0:
			continue
		case strings.Trim(c, "0123456789") == "":
			if len(path) > 0 {
				path[len(path)-1] = strings.TrimSuffix(path[len(path)-1], "[]") + "[]"
			}
			continue
		}
		if strings.Trim(inside, "0123456789]") == "" && inside != "" {
			c += "[]"
		}
		path = append(path, snake(c))
	}
	if len(path) == 0 || len(path) > maxNamedPath || len(n.paths) >= maxUnknown {
		return
	}
	path[len(path)-1] = strings.TrimSuffix(path[len(path)-1], "[]")
	joined := strings.Join(path, ".")
	if len(joined) <= 128 && !slices.Contains(n.paths, joined) {
		n.paths = append(n.paths, joined)
	}
}

// snake spells a name as the dialects do that have JSON on their wire.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if r >= 'A' && r <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// How servers name a member that they do not know. In each the first group holds the name,
// or several of them.
const (
	reName  = `[A-Za-z_$][A-Za-z0-9_]*(?:\[[0-9]*\])?(?:\.(?:[A-Za-z0-9_]+)(?:\[[0-9]*\])?)*`
	reQuote = "[\"'`\u2018\u2019\u201c\u201d]"
	reOne   = reQuote + `?` + reName + reQuote + `?`
	reList  = reOne + `(?:(?:\s*,\s*|,?\s+and\s+)` + reQuote + reName + reQuote + `|\s*,\s*` + reName + `)*`
	reThing = `(?:(?:request|body|query|input|json|top-level|the|some|an?)\s+)*(?:keyword\s+arguments?|arguments?|param(?:eter)?s?|fields?|key(?:\(s\)|s)?|propert(?:y|ies)|attributes?|members?|names?|inputs?|options?|values?)`
)

var (
	unknownName = lazily(reName)
	unknownCode = lazily(`(?i)unknown|unsupported|unrecognized|unexpected|wrong_api_format|not[ _]supported|not[ _]allowed|not[ _]permitted|extra[ _](?:inputs|fields|forbidden)`)
	// Python's form of pydantic's errors.
	unknownLoc = lazily(`'type':\s*'(?:extra_forbidden|value_error\.extra|unexpected_keyword_argument)',\s*'loc':\s*[(\[]([^)\]]*)[)\]]`)
	// Google's: the path comes after the name.
	unknownAt = lazily(`(?i)unknown name ` + reQuote + `(` + reName + `)` + reQuote + ` at ` + reQuote + `(` + reName + `)`)

	unknownWords = []func() *regexp.Regexp{
		// Unrecognized request argument supplied: x; unknown field `x`; extraneous key [x]
		lazily(`(?i)\b(?:unrecognized|unrecognised|unknown|unsupported|unexpected|extraneous|unpermitted|disallowed|additional|extra|not\s+supported)\s+` + reThing +
			`(?:\s+(?:supplied|provided|found|given|in\s+(?:the\s+)?(?:object|request|body|payload)(?:\s+body)?))*\s*[:=]?\s*[(\[{]?\s*:?(` + reList + `)`),
		// x: Extra inputs are not permitted; property 'x' is unsupported; `x` is deprecated for this model
		lazily(`(?i)(` + reOne + `)\s*(?:parameter|param|field|argument|property|option|key)?\s*:?\s*(?:(?:is|are|was|were)\s+)?(?:currently\s+|yet\s+)?` +
			`(?:extra\s+inputs\s+are\s+not\s+permitted|extra\s+fields\s+not\s+permitted|not\s+(?:yet\s+|currently\s+)?(?:supported|allowed|permitted|recognized|recognised|known|accepted|available|implemented|a\s+(?:valid|known|supported|recognized)\s+(?:field|parameter|argument|property|key))|only\s+(?:supported|allowed|permitted|available|accepted|valid)|unsupported|unexpected|unknown|unrecognized|unrecognised|deprecated\s+for|could\s+not\s+be\s+mapped)`),
		// ('a', 'b' were unexpected)
		lazily(`(?i)\((` + reList + `)\s+(?:was|were)\s+unexpected`),
		// Extra inputs are not permitted, field: 'x'; extra fields not permitted: x
		lazily(`(?i)not\s+(?:permitted|allowed)(?:,\s*fields?)?:\s*(` + reList + `)`),
		// in Chinese: 不支持的参数: x; 未知字段 x
		lazily(`(?:不支持|未知|无法识别|不允许)的?(?:参数|字段|属性)?\s*[:：]?\s*(` + reList + `)`),
		// does not support parameters: ['x']; does not support x
		lazily(`(?i)\b(?:(?:does|do|did)\s+not|(?:does|do)n['\x{2019}]t|cannot)\s+(?:support|accept|recognize|recognise|allow|know|permit|take|have)\s+(?:the\s+)?(?:` + reThing + `\s*)?:?\s*[(\[{]?\s*(` + reList + `)`),
		// Argument not supported on this model: x
		lazily(`(?i)\bnot\s+supported\s+(?:on|by|for|with|in)\s+(?:this|the)\s+\w+\s*:\s*(` + reList + `)`),
		// `a` and `b` cannot both be specified
		lazily(`(?i)` + reOne + `\s+and\s+(` + reOne + `)\s+(?:cannot|can't|can\s+not|may\s+not|must\s+not)\s+(?:both\s+)?be\s+(?:both\s+)?(?:specified|set|used|given|present|provided)`),
	}
)

// thinkWords are names under which back ends speak of thinking that the question may ask
// for by another.
var thinkWords = []string{"thinking", "reasoning", "reason", "reasoning_effort", "thinking_budget", "enable_thinking", "reasoning_effort_level"}

// Omissible returns those of the members that a refusal names which body holds and which
// may be left out of it, as [UnknownMembers] names them. What the question is made of
// stays: messages, their contents, the model, tools. It is nil where there are none.
func Omissible(body []byte, named []string) (found []string) {
	v, err := fastjson.ParseBytes(body)
	if err != nil {
		return nil
	}
	for _, path := range named {
		if !mayOmit(path) {
			continue
		}
		if !slices.Contains(found, path) && holdsPath(v, strings.Split(path, ".")) {
			found = append(found, path)
			continue
		}
		if !slices.Contains(thinkWords, path) {
			continue
		}
		for _, word := range thinkWords {
			if v.Get(word) != nil && !slices.Contains(found, word) {
				found = append(found, word)
			}
		}
	}
	return found
}

// mayOmit reports whether a question still means the same to its model without a member.
func mayOmit(path string) bool {
	parts := strings.Split(path, ".")
	last := strings.TrimSuffix(parts[len(parts)-1], "[]")
	switch top := strings.TrimSuffix(parts[0], "[]"); {
	case len(parts) == 1:
		switch top {
		case "model", "messages", "message", "system", "prompt", "input", "contents", "tools", "functions", "tool_choice", "function_call", "stream", "response_format", "output_config", "n":
			return false
		}
		return true
	case top == "stream_options":
		return true
	case top == "tools", top == "functions":
		return last == "strict" || last == "cache_control"
	case top == "messages", top == "system":
		switch last {
		case "name", "cache_control", "reasoning_content", "reasoning_details", "reasoning", "refusal", "annotations", "audio", "extra_content", "is_error", "detail", "prefix":
			return true
		}
	}
	return false
}

// holdsPath reports whether v has what path names. Words between, such as the names of
// types that libraries put there, are passed over.
func holdsPath(v *fastjson.Value, path []string) bool {
	found := false
	eachAt(v, path, func(o *fastjson.Value, key string) { found = true })
	return found
}

// eachAt calls f with each object that has the last member of path.
func eachAt(v *fastjson.Value, path []string, f func(o *fastjson.Value, key string)) {
	switch v.Type() {
	case fastjson.TypeArray:
		for _, e := range v.GetArray() {
			eachAt(e, path, f)
		}
	case fastjson.TypeObject:
		key := strings.TrimSuffix(path[0], "[]")
		inner := v.Get(key)
		switch {
		case inner != nil && len(path) == 1:
			f(v, key)
		case inner != nil:
			eachAt(inner, path[1:], f)
		case len(path) > 1:
			eachAt(v, path[1:], f)
		}
	}
}

// Omit returns body without the members that paths name, and the names of those that it
// held. A limit of the answer stays under its other name, if that one is not to be left out too.
func Omit(body []byte, paths []string) (left []byte, omitted []string) {
	v, err := fastjson.ParseBytes(body)
	if err != nil {
		return body, nil
	}
	for _, path := range paths {
		held := false
		eachAt(v, strings.Split(path, "."), func(o *fastjson.Value, key string) {
			held = true
			if other := limitNames[path]; other != "" && !slices.Contains(paths, other) && o.Get(other) == nil {
				o.Set(other, o.Get(key))
				held = false
			}
			o.Del(key)
		})
		if top, _, deep := strings.Cut(path, "."); deep && top == "stream_options" {
			held = held || v.Get(top) != nil
			v.Del(top) // it has nothing else
		}
		if held {
			omitted = append(omitted, path)
		}
	}
	return v.MarshalTo(nil), omitted
}

// limitNames are the two names that the limit of an answer has in OpenAI's dialect.
var limitNames = map[string]string{"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
