package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// mostSuggestions bounds for how many unknown references the nearest is looked
// for: thousands of them in a fleet of thousands would take minutes.
const mostSuggestions = 100

// suggest is the end of a sentence about a name that does not exist: the
// nearest that does, or all of them if they are few.
func suggest(given string, known []string) string {
	known = slices.Clone(known)
	slices.Sort(known)
	// What has no letter in common is no misspelling: local.cc is not local.a.
	own := given[strings.LastIndexByte(given, '.')+1:]
	// Nor is ssh, with one of three, s3.
	best, least := "", min(max(2, len(given)/3)+1, (len(own)+2)/2)
	for _, k := range known {
		if len(k)-len(given) > least || len(given)-len(k) > least {
			continue
		}
		d := levenshtein.Distance(given, k, nil)
		if swapped(given, k) {
			d = 1
		}
		if d < least {
			best, least = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf(" Did you mean %s?", best)
	case len(known) == 0:
		return " There are none."
	case len(known) <= 12:
		return fmt.Sprintf(" There is: %s.", strings.Join(known, ", "))
	}
	return ""
}

// swapped reports whether two letters that follow each other are all that
// differs.
func swapped(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// blockHints answer habits from Terraform and its like, by the name of a block
// or argument that does not exist here.
var blockHints = map[string]string{
	"provider":                  `There are no provider blocks: a dns block says where records go, dns "cloudflare" "main" { ... }, and an issuer block who signs.`,
	"terraform":                 `Settings of the program are in a certform block: required_version, state, seal.`,
	"backend":                   `Where the state is kept is said by a state block in the certform block.`,
	"resource":                  `There are no resources: what is wanted is said by certificate blocks, where it goes by sink blocks.`,
	"data":                      `There are no data sources. Files are read by file(), csvdecode() and yamldecode(), the environment by env().`,
	"module":                    `There are no modules: certform { include = ["../shared"] } reads other directories as part of this one.`,
	"output":                    `There are no outputs: certform status -json tells what is.`,
	"moved":                     `moved blocks do not exist yet.`,
	"import":                    `import blocks do not exist yet. A sink argument adopt = true takes over a certificate that is there.`,
	"removed":                   `removed blocks do not exist yet.`,
	"check":                     `check blocks do not exist yet. The proof of a delivery is an endpoint block in the sink.`,
	"policy":                    `policy blocks do not exist yet.`,
	"window":                    `Windows do not exist yet; wave orders the places of one certificate.`,
	"count":                     `There is no count: for_each makes several of a block, and count = 0 is for_each = [].`,
	"depends_on":                `There is no depends_on: the order follows from references, and that of places from wave.`,
	"sensitive":                 `Nothing is marked sensitive: what is secret is given by secret("env:NAME"), and never enters a value.`,
	"ephemeral":                 `What is secret is given by secret("env:NAME"), and never enters a value.`,
	"lifecycle":                 `There is no lifecycle: a new certificate is always made, verified and delivered before the old one goes.`,
	"provisioner":               `There are no provisioners: the sink file has test and reload.`,
	"connection":                `There are no connection blocks: a sink has its own arguments for how it is reached.`,
	"dynamic":                   `There are no dynamic blocks: for_each on the sink makes several.`,
	"domain":                    `The names of a certificate are names = ["example.com", "*.example.com"].`,
	"common_name":               `The names of a certificate are names = ["example.com", "*.example.com"]; the CA chooses the common name.`,
	"dns_names":                 `The names of a certificate are names = ["example.com", "*.example.com"].`,
	"domains":                   `The names of a certificate are names = ["example.com", "*.example.com"].`,
	"sans":                      `The names of a certificate are names = ["example.com", "*.example.com"].`,
	"on_remove":                 `on_remove does not exist yet: what is delivered stays where it is.`,
	"renew_before":              `When to renew follows from the CA (ARI) or the certificate's life; there is nothing to set.`,
	"min_days_remaining":        `When to renew follows from the CA (ARI) or the certificate's life; there is nothing to set.`,
	"subject_alternative_names": `The names of a certificate are names = ["example.com", "*.example.com"].`,
	"key_algorithm":             `The key is said by key_type = "ecdsa-p256", or rsa2048, rsa3072, rsa4096, ecdsa-p384.`,
	"key_size":                  `The key is said by key_type = "ecdsa-p256", or rsa2048, rsa3072, rsa4096, ecdsa-p384.`,
	"dns_challenge":             `Where a name is proven is found by the dns and zone blocks.`,
	"challenge":                 `Names are proven by DNS-01 alone, and where is found by the dns and zone blocks.`,
	"endpoint":                  `An endpoint block belongs into a sink: it says who serves what the sink delivers.`,
	"days":                      `When to renew follows from the CA (ARI) or the certificate's life; there is nothing to set.`,
	"precondition":              `There are no preconditions; a variable has validation blocks.`,
	"required_version":          `required_version belongs into the certform block.`,
	"endpoints":                 `An endpoint is a nested block of a sink: endpoint { address = "10.0.0.1" }.`,
}

// types are those that a variable may have.
var types = []string{"any", "bool", "number", "string"}

// rootHints answer references that exist in Terraform and not here.
var rootHints = map[string]string{
	"path":      `There is no path: file() and fileset() are relative to the file that calls them.`,
	"data":      blockHints["data"],
	"module":    blockHints["module"],
	"count":     blockHints["count"],
	"self":      `There is no self. In a sink, certificate is the certificate it is evaluated for.`,
	"terraform": `There is no terraform here, and there are no workspaces: use a directory each, or a variable.`,
	"provider":  blockHints["provider"],
	"variable":  `A variable is referred to by var.NAME.`,
	"locals":    `A local is referred to by local.NAME.`,
	"resource":  blockHints["resource"],
}

// functionHints answer calls of functions that exist in Terraform and not here.
var functionHints = map[string]string{
	"sensitive":    blockHints["sensitive"],
	"nonsensitive": blockHints["sensitive"],
	"timestamp":    `There is no timestamp: the same files and variables give the same configuration at any time.`,
	"uuid":         `There is no uuid: the same files and variables give the same configuration at any time. uuidv5 is made from its input.`,
	"bcrypt":       `There is no bcrypt: the same files and variables give the same configuration at any time.`,
	"getenv":       `The environment is read by env().`,
	"vault":        `A secret in Vault is secret("vault:PATH#FIELD").`,
}

// hint improves a diagnostic of the HCL library: with what to do instead of a
// habit, or with a suggestion.
func hint(d *hcl.Diagnostic, files map[string]*hcl.File) {
	switch d.Summary {
	case "Unsupported block type", "Unsupported argument", "Extraneous JSON object property", "Unexpected block":
		if h := blockHints[quoted(d, files)]; h != "" {
			d.Detail = h
		}
	case "Invalid type specification":
		if strings.HasPrefix(d.Detail, "The keyword ") {
			d.Detail += suggest(quoted(d, files), types) + " Others are made of them: list(string), set(string), map(string), object({ name = string }), tuple([string, number])."
		}
	case "Unsupported attribute", "Missing map element", "Invalid index":
		nearAttribute(d)
	}
	if call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d); ok {
		if h := functionHints[call.CalledFunctionName()]; h != "" {
			d.Detail = h
		}
	}
}

// quoted is the source text that a diagnostic points at.
func quoted(d *hcl.Diagnostic, files map[string]*hcl.File) string {
	if d.Subject == nil {
		return ""
	}
	f := files[d.Subject.Filename]
	if f == nil || !d.Subject.CanSliceBytes(f.Bytes) {
		return ""
	}
	return strings.Trim(string(d.Subject.SliceBytes(f.Bytes)), `"`)
}

// nearAttribute adds what exists to a message about what does not: the library
// has suggestions for arguments, but none for attributes and keys.
func nearAttribute(d *hcl.Diagnostic) {
	if d.Expression == nil || d.EvalContext == nil {
		return
	}
	t, diags := hcl.AbsTraversalForExpr(d.Expression)
	if diags.HasErrors() {
		return
	}
	for n := 1; n < len(t); n++ {
		v, diags := t[:n].TraverseAbs(d.EvalContext)
		if diags.HasErrors() {
			return
		}
		if _, diags := t[:n+1].TraverseAbs(d.EvalContext); !diags.HasErrors() {
			continue
		}
		name := step(t, n)
		if i, ok := t[n].(hcl.TraverseIndex); ok && name == "" && i.Key.Type() == cty.Number {
			name = i.Key.AsBigFloat().Text('f', -1)
		}
		if t.RootName() == "certificate" && n == 1 {
			d.Detail = fmt.Sprintf("In a sink, certificate is the one certificate it is evaluated for. It has name, names, hosts, domain and labels, and no %q.", name)
			return
		}
		if v.Type().Equals(referenceType) {
			d.Detail = fmt.Sprintf("%s is a reference to a block, whose arguments cannot be read. What blocks share is a local.", address(t[:n]))
			if _, index := t[n].(hcl.TraverseIndex); index && n == 3 {
				d.Detail = fmt.Sprintf("%s has no for_each, so there is only one, and it is written without a key.", address(t[:n]))
			}
			return
		}
		if name == "" {
			return
		}
		var known []string
		switch ty := v.Type(); {
		case ty.IsObjectType():
			for k := range ty.AttributeTypes() {
				known = append(known, k)
			}
		case ty.IsMapType() && v.IsKnown() && !v.IsNull():
			for it := v.ElementIterator(); it.Next(); {
				k, _ := it.Element()
				known = append(known, k.AsString())
			}
		default:
			return
		}
		if ty := v.Type(); ty.Equals(cty.Map(referenceType)) {
			d.Detail = fmt.Sprintf("There is no %s[%q].", address(t[:n]), name)
		}
		d.Detail += suggest(name, known)
		return
	}
}

func address(t hcl.Traversal) string {
	out := t.RootName()
	for i := 1; i < len(t); i++ {
		if _, index := t[i].(hcl.TraverseIndex); index && i > 2 {
			out += fmt.Sprintf("[%q]", step(t, i))
			continue
		}
		out += "." + step(t, i)
	}
	return out
}
