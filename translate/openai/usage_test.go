package openai

import (
	"testing"

	"github.com/valyala/fastjson"
)

func TestCountsUnderOpenAIsOwnNamesAreReadAsThoseAmongOthersAre(t *testing.T) {
	t.Parallel()
	for _, members := range []string{
		`"prompt_tokens":3,"completion_tokens":4`,
		`"prompt_tokens":3,"completion_tokens":4,"total_tokens":7`,
		`"prompt_tokens":0,"completion_tokens":4,"total_tokens":7`,
		`"prompt_tokens":3,"completion_tokens":0,"total_tokens":7`,
		`"prompt_tokens":3,"completion_tokens":null,"total_tokens":7`,
		`"prompt_tokens":-3,"completion_tokens":"4","total_tokens":7`,
		`"prompt_tokens":3,"total_tokens":7`,
		`"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":2,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":1}`,
		`"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cache_write_tokens":2},"completion_tokens_details":null`,
		`"prompt_tokens":9,"completion_tokens":4,"prompt_tokens_details":{"cache_creation_input_tokens":0,"cache_creation_tokens":5},"completion_tokens_details":7`,
		`"prompt_tokens":9,"prompt_tokens":8,"completion_tokens":4`,
		`"\u0070rompt_tokens":9,"completion_tokens":4,"total_tokens":13`,
		`"prompt_tokens":9,"completion_tokens":4,"prompt_cache_hit_tokens":6`,
	} {
		own, ok := readUsage(fastjson.MustParse(`{` + members + `}`))
		among, too := readUsage(fastjson.MustParse(`{` + members + `,"queue_time":1}`))
		if own != among || ok != too {
			t.Errorf("%s\nalone        %+v %v\namong others %+v %v", members, own, ok, among, too)
		}
	}
}
