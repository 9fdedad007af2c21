package channel

import "strings"

// families says how many tokens models take whose names begin alike, question and answer
// together, as far as it is known of them. The longest beginning counts. It is a first guess, and
// rather too low than too high: vendors change it, and who serves a model may allow less. Of
// gpt-5 it is what a question may have (272,000), which is less than both together. Numbers of
// OpenAI, Anthropic, xAI, DeepSeek and Zhipu were compared with their pages or with those of
// two houses that serve the models; those of Mistral, Meta, Google's older models and Cohere are from
// memory. A name that is not here has no bound until a refusal tells one. What
// is configured (context) or learnt from a refusal outweighs it.
var families = map[string]int64{
	"gpt-3.5-turbo": 16_385, "gpt-3.5-turbo-0301": 4_096, "gpt-3.5-turbo-0613": 4_096, "gpt-3.5-turbo-instruct": 4_096,
	"gpt-4": 8_192, "gpt-4-32k": 32_768, "gpt-4-turbo": 128_000, "gpt-4-1106": 128_000, "gpt-4-0125": 128_000, "gpt-4-vision": 128_000,
	"gpt-4o": 128_000, "chatgpt-4o": 128_000, "gpt-4.1": 1_047_576, "gpt-4.5": 128_000,
	"gpt-5": 272_000, "gpt-5-chat": 128_000, "gpt-5.1": 272_000, "gpt-5.2": 272_000, "gpt-5.3": 272_000, "gpt-5.4": 272_000, "gpt-5.5": 272_000, "gpt-5.6": 272_000, "gpt-oss": 131_072,
	"o1": 200_000, "o1-mini": 128_000, "o1-preview": 128_000, "o3": 200_000, "o4-mini": 200_000,

	"claude": 200_000, "claude-instant": 100_000, "claude-1": 100_000, "claude-2": 100_000, "claude-2.1": 200_000,
	"claude-opus-5": 1_000_000, "claude-sonnet-5": 1_000_000, "claude-haiku-5-5": 1_000_000, "claude-fable-5": 1_000_000,

	"gemini": 1_048_576, "gemini-pro": 32_760, "gemini-1.0": 32_760, "gemma": 8_192, "gemma-3": 131_072, "gemma-3-1b": 32_768, "gemma3": 131_072,

	"deepseek-chat": 131_072, "deepseek-reasoner": 131_072, "deepseek-v3": 131_072, "deepseek-r1": 131_072, "deepseek-v4": 1_048_576,

	"mistral-large": 131_072, "mistral-medium": 131_072, "mistral-small": 32_768, "mistral-7b": 32_768, "mistral-nemo": 131_072, "open-mistral-nemo": 131_072,
	"mixtral-8x7b": 32_768, "open-mixtral-8x7b": 32_768, "mixtral-8x22b": 65_536, "open-mixtral-8x22b": 65_536, "ministral": 131_072, "pixtral": 131_072,

	"llama-2": 4_096, "llama2": 4_096, "llama-3": 8_192, "llama3": 8_192,
	"llama-3.1": 131_072, "llama-3.2": 131_072, "llama-3.3": 131_072, "llama3.1": 131_072, "llama3.2": 131_072, "llama3.3": 131_072, "meta-llama-3": 8_192, "meta-llama-3.1": 131_072,

	"grok-2": 131_072, "grok-3": 131_072, "grok-4": 256_000, "grok-4-fast": 2_000_000, "grok-4-1-fast": 2_000_000, "grok-4.1-fast": 2_000_000, "grok-code-fast": 256_000,
	"glm-4": 128_000, "glm-4.6": 200_000, "kimi-k2": 131_072, "kimi-k2.5": 262_144, "kimi-k2.6": 262_144, "command-r": 128_000, "command-a": 256_000,
}

// contextOf is how many tokens the model takes that a back end calls upstream; 0: nobody
// knows. Names may have a vendor before them, and say it themselves: moonshot-v1-32k.
func contextOf(upstream string) int64 {
	name := strings.ToLower(upstream[strings.LastIndexByte(upstream, '/')+1:])
	for word := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '-' || r == ':' || r == '_' }) {
		if n := thousands(word); n > 0 {
			return n
		}
	}
	for end := len(name); end > 0; end-- {
		if end < len(name) && !boundary(name[end-1], name[end]) {
			continue
		}
		if n := families[name[:end]]; n > 0 {
			return n
		}
	}
	return 0
}

// boundary reports whether a name may end between a and b: gpt-4o is no gpt-4, and
// llama3.1 no llama3.
func boundary(a, b byte) bool {
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' }
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	return b != '.' && !(digit(a) && (digit(b) || letter(b))) && !(letter(a) && letter(b))
}

// thousands reads 8k, 32k or 128k.
func thousands(word string) (n int64) {
	digits, ok := strings.CutSuffix(word, "k")
	if !ok || len(digits) == 0 || len(digits) > 4 {
		return 0
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return 0
		}
		n = 10*n + int64(digits[i]-'0')
	}
	if n < 4 {
		return 0
	}
	return n * 1000
}
