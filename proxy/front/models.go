package front

import "github.com/dragoman-gateway/dragoman/translate"

// modelsSince is the date that model lists give for every model: the configuration
// says none, and clients only sort by it.
const modelsSince = 1_700_000_000_000

// listModels answers with the models that the caller may use.
func listModels(c *call) {
	caller, err := c.identify(c.front.token(c))
	if err != nil {
		c.fail(err)
		return
	}
	c.json(200, c.front.appendModels(nil, c.s.g.Models(caller)))
}

// oneModel answers with the model in the path.
func oneModel(c *call) {
	caller, err := c.identify(c.front.token(c))
	if err != nil {
		c.fail(err)
		return
	}
	id := c.pathID()
	if _, err := c.s.g.Resolve(caller, id); id == "" || err != nil {
		c.fail(&translate.Error{Code: translate.CodeModelNotFound, Message: "no such model"})
		return
	}
	c.json(200, c.front.appendModel(nil, id))
}
