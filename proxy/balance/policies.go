package balance

// Policies makes each policy by the name that the configuration knows it by.
var Policies = map[string]func(Chance) Policy{
	"p2c":      func(c Chance) Policy { return twoChoices{c} },
	"weighted": func(Chance) Policy { return &weighted{} },
	"busy":     func(c Chance) Policy { return leastBusy{c} },
	"hash":     func(Chance) Policy { return rendezvous{} },
}
