package main

import (
	"github.com/certform/certform/orchestrator/secret"
	"github.com/certform/certform/orchestrator/world"
)

// newWorld is the real world; secrets' relative paths begin at the
// configuration's directory.
func newWorld(dir string) *world.World {
	w := &world.World{}
	w.Secret = secret.New(w, dir).Resolve
	return w
}
