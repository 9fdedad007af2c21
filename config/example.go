package config

import _ "embed"

//go:embed testdata/example.yaml
var example string

// Example returns a whole file that uses most keys. It loads as it stands once
// its variables are set.
func Example() string { return example }
