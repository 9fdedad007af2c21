package front_test

import (
	"testing"

	"github.com/dragoman-gateway/dragoman/internal/wiretest/world"
)

func TestMain(m *testing.M) { world.Main(m) }
