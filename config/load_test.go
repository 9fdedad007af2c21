package config

import (
	"testing"
)

func TestTheExampleLoadsAsItStands(t *testing.T) {
	t.Parallel()
	c, err := Load([]byte(Example()), "dragoman.yaml", func(name string) (string, bool) { return "secret of " + name, true })
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Channels) != 5 || c.Channels[0].Keys[0] != "secret of OPENAI_API_KEY" {
		t.Errorf("channels: %+v", c.Channels)
	}
	for _, n := range c.Notices() {
		t.Log(n.In("x"))
	}
}
