package limiter

import (
	"context"
	"strconv"
)

// more is Grant.More where several processes count: one more call, and none where no
// tokens are limited or this process alone has used them up.
func (t *ticket) more(g *Grant, tokens int) error {
	j := t.j
	var keys []string
	var rules []*Rule
	for i, key := range t.keys {
		if t.rules[i].tokens.N > 0 {
			keys, rules = append(keys, key), append(rules, t.rules[i])
		}
	}
	if len(keys) == 0 || !j.up.Load() {
		return g.local.more(g, tokens, ifThere)
	}
	if err := g.local.more(g, tokens, never); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), j.deadline)
	defer cancel()
	if j.behind() {
		_ = j.Flush(ctx) // it may be what would stand in the way
	}
	sec, nsec := j.clock()
	args := []string{sec, nsec, strconv.Itoa(tokens)}
	for _, r := range rules {
		args = append(args, strconv.Itoa(r.tokens.N), strconv.FormatInt(int64(r.tokens.Per), 10))
	}
	answer, err := j.counts.Run(ctx, scriptMore, keys, args)
	if err == nil && len(answer) != 8+8*len(keys) {
		err = ErrNonsense
	}
	for i := 0; err == nil && i < len(keys); i++ {
		if !plausible(double(answer, 8+8*i)) {
			err = ErrNonsense
		}
	}
	if err != nil {
		j.lose(err)
		return g.local.more(g, tokens, ifThere)
	}
	if double(answer, 0) == 1 {
		t.tokens += tokens // given back with the rest, also where others here were faster
		return g.local.more(g, tokens, ifThere)
	}
	var worst verdict
	for i, r := range rules {
		if v := r.lacks(double(answer, 8+8*i), tokens, g.tokens+tokens); v.kind != 0 {
			worst.add(v)
		}
	}
	if worst.kind == 0 {
		j.lose(ErrNonsense)
		return g.local.more(g, tokens, ifThere)
	}
	return worst.exceeded(g.tokens + tokens)
}
