package config

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// Format lays out a file of the native syntax as everybody's is: certform fmt.
// What does not parse is not touched.
func Format(name string, src []byte) ([]byte, hcl.Diagnostics) {
	if nesting(src) > maxNesting {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "File cannot be read", Detail: "It nests brackets too deep.", Subject: start(name).Ptr()}}
	}
	if _, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos); diags.HasErrors() {
		return nil, untilUnclosed(diags)
	}
	return hclwrite.Format(src), nil
}
