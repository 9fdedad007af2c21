package translate

import "encoding/json"

// Closed reports whether every object in a JSON schema names all that it may have
// and demands all of it. OpenAI takes no other schema in strict mode ("Structured
// outputs", supported schemas); Anthropic lets members be optional.
func Closed(schema json.RawMessage) bool {
	var v any
	return json.Unmarshal(schema, &v) == nil && closed(v)
}

func closed(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			if !closed(e) {
				return false
			}
		}
	case map[string]any:
		if properties, ok := v["properties"].(map[string]any); (ok || v["type"] == "object") && !demands(v, properties) {
			return false
		}
		for _, e := range v {
			if !closed(e) {
				return false
			}
		}
	}
	return true
}

// demands reports whether object has all of properties, and nothing else.
func demands(object, properties map[string]any) bool {
	if more, ok := object["additionalProperties"].(bool); !ok || more {
		return false
	}
	required, _ := object["required"].([]any)
	names := make(map[string]bool, len(required))
	for _, r := range required {
		if name, ok := r.(string); ok {
			names[name] = true
		}
	}
	for name := range properties {
		if !names[name] {
			return false
		}
	}
	return true
}
