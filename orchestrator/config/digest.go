package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// digest remembers all that a configuration was made from: its files, what
// functions read, the environment and the variables. Equal inputs give equal
// digests on every machine.
type digest struct {
	parts map[string][32]byte
}

func (d *digest) add(what string, data []byte) {
	if d.parts == nil {
		d.parts = map[string][32]byte{}
	}
	d.parts[what] = sha256.Sum256(data)
}

// file goes by its path relative to the configuration, so that a checkout may
// lie anywhere.
func (d *digest) file(dir, path string, data []byte) {
	if rel, err := filepath.Rel(dir, path); err == nil {
		path = filepath.ToSlash(rel)
	}
	d.add("file "+path, data)
}

func (d *digest) variable(name string, v cty.Value) {
	text, err := ctyjson.Marshal(v, cty.DynamicPseudoType)
	if err != nil {
		text = []byte(err.Error())
	}
	d.add("variable "+name, text)
}

func (d *digest) sum() string {
	h := sha256.New()
	for _, k := range slices.Sorted(maps.Keys(d.parts)) {
		p := d.parts[k]
		fmt.Fprintf(h, "%d %s %x\n", len(k), k, p)
	}
	return hex.EncodeToString(h.Sum(nil))
}
