// Package cert is a certificate as data: typed names, keys, chains and their
// fingerprints, and the addresses that must serve it.
//
// It does no I/O and knows no clock; asking a CA, storing and delivering are
// left to the packages above it.
package cert

import (
	"fmt"
	"strings"

	"golang.org/x/net/idna"
)

// NameKind says what a Name names. Only DNS names exist today; e-mail
// addresses (RFC 8823) would join here.
type NameKind string

// DNS is the kind of a name that RFC 8555 calls a "dns" identifier.
const DNS NameKind = "dns"

// Name is one thing that a certificate vouches for. Value is canonical: lower
// case, A-labels, no trailing dot; a wildcard begins with "*.". Two Names are
// the same name if they are equal with ==.
type Name struct {
	Kind  NameKind `json:"kind,omitempty"`
	Value string   `json:"value"`
}

// ParseDNS makes the canonical Name of s: lower case, IDN converted to
// A-labels, one trailing dot dropped. The error says what is wrong with s in
// one sentence without naming s, for use in a diagnostic.
func ParseDNS(s string) (Name, error) {
	v := strings.TrimSuffix(s, ".")
	if v == "" {
		return Name{}, fmt.Errorf("a name cannot be empty")
	}
	base, wild := strings.CutPrefix(v, "*.")
	if strings.Contains(base, "*") {
		return Name{}, fmt.Errorf("a wildcard can only be the whole first label, as in *.example.com")
	}
	ascii, err := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.StrictDomainName(false)).ToASCII(base)
	if err != nil {
		return Name{}, fmt.Errorf("not a DNS name: %v", err)
	}
	ascii = strings.ToLower(ascii)
	full := ascii
	if wild {
		full = "*." + ascii
	}
	if len(full) > 253 {
		return Name{}, fmt.Errorf("a DNS name has at most 253 octets, this one has %d", len(full))
	}
	labels := strings.Split(ascii, ".")
	if len(labels) < 2 {
		return Name{}, fmt.Errorf("a DNS name here needs at least two labels, as in host.example.com")
	}
	for _, l := range labels {
		if err := checkLabel(l); err != nil {
			return Name{}, err
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return Name{}, fmt.Errorf("an IP address is not a DNS name and cannot be proven by DNS-01")
	}
	return Name{Kind: DNS, Value: full}, nil
}

func checkLabel(l string) error {
	switch {
	case l == "":
		return fmt.Errorf("a label between two dots is empty")
	case len(l) > 63:
		return fmt.Errorf("the label %q has %d octets, at most 63 are allowed", l, len(l))
	case l[0] == '-' || l[len(l)-1] == '-':
		return fmt.Errorf("the label %q begins or ends with a hyphen", l)
	}
	for _, c := range l {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("the character %q cannot be part of a certificate's DNS name", c)
		}
	}
	return nil
}

// Wildcard reports whether n stands for all names one label below its Base.
func (n Name) Wildcard() bool { return strings.HasPrefix(n.Value, "*.") }

// Base is n without a leading "*.": the name whose control is proven, so that
// example.com and *.example.com share one _acme-challenge name (RFC 8555, 8.4).
func (n Name) Base() string { return strings.TrimPrefix(n.Value, "*.") }

// Covers reports whether a certificate for n is good for host (RFC 6125, 6.4).
func (n Name) Covers(host string) bool {
	if n.Value == host {
		return true
	}
	if !n.Wildcard() {
		return false
	}
	label, parent, ok := strings.Cut(host, ".")
	return ok && label != "" && parent == n.Base()
}

// Unicode is n as people write it, and "" when that is no different.
func (n Name) Unicode() string {
	u, err := idna.ToUnicode(n.Value)
	if err != nil || u == n.Value {
		return ""
	}
	return u
}

func (n Name) String() string { return n.Value }

// Values are the plain strings of names, in order.
func Values(names []Name) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.Value
	}
	return out
}
