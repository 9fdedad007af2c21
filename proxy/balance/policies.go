package balance

// Policies makes each policy by the name that the configuration knows it by.
var Policies = map[string]func() Policy{
	"p2c":      func() Policy { return twoChoices{} },
	"weighted": func() Policy { return &weighted{} },
	"busy":     func() Policy { return leastBusy{} },
	"hash":     func() Policy { return rendezvous{} },
}
