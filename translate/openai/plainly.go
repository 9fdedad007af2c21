package openai

import "github.com/valyala/fastjson"

// Nearly all events have the members that OpenAI documents and nothing else. One look at
// the names spares the search for all those that others have.

// oddTop reports whether a frame has a member that says anything and is not OpenAI's.
func oddTop(v *fastjson.Value) (odd bool) {
	v.GetObject().Visit(func(key []byte, e *fastjson.Value) {
		switch string(key) {
		case "id", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "obfuscation", "provider":
		case "object":
			odd = odd || string(e.GetStringBytes()) == "error"
		default:
			odd = odd || e.Type() != fastjson.TypeNull
		}
	})
	return odd
}

// oddChoice is oddTop for a choice; of a delta it looks for what says more than a text.
func oddChoice(c *fastjson.Value) (odd bool) {
	c.GetObject().Visit(func(key []byte, e *fastjson.Value) {
		switch string(key) {
		case "index", "finish_reason", "logprobs", "native_finish_reason", "stop_reason":
		case "delta":
			odd = odd || oddDelta(e)
		default:
			odd = odd || e.Type() != fastjson.TypeNull
		}
	})
	return odd
}

// oddDelta reports whether a delta says anything but a text.
func oddDelta(v *fastjson.Value) (odd bool) {
	o, err := v.Object()
	if err != nil {
		return true
	}
	o.Visit(func(key []byte, e *fastjson.Value) {
		switch string(key) {
		case "role":
		case "content":
			odd = odd || e.Type() != fastjson.TypeString && e.Type() != fastjson.TypeNull
		default:
			odd = odd || e.Type() != fastjson.TypeNull
		}
	})
	return odd
}
