package translate

import (
	"encoding/json"
	"testing"
)

func TestAClosedSchemaDemandsAllThatItNames(t *testing.T) {
	t.Parallel()
	for schema, want := range map[string]bool{
		`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`: true,
		`{"type":"object","properties":{},"additionalProperties":false}`:                                       true,
		`{"type":"object","properties":{"a":{}},"additionalProperties":false}`:                                 false,
		`{"type":"object","properties":{"a":{}},"required":["a"]}`:                                             false,
		`{"type":"object","properties":{"a":{}},"required":["a"],"additionalProperties":true}`:                 false,
		`{"type":"array","items":{"type":"object"}}`:                                                           false,
		`{"anyOf":[{"type":"string"},{"properties":{"a":{}},"required":[]}]}`:                                  false,
		`{"type":"string"}`: true,
		`{`:                 false,
	} {
		if got := Closed(json.RawMessage(schema)); got != want {
			t.Errorf("%s: %v", schema, got)
		}
	}
}
