package limiter

// What a Local does beside counts that several processes share: it counts on, so that
// it can decide alone at any moment.

// look returns why l would refuse s, and takes nothing. A count that l does not know
// has nothing against it, nor has one whose limits are new: the shared one has to learn
// of them.
func (l *Local) look(s *Subject) error {
	var hashes [MaxBounds]uint64
	set := l.locate(s, &hashes)
	l.lock(set)
	defer l.unlock(set)
	now, tokens := l.tick(set), max(s.Tokens, 1)
	var worst verdict
	learnt := false
	for i := range s.n {
		b := s.bounds[i]
		e := l.shards[shardOf(hashes[i])].find(hashes[i], b)
		if e == nil {
			continue
		}
		if e.rule != b.rule {
			e.adopt(b.rule, now, now.Sub(l.start))
			learnt = true
		}
		e.open++
		e.check(now, now.Sub(l.start), tokens, &worst)
		e.open--
	}
	if worst.kind == 0 || learnt {
		return nil
	}
	l.shards[shardOf(hashes[0])].refused++
	return worst.exceeded(tokens)
}

// charge takes the room of s, which was admitted elsewhere, or says why there is none:
// others may have come since look. A count that callers share for want of room has
// nothing against one of them, and is charged all the same.
func (l *Local) charge(s *Subject) (Grant, error) {
	var hashes [MaxBounds]uint64
	set := l.locate(s, &hashes)
	l.lock(set)
	defer l.unlock(set)
	now := l.tick(set)
	at := now.Sub(l.start)
	g := Grant{local: l, tokens: max(s.Tokens, 1)}
	var worst verdict
	for i := range s.n {
		e := l.entry(hashes[i], s.bounds[i], now)
		if g.holds(e) {
			continue
		}
		e.open++
		g.held[g.n] = e
		g.n++
		if e.scope&overflow == 0 {
			e.check(now, at, g.tokens, &worst)
		}
	}
	if worst.kind != 0 {
		for _, e := range g.held[:g.n] {
			e.open--
		}
		l.shards[g.held[0].shard].refused++
		return Grant{}, worst.exceeded(g.tokens)
	}
	for _, e := range g.held[:g.n] {
		if e.requests != nil {
			e.requests.ReserveN(now, 1)
		}
		if r := e.rule.tokens; r.N > 0 {
			e.tokens.take(at, g.tokens, r)
		}
	}
	return g, nil
}
