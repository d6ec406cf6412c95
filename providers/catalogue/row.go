package catalogue

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/certform/certform/orchestrator/block"
	"github.com/certform/certform/providers"
)

// row is what is known of one libdns provider.
type row struct {
	name    string // the type of the dns block
	title   string // the host, as it calls itself
	version string // of its module, as in go.mod
	module  string // "" for github.com/libdns/NAME
	quirks  providers.Quirks
	read    cites
	proof   providers.Level
	special string // what a user of this host should know, for its page
	// unproven says why no test of ours can reach the provider, where that is so.
	unproven string
	leaks    bool // a secret stands in URLs, and so in upstream's errors

	docs     map[string]string // one short line for each argument
	secrets  []string          // all arguments that must be secret(...)
	required []string          // those that the provider cannot work without
	plain    []string          // names that look like a secret's and are none
	omit     []string          // fields that are no arguments here, such as switches for debugging
	defaults map[string]string
	example  map[string]string // values for the example of the page, as HCL; "" leaves one out

	open func() providers.Provider
	// check says what is wrong beyond the types of single arguments; nil:
	// nothing is checked. get is the text of an argument that is no secret.
	check func(get func(argument string) string) []block.Problem
}

// cites is where each property of a provider was read, "file:line@version" or
// a document, with what it says. All are given once proof is read or more.
type cites struct {
	Values string // several values a name, or one
	Append string // adds, or replaces
	Delete string // by exact value, or by name
	ID     string // whether a record's id is needed to delete it
	TTL    string // the least
	Batch  string // how many changes in one call
	Pace   string // calls a second
	Zone   string // single records are changed, or the whole zone is rewritten
}

// How far a row was tested.
const (
	compiled = providers.Compiled
	read     = providers.Read
	scripted = providers.Scripted // two values at one name
)

// kind is the row as a line of the table of all providers.
func (r *row) kind() providers.Kind {
	return providers.Kind{
		Name:    r.name,
		Doc:     fmt.Sprintf("%s, through libdns.", r.title),
		Example: r.block(),
		New:     func() providers.Spec { return &spec{row: r, into: r.open(), secrets: map[string]block.Secret{}} },
		Quirks:  r.quirks,
		Proven:  r.proven(),
		Special: r.page(),
		Module:  cmp.Or(r.module, "github.com/libdns/"+r.name) + "@" + r.version,
		Cites:   r.read.list(),
	}
}

// proven is everything up to the proof.
func (r *row) proven() (out []providers.Proof) {
	if r.proof == compiled {
		return []providers.Proof{{Level: compiled}}
	}
	for l := read; l <= r.proof; l++ {
		out = append(out, providers.Proof{Level: l})
	}
	return out
}

// page is what its page says besides its quirks.
func (r *row) page() string {
	if r.unproven == "" {
		return r.special
	}
	return strings.TrimSpace(r.special + " It was not tried: " + r.unproven + ".")
}

func (c cites) list() []providers.Cite {
	return []providers.Cite{
		{What: "values of a name", Where: c.Values}, {What: "an addition", Where: c.Append}, {What: "a removal", Where: c.Delete},
		{What: "a record's id", Where: c.ID}, {What: "least TTL", Where: c.TTL}, {What: "changes in a call", Where: c.Batch},
		{What: "calls a second", Where: c.Pace}, {What: "what a change writes", Where: c.Zone},
	}
}

// block is a dns block with what the provider cannot work without.
func (r *row) block() string {
	var names, values []string
	long := 0
	for _, a := range block.Arguments(r.kindless()) {
		value, given := r.example[a.Name]
		switch {
		case given && value == "", !given && !a.Required:
			continue
		case given:
		case a.Secret:
			value = fmt.Sprintf("secret(%q)", "env:"+r.env(a.Name))
		case a.Type == "number", a.Type == "bool":
			value = map[string]string{"number": "1", "bool": "true"}[a.Type]
		default:
			value = fmt.Sprintf("%q", strings.ReplaceAll(a.Name, "_", "-"))
		}
		names, values = append(names, a.Name), append(values, value)
		long = max(long, len(a.Name))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "dns %q \"main\" {\n", r.name)
	for i, n := range names {
		fmt.Fprintf(&b, "  %-*s = %s\n", long, n, values[i])
	}
	b.WriteString("}\n")
	return b.String()
}

func (r *row) kindless() *spec { return &spec{row: r, into: r.open()} }

// env is the environment variable that the example takes a secret from.
func (r *row) env(argument string) string {
	return strings.ToUpper(r.name + "_" + argument)
}
