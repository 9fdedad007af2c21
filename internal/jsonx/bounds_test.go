package jsonx

import (
	"strconv"
	"strings"
	"testing"
)

func TestScanNamesTheBoundThatIsBroken(t *testing.T) {
	t.Parallel()
	objects := func(n int) string { return `{"a":[` + strings.TrimSuffix(strings.Repeat(`{},`, n), ",") + `]}` }
	names := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`"` + strconv.Itoa(i) + `":1,`)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	most := ItemsOf(len(objects(4_300)))
	for name, c := range map[string]struct {
		text string
		want Excess
	}{
		"as deep as may be":             {`{"a":` + strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1) + `}`, None},
		"too deep":                      {`{"a":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`, TooDeep},
		"objects, too deep":             {strings.Repeat(`{"a":`, MaxDepth+1) + "1" + strings.Repeat("}", MaxDepth+1), TooDeep},
		"as many objects as may be":     {objects(4_300), None},
		"too many objects":              {objects(most + 20), TooMany},
		"too many, that never end":      {strings.TrimSuffix(objects(200_000), "]}"), TooMany},
		"many numbers":                  {`{"a":[` + strings.Repeat("1,", 200_000) + `1]}`, None},
		"many arrays":                   {`{"a":[` + strings.Repeat("[],", 200_000) + `[]]}`, None},
		"as many names as may be":       {`{` + names(MaxNames) + `}`, None},
		"too many names":                {`{` + names(MaxNames+1) + `}`, TooNamed},
		"as many names within":          {`{"a":{` + names(MaxMembers) + `}}`, None},
		"too many names within":         {`{"a":{` + names(MaxMembers+1) + `}}`, TooNamed},
		"many objects of a long text":   {`{"b":"` + strings.Repeat("x", 4<<20) + `","a":[` + strings.TrimSuffix(strings.Repeat(`{},`, 90_000), ",") + `]}`, None},
		"100,001 objects, however long": {`{"b":"` + strings.Repeat("x", 8<<20) + `","a":[` + strings.TrimSuffix(strings.Repeat(`{},`, 100_001), ",") + `]}`, TooMany},
	} {
		o, ok := Scan([]byte(c.text))
		if o.Excess != c.want || ok != (c.want == None) || o.Valid != ok {
			t.Errorf("%s: %d, %v, want %d", name, o.Excess, ok, c.want)
		}
	}
}

func TestALongNameCountsAsOneThatIsThereTwice(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]bool{longKey - 2: false, longKey - 1: true} {
		if o, ok := Scan([]byte(`{"a":{"` + strings.Repeat("k", n) + `":1}}`)); !ok || o.Repeated != want {
			t.Errorf("%d bytes: %v, %v", n, ok, o.Repeated)
		}
	}
}

func TestScanFindsANameThatMayBeATools(t *testing.T) {
	t.Parallel()
	long, short := strings.Repeat("n", LongName+1), strings.Repeat("n", LongName)
	for text, want := range map[string]bool{
		`{"tools":[{"name":"` + long + `"}]}`:                                true,
		`{"tools":[{"name":"` + short + `"}]}`:                               false,
		`{"tools":[{"type":"function","function":{"name":"` + long + `"}}]}`: true,
		`{"tools":[{"n\u0061me":"` + long + `"}]}`:                           true,
		`{"tools":[{"description":"` + long + `"}]}`:                         false,
		`{"name":"` + long + `"}`:                                            false,
		`{"a":{"name":"` + long + `"}}`:                                      false,
		`{"tools":[{"name":1,"x":"` + long + `"}]}`:                          false,
		`{"m":[{"content":[{"x":{"name":"` + long + `"}}]}]}`:                false,
	} {
		if o, ok := Scan([]byte(text)); !ok || o.Named != want {
			t.Errorf("%.60s: %v, %v", text, ok, o.Named)
		}
	}
}

// A level of nesting costs a few bytes, so that a short text cannot take much memory.
func TestADeepTextCostsNoStack(t *testing.T) {
	text := []byte(`{"a":` + strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1) + `}`)
	if n := testing.AllocsPerRun(10, func() { _, _ = Scan(text) }); n > 20 {
		t.Errorf("%v allocations", n)
	}
}

func TestATextOfTooManyValuesIsNotParsed(t *testing.T) {
	t.Parallel()
	var p Parser
	if _, err := p.ParseBytes([]byte(`[` + strings.Repeat("1,", maxValues+1) + `1]`)); err == nil {
		t.Error("it was")
	}
	if _, err := p.ParseBytes([]byte(`["` + strings.Repeat(",", 2*maxValues) + `"]`)); err != nil {
		t.Errorf("commas in a string are no values: %v", err)
	}
}
