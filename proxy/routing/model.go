package routing

import (
	"fmt"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/proxy/auth"
	"github.com/dragoman-gateway/dragoman/translate"
)

// Model is what a name asked for comes to.
type Model struct {
	Name   string         // of the model
	Asked  string         // the model or preset
	Plan   *Plan          // in which it was found
	Preset *config.Preset // nil: a plain model
	Route  *Route
}

// defaultPreset is the preset of docs/rules/conversations.md 7: what a client
// that names no model gets.
const defaultPreset = "default"

// Resolve finds the model that c means by name: a model or a preset. An empty
// name is the default preset, else the first model that c may use.
func (p *Plan) Resolve(c *auth.Caller, name string) (*Model, *translate.Error) {
	if name == "" {
		name = p.defaultName(c)
	}
	preset := p.Presets[name]
	model := name
	if p.Routes[name] != nil {
		preset = nil
	} else if preset != nil {
		model = preset.Model
	}
	if !c.May(name) && !c.May(model) {
		return nil, &translate.Error{Code: translate.CodePermission, Message: fmt.Sprintf("the model %q is not for this caller", translate.Clip(name))}
	}
	r := p.Routes[model]
	if r == nil {
		return nil, &translate.Error{Code: translate.CodeModelNotFound, Message: fmt.Sprintf("no channel serves the model %q", translate.Clip(name))}
	}
	if preset == nil {
		return r.Plain, nil
	}
	return &Model{Name: model, Asked: name, Plan: p, Preset: preset, Route: r}, nil
}

func (p *Plan) defaultName(c *auth.Caller) string {
	if p.Presets[defaultPreset] != nil {
		return defaultPreset
	}
	for _, m := range p.Models {
		if c.May(m) {
			return m
		}
	}
	return ""
}
