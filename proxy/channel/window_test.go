package channel

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/config"
)

func TestWhatIsConfiguredIsNeverExceeded(t *testing.T) {
	s := NewContextWindow(&config.Model{Upstream: "gpt-4o", Context: 4000})
	before := s.Room(nil)
	s.Refused(16000, 8192, 9000, nil)
	if n := s.Room(nil); n > before || s.tokens() != 4000 {
		t.Errorf("room for %d bytes became %d, of %d tokens", before, n, s.tokens())
	}
}

func TestModelsAreKnownByTheirFamilies(t *testing.T) {
	for name, want := range map[string]int64{
		"gpt-4": 8192, "gpt-4-0613": 8192, "gpt-4o": 128000, "gpt-4o-mini": 128000, "openai/gpt-4o-2024-08-06": 128000, "gpt-4.1-mini": 1047576, "gpt-4.7": 0,
		"GPT-3.5-Turbo": 16385, "gpt-5-mini": 272000, "gpt-5.4-mini": 272000, "gpt-5.9": 0, "claude-opus-5-5": 1000000, "claude-sonnet-5-20260630": 1000000, "us.anthropic.claude-opus-4-8": 0, "grok-4-fast-reasoning": 2000000, "grok-4.3": 0, "deepseek-v4-pro": 1048576, "o3-mini": 200000, "o1-mini": 128000, "o1x": 0,
		"claude-sonnet-4-5": 200000, "anthropic/claude-3.5-sonnet": 200000, "claude-2-100k": 100000, "claudette": 0,
		"moonshot-v1-8k": 8000, "moonshot-v1-128k": 128000, "models/gemini-2.5-pro": 1048576,
		"llama3.1:8b": 131072, "llama3:8b": 8192, "meta-llama/Llama-3.1-8B-Instruct": 131072, "gemma2:9b": 8192,
		"m": 0, "": 0, "large": 0, "k": 0, "4k": 4000, "bot-0k": 0, "99999k": 0,
	} {
		if got := contextOf(name); got != want {
			t.Errorf("%q takes %d, want %d", name, got, want)
		}
	}
}
