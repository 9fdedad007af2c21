package wiretest

import "testing"

func TestATranscriptSurvivesParseAndFormat(t *testing.T) {
	t.Parallel()
	file := "A comment.\n\n-- whole 200 --\n{\"a\":1}\n-- frames --\na\n\nb\n-- events --\n"
	comment, sections := Parse(file)
	if comment != "A comment.\n\n" || len(sections) != 3 || sections[0] != (Section{"whole 200", `{"a":1}`}) || sections[1].Data != "a\n\nb" || sections[2].Data != "" {
		t.Errorf("got %q, %q", comment, sections)
	}
	if got := Format(comment, sections); got != file {
		t.Errorf("got %q", got)
	}
}
