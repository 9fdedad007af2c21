package config

import (
	"net/url"
	"slices"
	"strings"
	"time"
)

func (k *checker) channels() {
	ids := map[string]int{}
	for i := range k.Channels {
		ch, path := &k.Channels[i], index("channels", i)
		k.name(child(path, "id"), ch.ID)
		if first, ok := ids[ch.ID]; ok && ch.ID != "" {
			k.add(child(path, "id"), "channels[%d] has this id already", first)
		} else {
			ids[ch.ID] = i
		}
		k.kind(path, ch)
		k.models(path, ch.Models)
		k.keys(child(path, "keys"), ch.Keys)
		k.numbers(path, ch)
		k.outbound(path, ch)
		k.choice(child(path, "on_leave"), ch.OnLeave, "cancel", "finish")
		k.parameters(child(path, "refuses"), ch.Refuses, nil)
		k.parameters(child(path, "takes"), ch.Takes, ch.Refuses)
		for j, word := range ch.Efforts {
			k.name(index(child(path, "efforts"), j), word)
		}
		k.probe(child(path, "probe"), ch)
		if ch.Fold != "" {
			k.fold(child(path, "fold"), ch.Fold)
		}
	}
}

// Parameters are the words of a channel's refuses and takes.
func Parameters() []string {
	return []string{"temperature", "top_p", "top_k", "stop", "penalties", "logprobs", "reasoning_effort", "max_tokens", "system", "thinking_budget"}
}

// parameters checks words, of which others has none.
func (k *checker) parameters(path string, words, others []string) {
	for i, word := range words {
		k.choice(index(path, i), word, Parameters()...)
		if slices.Contains(others, word) {
			k.add(index(path, i), "%q is among refuses too", word)
		}
	}
}

func (k *checker) kind(path string, ch *Channel) {
	at := child(path, "kind")
	kind := KindOf(ch.Kind)
	all := kindNames(func(*Kind) bool { return true })
	switch {
	case ch.Kind == "":
		k.add(at, "is missing; want %s", oneOf(all...))
		return
	case kind.Name == "":
		k.choice(at, ch.Kind, all...)
		return
	case kind.Schemes == nil && ch.URL != "":
		k.add(child(path, "url"), "a %s channel has no url", ch.Kind)
	case kind.Schemes != nil && ch.URL == "":
		k.add(child(path, "url"), "is missing")
	case kind.Schemes != nil:
		k.url(child(path, "url"), ch.URL, false, kind.Schemes...)
	}
	seen := map[string]bool{}
	for _, of := range Kinds {
		for _, key := range of.Settings {
			if !seen[key] && k.from.set(child(path, key)) && !slices.Contains(kind.Settings, key) {
				k.add(child(path, key), "is for channels of kind %s only", oneOf(kindNames(func(one *Kind) bool { return slices.Contains(one.Settings, key) })...))
			}
			seen[key] = true
		}
	}
}

// url checks a base URL. It never shows it: there may be a password in it.
func (k *checker) url(path, value string, login bool, schemes ...string) {
	u, err := url.Parse(value)
	switch {
	case err != nil:
		k.add(path, "is no URL")
	case !slices.Contains(schemes, strings.ToLower(u.Scheme)):
		k.add(path, "must begin with %s", oneOf(withSlashes(schemes)...))
	case u.Hostname() == "" || u.Opaque != "":
		k.add(path, "names no host")
	case !login && u.User != nil:
		k.add(path, "must hold neither a user nor a password; use keys")
	case !login && (u.RawQuery != "" || u.ForceQuery):
		k.add(path, "must not hold a query; use query")
	case u.Fragment != "":
		k.add(path, "must not hold a fragment")
	}
}

func withSlashes(schemes []string) []string {
	out := make([]string, len(schemes))
	for i, s := range schemes {
		out[i] = s + "://"
	}
	return out
}

func (k *checker) models(path string, models []Model) {
	at := child(path, "models")
	if len(models) == 0 {
		k.add(at, "the channel serves no model")
	}
	seen := map[string]bool{}
	for i, m := range models {
		name := child(index(at, i), "name")
		k.name(name, m.Name)
		if seen[m.Name] && m.Name != "" {
			k.add(name, "the channel has the model %s already", k.from.quote(name, m.Name))
		}
		seen[m.Name] = true
	}
}

func (k *checker) keys(path string, keys []string) {
	for i, key := range keys {
		at := index(path, i)
		if key == "" && !k.from.set(at) {
			k.add(at, "must not be empty")
		}
		k.header(at, key)
		if first := slices.Index(keys, key); first < i {
			k.add(at, "is the same key as keys[%d]", first)
		}
	}
}

func (k *checker) numbers(path string, ch *Channel) {
	k.atLeastOne(child(path, "tier"), ch.Tier)
	k.atLeastOne(child(path, "weight"), ch.Weight)
	k.atLeastOne(child(path, "connections"), ch.Connections)
	k.notNegative(child(path, "concurrent"), ch.Concurrent)
	k.rate(child(path, "dials"), ch.Dials)
	k.timeouts(child(path, "timeouts"), ch.Timeouts)
}

func (k *checker) probe(path string, ch *Channel) {
	p := ch.Probe
	if p == nil {
		return
	}
	if p.Every < time.Second {
		k.add(child(path, "every"), "must be at least 1s")
	}
	k.rate(child(path, "most"), p.Most)
	if p.Model != "" && !slices.ContainsFunc(ch.Models, func(m Model) bool { return m.Name == p.Model }) {
		at := child(path, "model")
		k.add(at, "the channel does not serve %s", k.from.quote(at, p.Model))
	}
}
