package proxy

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/translate"
)

func TestTheConfigurationKnowsTheWordsOfWhatModelsRefuse(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(translate.TraitNames(), config.Parameters()); diff != "" {
		t.Error(diff)
	}
}
