package config

import (
	"maps"
	"slices"
	"time"
)

// longestMonth is the age of rows that a ledger must keep for budgets per month.
const longestMonth = 31 * 24 * time.Hour

func (k *checker) prices() {
	for _, name := range slices.Sorted(maps.Keys(k.Prices)) {
		p, path := k.Prices[name], child("prices", name)
		if !k.known(name) && !k.upstream(name) {
			k.add(path, "no channel serves a model of this name, nor has one under this name at its back end")
		}
		for key, v := range map[string]float64{"input": p.Input, "output": p.Output, "minute": p.Minute, "image": p.Image, "call": p.Call} {
			k.price(child(path, key), v)
		}
		if p.Cached != nil {
			k.price(child(path, "cached"), *p.Cached)
		}
	}
	k.notNegative("store.keep", int(k.Store.Keep))
	k.notNegative("ledger.keep", int(k.Ledger.Keep))
	k.notNegative("ledger.rows", k.Ledger.Rows)
}

// maxPrice keeps costs within what is counted exactly.
const maxPrice = 1e6

func (k *checker) price(path string, v float64) {
	if !(v >= 0 && v <= maxPrice) {
		k.add(path, "must be from 0 to 1000000")
	}
}

// upstream reports whether a back end calls one of its models name.
func (k *checker) upstream(name string) bool {
	return slices.ContainsFunc(k.Channels, func(c Channel) bool {
		return slices.ContainsFunc(c.Models, func(m Model) bool { return m.Upstream == name })
	})
}

func (k *checker) budget(path string, b Budget) {
	switch {
	case b == Budget{}:
	case !(b.Amount > 0 && b.Amount <= 1e9):
		k.add(child(path, "amount"), "must be more than 0 and at most 1000000000")
	case b.Per != "day" && b.Per != "month":
		k.choice(child(path, "per"), b.Per, "day", "month")
	case k.Ledger.Keep != 0 && k.Ledger.Keep < longestMonth && b.Per == "month":
		k.add(path, "a budget per month needs a ledger.keep of at least 744h")
	case k.Ledger.Keep != 0 && k.Ledger.Keep < 24*time.Hour:
		k.add(path, "a budget per day needs a ledger.keep of at least 24h")
	}
}
